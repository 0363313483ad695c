// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package balance

import (
	"fmt"
	"math"
	"sync/atomic"

	"github.com/enmesh-go/enmesh"
)

// minBalanceFactor is the least factor with which all calls find a place, in percent.
const minBalanceFactor = 100

func validateFactor(percent uint32) error {
	if percent != 0 && percent < minBalanceFactor {
		return fmt.Errorf("balance: BalanceFactor %d is below %d percent", percent, minBalanceFactor)
	}
	return nil
}

// bound is consistent hashing with bounded loads (Mirrokni, Thorup, Zadimoghaddam,
// "Consistent hashing with bounded loads", SODA 2018; Envoy's hash_balance_factor): an
// endpoint is passed over while its calls in flight reach factor × its share of all calls
// in flight, the one to be placed included, rounded up. With a factor of 1 and more there
// is always one with room. The shares are by weight.
//
// All calls in flight are counted by the Cluster as they are admitted and released, once
// a picker wants to know: two more atomic additions for each call of a cluster whose
// policy bounds loads, none for others, and exact. (An estimate from a sample of endpoints
// would be wrong just when loads are uneven; a sum at pick time would cost in proportion
// to the endpoints.) What it counts beyond the picker's endpoints, such as calls that
// still run at endpoints that left the set, loosens the bound until they have ended.
//
// Where so many endpoints are away that the others can not hold all calls within the
// bound, it is drawn over those that can be used, for about 0.1 s at a time.
type bound struct {
	factor  float64
	load    *loadCount
	weights []float64 // of each endpoint; nil when they are equal, which is 1 each
	sum     float64   // of the weights
	present atomic.Uint64
}

// loadCount counts the calls in flight of a cluster, on a cache line of its own.
type loadCount struct {
	n atomic.Int64
	_ [56]byte
}

// newBound is nil for a factor of 0.
func newBound(eps []*Endpoint, percent uint32) *bound {
	if percent == 0 || len(eps) == 0 {
		return nil
	}
	b := &bound{
		factor: float64(max(percent, minBalanceFactor)) / 100,
		load:   eps[0].host.cluster.counted(),
		sum:    float64(len(eps)),
	}
	if !evenWeights(eps) {
		b.sum, b.weights = 0, make([]float64, len(eps))
		for i, e := range eps {
			b.weights[i] = float64(e.Weight())
			b.sum += b.weights[i]
		}
	}
	return b
}

func (b *bound) weight(i int) float64 {
	if b.weights == nil {
		return 1
	}
	return b.weights[i]
}

// level is how many calls in flight an endpoint of weight 1 may have now.
func (b *bound) level(c *enmesh.Call) float64 {
	if b == nil {
		return 0
	}
	return b.factor * float64(max(b.load.n.Load(), 0)+1) / b.among(c)
}

// admits reports whether endpoint i may have one more call. Comparing with the level as
// it is allows what comparing one more with the level rounded up would.
func (b *bound) admits(i int, e *Endpoint, level float64) bool {
	return b == nil || float64(e.host.inflight.Load()) < level*b.weight(i)
}

// presence is for how long a sum of the weights that can be used is believed, in the
// ticks of a price: about 0.1 s.
const presence = 100

// among is the weight that the load is spread over: of all endpoints, or of those that
// can be used, if lately these were too few.
func (b *bound) among(c *enmesh.Call) float64 {
	if w := b.present.Load(); w != 0 {
		if age := int32(clock(c) - uint32(w)); age >= 0 && age < presence {
			return float64(math.Float32frombits(uint32(w >> 32)))
		}
	}
	return b.sum
}

// search looks at every endpoint, from start on, for one that can be used and has room.
// Where there is none it is the one with the least load for its weight, and their weight
// is noted. nil: none can be used.
func (b *bound) search(eps []*Endpoint, start int, level float64, c *enmesh.Call, retried bool) *Endpoint {
	var best *Endpoint
	var least, sum float64
	for i := range eps {
		at := start + i
		if at >= len(eps) {
			at -= len(eps)
		}
		e := eps[at]
		if !usable(e, c, retried) {
			continue
		}
		if b.admits(at, e, level) {
			return e
		}
		sum += b.weight(at)
		if l := float64(e.host.inflight.Load()) / b.weight(at); best == nil || l < least {
			best, least = e, l
		}
	}
	if best != nil && !retried {
		b.present.Store(uint64(math.Float32bits(float32(sum)))<<32 | uint64(clock(c)))
	}
	return best
}

// counted is the count of the cluster's calls in flight, which begins with its first use and
// stays.
func (c *Cluster) counted() *loadCount {
	if c.load.Load() == nil {
		c.load.CompareAndSwap(nil, new(loadCount))
	}
	return c.load.Load()
}

// claim counts a call in flight with the cluster, if that counts, and says so.
func (h *host) claim() *claim {
	load := h.cluster.load.Load()
	if load == nil {
		return &h.plain
	}
	load.n.Add(1)
	return &h.tallied
}
