// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package balance

import "github.com/enmesh-go/enmesh"

// WeightedRoundRobin takes the endpoints in turn, each as often as its weight says,
// spread evenly over the round: after any number of turns an endpoint has had what its
// weight says to within less than one turn, and the longest row of turns that one has is
// no longer than in nginx's smooth weighted round robin, mostly shorter: weights 5, 1
// and 1 give "abaacaa" again and again, where nginx gives "aabacaa". (Tijdeman, "The chairman assignment
// problem", Discrete Mathematics 1980, has the problem and the bound; the order is that of
// worst-case fair queueing, Bennett and Zhang, "WF2Q", INFOCOM 1996.)
//
// The round is laid out when the picker is built, so that a pick is one atomic addition
// and does not look at every endpoint, as nginx's does; with equal weights it is
// [RoundRobin].
//
// A round has as many turns as the weights sum to, divided by what they have in
// common, but at most 4,096 or 16 per endpoint, whichever is more; beyond that the
// shares are rounded, and no endpoint gets less than one turn.
func WeightedRoundRobin() Algorithm {
	return func(eps []*Endpoint) Picker { return newWeighted(connected(eps), sourceOf(eps, nil)) }
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
	counter
	eps    []*Endpoint
	random source
	turns  []uint32 // indexes into eps
	_      [8]byte
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
