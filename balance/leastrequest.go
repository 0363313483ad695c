// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package balance

import "github.com/enmesh-go/enmesh"

// LeastRequest draws some endpoints at random and takes the one with the fewest
// calls in flight (Mitzenmacher, "The power of two choices in randomized load balancing",
// 2001), as Envoy's LEAST_REQUEST does and, with it, Istio's default.
// choices is how many; below 2 it is 2. Where weights differ, draws are by weight
// and weights divide the calls in flight.
func LeastRequest(choices int) Algorithm { return leastRequestFrom(choices, nil) }

func leastRequestFrom(choices int, random source) Algorithm {
	return func(eps []*Endpoint) Picker {
		return &leastRequest{urn: newUrn(eps, random), choices: max(choices, 2)}
	}
}

type leastRequest struct {
	urn
	choices int
}

func (p *leastRequest) Pick(c *enmesh.Call) (*Endpoint, error) {
	if len(p.eps) < 2 {
		return scan(p.eps, c, 0)
	}
	retried := hasTried(c)
	for range redraws {
		if e := p.least(c, retried); e != nil {
			return e, nil
		}
	}
	return scan(p.eps, c, p.start())
}

// least makes one round of draws; nil: none of them is usable.
func (p *leastRequest) least(c *enmesh.Call, retried bool) *Endpoint {
	i, j, _ := p.two()
	best, load := p.better(nil, 0, i, c, retried)
	best, load = p.better(best, load, j, c, retried)
	for range p.choices - 2 {
		best, load = p.better(best, load, p.one(), c, retried)
	}
	return best
}

func (p *leastRequest) better(best *Endpoint, load float64, i int, c *enmesh.Call, retried bool) (*Endpoint, float64) {
	e := p.eps[i]
	if !usable(e, c, retried) {
		return best, load
	}
	if l := p.pending(i); best == nil || l < load {
		return e, l
	}
	return best, load
}
