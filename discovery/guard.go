// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package discovery

import (
	"fmt"
	"time"
)

// Guard is when a [Cache] believes a registry that suddenly knows nobody, or less
// than half of whom it knew. Registries say so by mistake: while they elect a leader,
// when they start, when a token lost its rights. An empty set, or a drop by over
// MaxDrop, is believed when two answers at least Confirm apart agree on it, the last of
// them not before Least, and after Most in any case. A set that recovers in between ends
// the doubt.
//
// Meanwhile new endpoints in the doubted set are taken at once, and those missing from
// it are kept: they may be gone, and the calls that try them count on retries and
// outlier detection. Where the set has others that serve, those kept are marked as
// Unconfirmed, so that a call that failed at one of them is not sent to the next.
//
// Second answers come from [Looker], which is asked every Confirm, or else from what
// the watch yields. Where a Looker is asked and does not answer, Most does not apply:
// an outage confirms nothing, and the last good set stays.
//
// Endpoints that were marked as draining have taken their leave and do not count.
type Guard struct {
	// Trust believes every set at once.
	Trust bool
	// Confirm is the least time between two answers that confirm each other. 0 means 5 s.
	Confirm time.Duration
	// Least is how long a doubted set is not believed, however often it is confirmed. 0
	// means 10 s.
	Least time.Duration
	// Most is how long a set is doubted without a second answer. 0 means 30 s.
	Most time.Duration
	// MaxDrop is the share of endpoints that may go at once, above 0 and at most 1,
	// where only the empty set is doubted. 0 means 0.5.
	MaxDrop float64
}

func (g *Guard) complete() error {
	for _, d := range []struct {
		at   *time.Duration
		zero time.Duration
	}{{&g.Confirm, 5 * time.Second}, {&g.Least, 10 * time.Second}, {&g.Most, 30 * time.Second}} {
		if *d.at == 0 {
			*d.at = d.zero
		}
	}
	if g.MaxDrop == 0 {
		g.MaxDrop = 0.5
	}
	switch {
	case g.Confirm < 0 || g.Least < g.Confirm || g.Most < g.Least:
		return fmt.Errorf("discovery: guard: Confirm %v, Least %v and Most %v must be positive and rise", g.Confirm, g.Least, g.Most)
	case !(g.MaxDrop > 0 && g.MaxDrop <= 1):
		return fmt.Errorf("discovery: guard: MaxDrop is %v; it is above 0 and at most 1", g.MaxDrop)
	}
	return nil
}

// judge decides which of a service's sets are believed. It has no clock and no
// goroutine of its own.
type judge struct {
	guard      Guard
	good       []Endpoint // believed last; nil before the first
	doubt      *doubt     // nil while the registry is believed
	suppressed uint64     // sets that were doubted
	changes    uint64     // of what shown gives
}

// doubt is a set that is not believed yet.
type doubt struct {
	since    time.Time  // when the registry was first doubted
	set      []Endpoint // its last word
	heard    time.Time  // when that was first heard
	shown    []Endpoint // set, and what is missing from it
	silenced bool       // the registry was asked since, and did not answer
}

// hear takes an answer of the registry, asked or unasked.
func (j *judge) hear(set []Endpoint, now time.Time) {
	d := j.doubt
	switch {
	case !j.suspects(set):
		j.believe(set)
	case d == nil || !EqualSets(d.set, set):
		j.distrust(set, now)
	case now.Sub(d.heard) >= j.guard.Confirm && now.Sub(d.since) >= j.guard.Least:
		j.believe(set)
	default:
		d.silenced = false
	}
	j.settle(now)
}

// suspects reports whether the set is too much of a loss to be believed at once.
func (j *judge) suspects(set []Endpoint) bool {
	if j.guard.Trust {
		return false
	}
	before, after := serving(j.good), serving(set)
	return before > 0 && (after == 0 || float64(after) < float64(before)*(1-j.guard.MaxDrop))
}

func (j *judge) distrust(set []Endpoint, now time.Time) {
	since := now
	if j.doubt != nil {
		since = j.doubt.since
	}
	j.suppressed++
	j.changes++
	j.doubt = &doubt{since: since, set: set, heard: now, shown: withKept(set, j.good)}
}

// withKept is the set, and what is missing from it, which is marked where it is not all
// there is.
func withKept(set, good []Endpoint) []Endpoint {
	all := overlay(set, good)
	if serving(set) > 0 && serving(good) > 0 { // and so all is no slice of somebody else's
		for i := range all[len(set):] {
			all[len(set)+i].Unconfirmed = true
		}
	}
	return all
}

// believe takes a set as the truth. One with the same content keeps the slice.
func (j *judge) believe(set []Endpoint) {
	if j.doubt == nil && j.good != nil && EqualSets(j.good, set) {
		return
	}
	if set == nil {
		set = []Endpoint{}
	}
	j.good, j.doubt = set, nil
	j.changes++
}

// unanswered notes that the registry was asked and did not answer.
func (j *judge) unanswered() {
	if j.doubt != nil {
		j.doubt.silenced = true
	}
}

// settle ends a doubt that has lasted long enough.
func (j *judge) settle(now time.Time) {
	if due := j.due(); !due.IsZero() && !now.Before(due) {
		j.believe(j.doubt.set)
	}
}

// due is when settle has something to do; zero is never, as things stand.
func (j *judge) due() time.Time {
	if j.doubt == nil || j.doubt.silenced {
		return time.Time{}
	}
	return j.doubt.since.Add(j.guard.Most)
}

// question is when the registry should be asked to confirm, having been asked last at
// asked; zero is never.
func (j *judge) question(asked time.Time) time.Time {
	d := j.doubt
	if d == nil {
		return time.Time{}
	}
	if asked.Before(d.heard) {
		asked = d.heard
	}
	return asked.Add(j.guard.Confirm)
}

// shown is what readers see: nil before the first set.
func (j *judge) shown() []Endpoint {
	if j.doubt != nil {
		return j.doubt.shown
	}
	return j.good
}

// kept is how many endpoints are shown that the registry does not name.
func (j *judge) kept() int {
	if j.doubt == nil {
		return 0
	}
	return len(j.doubt.shown) - len(j.doubt.set)
}

// serving counts the endpoints that take calls.
func serving(set []Endpoint) int {
	n := 0
	for i := range set {
		if !set[i].Draining {
			n++
		}
	}
	return n
}

// overlay is all endpoints of the first set, and those of each further one that share
// no address with one of a set before. The sets are not written; with one that is not
// empty the result is that very slice.
func overlay(sets ...[]Endpoint) []Endpoint {
	var out []Endpoint
	some := 0
	for _, set := range sets {
		if len(set) > 0 {
			out = set
			some++
		}
	}
	if some < 2 {
		return out
	}
	out = nil
	seen := map[string]bool{}
	for _, set := range sets {
		from := len(out)
		for i := range set {
			if !anySeen(seen, set[i].Addrs) {
				out = append(out, set[i])
			}
		}
		for i := range out[from:] {
			for _, a := range out[from+i].Addrs {
				seen[a] = true
			}
		}
	}
	return out
}

func anySeen(seen map[string]bool, addrs []string) bool {
	for _, a := range addrs {
		if seen[a] {
			return true
		}
	}
	return false
}
