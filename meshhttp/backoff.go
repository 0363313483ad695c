// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package meshhttp

import (
	"math"
	"math/rand/v2"
	"sync/atomic"
	"time"
)

// How long an endpoint that cannot be connected to is left alone. The numbers are
// gRPC's connection backoff, with a lower ceiling: what ends a rest here is a call
// that tries the endpoint, and that is sent elsewhere when it fails again.
const (
	firstRest  = time.Second
	restFactor = 1.6
	longRest   = 30 * time.Second
	restJitter = 0.2
)

// backoff counts the failed connects in a row.
type backoff struct{ failures atomic.Int32 }

// connected says that the endpoint has answered, over that major version of HTTP.
func (p *pool) connected(major int) {
	if one := major == 1; p.one.Load() != one {
		p.one.Store(one)
	}
	if !p.up.Load() {
		p.up.Store(true)
	}
	if p.backoff.failures.Load() != 0 {
		p.backoff.failures.Store(0)
	}
}

// unconnected counts one more failure, and is how long the endpoint now rests: 1 s,
// growing by 1.6 up to 30 s, give or take a fifth.
func (p *pool) unconnected() time.Duration {
	p.up.Store(false)
	n := p.backoff.failures.Add(1) - 1
	rest := min(float64(firstRest)*math.Pow(restFactor, float64(n)), float64(longRest))
	return time.Duration(rest * (1 + restJitter*(2*rand.Float64()-1)))
}
