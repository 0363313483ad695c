// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package balance

// turnsOf is how many turns each endpoint has in a round.
func turnsOf(eps []*Endpoint) []uint32 {
	turns := make([]uint32, len(eps))
	var common uint32
	var sum uint64
	for i, e := range eps {
		turns[i] = e.Weight()
		common = gcd(common, turns[i])
		sum += uint64(turns[i])
	}
	limit := uint64(max(4096, 16*len(eps)))
	sum /= uint64(common)
	for i, w := range turns {
		w /= common
		if sum > limit {
			w = max(1, uint32((float64(w)*float64(limit))/float64(sum)+0.5))
		}
		turns[i] = w
	}
	return turns
}

func gcd(a, b uint32) uint32 {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}

// layOut spreads turns over one round of N. Turn k of t should begin at k/t of the round and be
// over at (k+1)/t: of those that should have begun, the one that should be over soonest
// has the next place. There always is one: of every endpoint's turns more than its share
// so far should have begun.
func layOut(turns []uint32) []uint32 {
	var sum uint64
	for _, t := range turns {
		sum += uint64(t)
	}
	d := deal{turns: turns, sum: sum, had: make([]uint64, len(turns)), next: make([]uint32, len(turns)), begins: make([]uint32, sum)}
	for i := range d.begins {
		d.begins[i] = noTurn
	}
	for i := range turns {
		d.push(uint32(i))
	}
	round := make([]uint32, sum)
	for place := range round {
		for i := d.begins[place]; i != noTurn; i = d.next[i] {
			d.push(i)
		}
		i := d.pop()
		round[place] = i
		d.had[i]++
		if d.had[i] < uint64(turns[i]) {
			d.wait(i, uint64(place)+1)
		}
	}
	return round
}

// noTurn ends a list of endpoints.
const noTurn = ^uint32(0)

// deal is a round while it is laid out.
type deal struct {
	turns  []uint32
	sum    uint64
	had    []uint64 // turns, by endpoint
	ready  []turn   // those whose turn should have begun: a heap, soonest end first
	begins []uint32 // by place: the first endpoint whose next turn should begin there
	next   []uint32 // by endpoint: the one after it in that list
}

// turn is an endpoint's next turn: when it should be over, in places of 2^10 units.
type turn struct {
	over uint64
	of   uint32
}

func (a turn) before(b turn) bool { return a.over < b.over || a.over == b.over && a.of < b.of }

// wait puts an endpoint where its next turn should begin, but not before from.
func (d *deal) wait(i uint32, from uint64) {
	t := uint64(d.turns[i])
	at := max((d.had[i]*d.sum+t-1)/t, from)
	d.next[i], d.begins[at] = d.begins[at], i
}

func (d *deal) push(i uint32) {
	n := turn{over: (d.had[i] + 1) * d.sum << 10 / uint64(d.turns[i]), of: i}
	d.ready = append(d.ready, n)
	at := len(d.ready) - 1
	for at > 0 && n.before(d.ready[(at-1)/2]) {
		d.ready[at] = d.ready[(at-1)/2]
		at = (at - 1) / 2
	}
	d.ready[at] = n
}

func (d *deal) pop() uint32 {
	first, last := d.ready[0].of, len(d.ready)-1
	n := d.ready[last]
	d.ready = d.ready[:last]
	at := 0
	for {
		down := 2*at + 1
		if down >= last {
			break
		}
		if down+1 < last && d.ready[down+1].before(d.ready[down]) {
			down++
		}
		if !d.ready[down].before(n) {
			break
		}
		d.ready[at] = d.ready[down]
		at = down
	}
	if last > 0 {
		d.ready[at] = n
	}
	return first
}
