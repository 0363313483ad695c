// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"math"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/enmesh-go/enmesh"
)

// This file has algorithms without all that makes them fit for use: no sets that change,
// no ejection, no gates, no failures. What ours cost beside them is what that costs.

// bareEndpoint is what power of two choices has to know of an endpoint.
type bareEndpoint struct {
	inflight atomic.Int64
	ewma     atomic.Uint64 // of latency, bits of a float64 of nanoseconds
	at       atomic.Int64  // an Instant: when it was learned
	_        [40]byte      // that no two share a cache line
}

// price is what a call would wait there.
func (e *bareEndpoint) price() float64 {
	return math.Float64frombits(e.ewma.Load()) * float64(e.inflight.Load()+1)
}

// done ends a call that took some time, and learns from it: a moving average that halves
// in some seconds, however many calls there are.
func (e *bareEndpoint) done(took time.Duration, now enmesh.Instant) {
	e.inflight.Add(-1)
	age := float64(now - enmesh.Instant(e.at.Swap(int64(now))))
	keep := math.Exp(-age / float64(10*time.Second))
	for {
		old := e.ewma.Load()
		if e.ewma.CompareAndSwap(old, math.Float64bits(math.Float64frombits(old)*keep+float64(took)*(1-keep))) {
			return
		}
	}
}

// bareTwo is power of two choices by calls in flight and a moving average of latency, with
// the two readings of the clock that it needs.
func bareTwo(n int) (*subject, error) {
	eps := make([]*bareEndpoint, n)
	for i := range eps {
		eps[i] = new(bareEndpoint)
	}
	return &subject{worker: func() func(int) {
		calls := 0
		return func(count int) {
			for range count {
				calls++
				word := rand.Uint64()
				a, b := eps[(word>>32)*uint64(n)>>32], eps[(word&math.MaxUint32)*uint64(n)>>32]
				if b.price() < a.price() {
					a = b
				}
				a.inflight.Add(1)
				picked := enmesh.Now()
				ended := enmesh.Now()
				a.done(ended.Sub(picked)+time.Duration(1+calls%7)*time.Millisecond, ended)
			}
		}
	}}, nil
}

// bareAlias draws by weight in constant time, from a table of Walker's as Vose builds it.
func bareAlias(n int) (*subject, error) {
	keep, other := aliasTable(n)
	eps := ourEndpoints(n, uneven)
	return &subject{worker: func() func(int) {
		return func(count int) {
			for range count {
				word := rand.Uint64()
				i := int((word >> 32) * uint64(n) >> 32)
				if word&math.MaxUint32 > uint64(keep[i]) {
					i = other[i]
				}
				if eps[i] == nil {
					panic("bench: no endpoint")
				}
			}
		}
	}}, nil
}

// aliasTable is the table for the weights of uneven.
func aliasTable(n int) (keep []uint32, other []int) {
	sum := 0.
	for i := range n {
		sum += float64(uneven(i))
	}
	share := make([]float64, n)
	var small, large []int
	for i := range n {
		share[i] = float64(uneven(i)) * float64(n) / sum
		if share[i] < 1 {
			small = append(small, i)
		} else {
			large = append(large, i)
		}
	}
	keep, other = make([]uint32, n), make([]int, n)
	for i := range keep {
		keep[i], other[i] = math.MaxUint32, i
	}
	for len(small) > 0 && len(large) > 0 {
		s, l := small[len(small)-1], large[len(large)-1]
		small = small[:len(small)-1]
		keep[s], other[s] = uint32(share[s]*math.MaxUint32), l
		if share[l] -= 1 - share[s]; share[l] < 1 {
			large, small = large[:len(large)-1], append(small, l)
		}
	}
	return keep, other
}
