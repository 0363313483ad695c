// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package balance

import (
	"sync/atomic"

	"github.com/enmesh-go/enmesh"
)

// RoundRobin takes the endpoints in turn and leaves weights aside, as gRPC's round_robin
// does. Each picker begins at a random place, so that many clients do not march in step.
func RoundRobin() Algorithm {
	return func(eps []*Endpoint) Picker { return newRoundRobin(connected(eps), sourceOf(eps, nil)) }
}

type roundRobin struct {
	counter
	eps    []*Endpoint
	random source
	_      [32]byte
}

// counter is where a picker stands, in a cache line of its own: who picks writes it, and what else
// a picker has is only read, in lines that all processors hold at once.
type counter struct {
	next atomic.Uint32
	_    [60]byte
}

func newRoundRobin(eps []*Endpoint, random source) *roundRobin {
	p := &roundRobin{eps: eps, random: random}
	if len(eps) > 0 {
		p.next.Store(uint32(random() % uint64(len(eps))))
	}
	return p
}

func (p *roundRobin) Pick(c *enmesh.Call) (*Endpoint, error) {
	if len(p.eps) == 0 {
		return nil, ErrNoEndpoint
	}
	retried := hasTried(c)
	for range redraws {
		if e := p.eps[p.next.Add(1)%uint32(len(p.eps))]; usable(e, c, retried) {
			return e, nil
		}
	}
	return scan(p.eps, c, within(uint32(p.random()>>32), len(p.eps)))
}
