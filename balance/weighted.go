// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package balance

import (
	"sync/atomic"

	"github.com/enmesh-go/enmesh"
)

// WeightedRoundRobin takes the endpoints in turn, each as often as its weight says,
// spread evenly over the round. The round is laid out when the picker is built, so
// that a pick is one atomic addition; with equal weights it is [RoundRobin].
//
// A round has as many turns as the weights sum to, divided by what they have in
// common, but at most 4,096 or 16 per endpoint, whichever is more; beyond that the
// shares are rounded, and no endpoint gets less than one turn.
func WeightedRoundRobin() Algorithm {
	return func(eps []*Endpoint) Picker { return newWeighted(open(eps), sourceOf(eps, nil)) }
}

func newWeighted(eps []*Endpoint, random source) Picker {
	if evenWeights(eps) {
		return newRoundRobin(eps, random)
	}
	p := &weighted{eps: eps, random: random, turns: layOut(turnsOf(eps))}
	p.next.Store(uint32(random() % uint64(len(p.turns))))
	return p
}

type weighted struct {
	eps    []*Endpoint
	random source
	turns  []uint32 // indexes into eps
	next   atomic.Uint32
}

func (p *weighted) Pick(c *enmesh.Call) (*Endpoint, error) {
	retried := hasTried(c)
	for range redraws {
		at := p.turns[p.next.Add(1)%uint32(len(p.turns))]
		if e := p.eps[at]; usable(e, c, retried) {
			return e, nil
		}
	}
	return scan(p.eps, c, within(uint32(p.random()>>32), len(p.eps)))
}

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

// layOut spreads turns over one round: turn k of t stands at (k+½)/t of it. A
// counting sort over these places is linear.
func layOut(turns []uint32) []uint32 {
	var sum uint64
	for _, t := range turns {
		sum += uint64(t)
	}
	place := func(k, t uint32) uint64 { return (2*uint64(k) + 1) * sum / (2 * uint64(t)) }
	from := make([]uint32, sum+1)
	each := func(visit func(i int, place uint64)) {
		for i, t := range turns {
			for k := range t {
				visit(i, place(k, t))
			}
		}
	}
	each(func(_ int, at uint64) { from[at+1]++ })
	for i := range sum {
		from[i+1] += from[i]
	}
	round := make([]uint32, sum)
	each(func(i int, at uint64) {
		round[from[at]] = uint32(i)
		from[at]++
	})
	return round
}
