// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package throttle

// parts is how many parts a window has; the oldest is forgotten whole.
const parts = 20

// ranks is how many levels of criticality there are.
const ranks = 4

// counts are the calls of a part of the window, by when they were made.
type counts struct {
	requests   [ranks]uint32 // by rank, those refused here included
	refused    uint32        // here
	accepted   uint32        // by the far side
	overloaded uint32        // refused by the far side
}

func (n *counts) all() float64 {
	sum := 0.0
	for _, r := range n.requests {
		sum += float64(r)
	}
	return sum
}

// answered is how many calls are known to have been accepted or not.
func (n *counts) answered() uint32 { return n.accepted + n.overloaded }

// add adds o; subtract with sign -1, which wraps round as unsigned numbers do.
func (n *counts) add(o *counts, sign uint32) {
	for i := range n.requests {
		n.requests[i] += sign * o.requests[i]
	}
	n.refused += sign * o.refused
	n.accepted += sign * o.accepted
	n.overloaded += sign * o.overloaded
}

const minus = ^uint32(0)

// window is the counts of the latest parts and their sum.
type window struct {
	age    int64 // of the newest part
	parts  [parts]counts
	total  counts
	recent counts // see latest
}

// at is the part age, which is the newest; what is too old for the window is forgotten. A
// clock that stands behind the newest part counts there.
func (w *window) at(age int64) *counts {
	switch {
	case age-w.age >= parts:
		*w = window{age: age}
	default:
		for w.age < age {
			w.age++
			old := &w.parts[w.age%parts]
			w.total.add(old, minus)
			*old = counts{}
		}
	}
	return &w.parts[w.age%parts]
}

// of is the part age, or nil when it is forgotten.
func (w *window) of(age int64) *counts {
	if age > w.age || w.age-age >= parts {
		return nil
	}
	return &w.parts[age%parts]
}

// latest is the sum of the newest part and the one before.
func (w *window) latest() *counts {
	w.recent = w.parts[w.age%parts]
	w.recent.add(&w.parts[(w.age+parts-1)%parts], 1)
	return &w.recent
}
