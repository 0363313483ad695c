// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package balance

import "github.com/enmesh-go/enmesh"

// stroll is how many places a pick looks at in the circle's order before it looks at every
// endpoint.
const stroll = 128

// circle are places in a ring, each with the endpoint that owns it: what ring hash and
// Maglev have in common. A key has a place; where its owner cannot be used, the owners of
// the places that follow are asked in turn, so that the keys of an endpoint that is away
// spread over all others, and return to it when it does. A call whose key belongs to one
// that is awaited waits for it; one without a key takes another, and so does a second
// attempt.
type circle[P uint32 | uint64] struct {
	eps    []*Endpoint // by the hash of their addresses
	places []P         // the lower 32 bits are the owner's index in eps; empty only if eps is
	random source
	bound  *bound // nil: loads do not count
}

func newCircle[P uint32 | uint64](sorted []hashed, places []P, factor uint32, random source) circle[P] {
	eps := make([]*Endpoint, len(sorted))
	for i, e := range sorted {
		eps[i] = e.Endpoint
	}
	return circle[P]{eps: eps, places: places, random: random, bound: newBound(eps, factor)}
}

// word is the call's key, spread evenly, or a random word if it has none.
func (p *circle[P]) word(c *enmesh.Call) uint64 {
	if c == nil || c.Key == 0 {
		return p.random()
	}
	return scatter(c.Key)
}

// from picks for a key whose place is at. The circle is not empty.
func (p *circle[P]) from(at int, c *enmesh.Call) (*Endpoint, error) {
	first := int(uint32(p.places[at]))
	retried := hasTried(c)
	waits := c != nil && c.Key != 0 && !retried
	level := p.bound.level(c)
	for range min(stroll, len(p.places)) {
		i := int(uint32(p.places[at]))
		switch e := p.eps[i]; {
		case usable(e, c, retried):
			if p.bound.admits(i, e, level) {
				return e, nil
			}
		case waits && e.worthWaiting() && p.bound.admits(i, e, level):
			return nil, ErrAwaited
		}
		at++
		if at == len(p.places) {
			at = 0
		}
	}
	if p.bound != nil {
		if e := p.bound.search(p.eps, first, level, c, retried); e != nil {
			return e, nil
		}
	}
	return scan(p.eps, c, first)
}
