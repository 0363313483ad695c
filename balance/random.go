// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package balance

import "github.com/enmesh-go/enmesh"

// Random draws an endpoint by weight, in constant time (Walker's alias method).
func Random() Algorithm { return randomFrom(nil) }

func randomFrom(random source) Algorithm {
	return func(eps []*Endpoint) Picker { return &randomPicker{newUrn(eps, random)} }
}

type randomPicker struct{ urn }

func (p *randomPicker) Pick(c *enmesh.Call) (*Endpoint, error) {
	if len(p.eps) == 0 {
		return nil, ErrNoEndpoint
	}
	retried := hasTried(c)
	for range redraws {
		if e := p.eps[p.one()]; usable(e, c, retried) {
			return e, nil
		}
	}
	return scan(p.eps, c, p.start())
}
