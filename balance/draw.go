// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package balance

import (
	"math/rand/v2"

	"github.com/enmesh-go/enmesh/balance/internal/alias"
)

// redraws is how often a picker draws before it looks at every endpoint in turn.
const redraws = 4

// source gives uniform random words; tests give one with a fixed seed.
type source func() uint64

// urn draws endpoints at random, by weight where weights differ.
type urn struct {
	eps    []*Endpoint
	random source
	table  alias.Table // empty when all weights are equal
	share  []float64   // mean weight / weight of each; nil when all are equal
}

func newUrn(eps []*Endpoint, random source) urn {
	u := urn{eps: connected(eps), random: sourceOf(eps, random)}
	if !evenWeights(u.eps) {
		u.table, u.share = weigh(u.eps)
	}
	return u
}

// sourceOf is the source of a picker over eps: a test's, or that of their cluster.
func sourceOf(eps []*Endpoint, given source) source {
	if given == nil && len(eps) > 0 {
		return eps[0].host.cluster.random
	}
	if given == nil {
		return global
	}
	return given
}

// open leaves out endpoints that take no new calls. A change of that publishes a new
// set.
func open(eps []*Endpoint) []*Endpoint { return sift(eps, (*Endpoint).isOpen) }

// connected leaves out besides the views that have no connection, for pickers to which
// one endpoint is as good as another. Whoever owns the views builds a new picker when
// that changes.
func connected(eps []*Endpoint) []*Endpoint { return sift(eps, (*Endpoint).isConnected) }

func (e *Endpoint) isOpen() bool { return e.host.barred.Load()&^passing == 0 }

// isConnected reports whether e is open, and no view without a connection.
func (e *Endpoint) isConnected() bool {
	v := e.itself()
	return (v.ready.Load() || v == &v.host.self) && v.host.barred.Load()&^passing == 0
}

// sift is the endpoints that stay: the list itself, if all do.
func sift(eps []*Endpoint, stays func(*Endpoint) bool) []*Endpoint {
	var kept []*Endpoint
	for i, e := range eps {
		switch ok := stays(e); {
		case !ok && kept == nil:
			kept = append(make([]*Endpoint, 0, len(eps)), eps[:i]...)
		case ok && kept != nil:
			kept = append(kept, e)
		}
	}
	if kept == nil {
		return eps
	}
	return kept
}

func evenWeights(eps []*Endpoint) bool {
	for _, e := range eps {
		if e.Weight() != eps[0].Weight() {
			return false
		}
	}
	return true
}

func weigh(eps []*Endpoint) (alias.Table, []float64) {
	weights := make([]uint32, len(eps))
	share := make([]float64, len(eps))
	var sum float64
	for i, e := range eps {
		weights[i] = e.Weight()
		sum += float64(weights[i])
	}
	for i, w := range weights {
		share[i] = sum / float64(len(eps)) / float64(w)
	}
	return alias.New(weights), share
}

// one draws an index. The urn is not empty.
func (u *urn) one() int {
	r := u.random()
	if u.share != nil {
		return u.table.At(r)
	}
	return within(uint32(r>>32), len(u.eps))
}

// two draws two indexes: different ones where weights are equal. Where they differ
// the draws are independent and may meet, which is what keeps the shares right. The
// urn holds at least two. spare is what the first draw leaves of its random bits: 2^32/n
// values that say nothing of the index, for a toss that needs no other word.
func (u *urn) two() (i, j int, spare uint32) {
	r := u.random()
	n := uint64(len(u.eps))
	spare = uint32(r >> 32 * n)
	if u.share != nil {
		return u.table.At(r), u.table.At(u.random()), spare
	}
	i, j = int(r>>32*n>>32), within(uint32(r), int(n)-1)
	if j >= i {
		j++
	}
	return i, j, spare
}

// pending is the load of endpoint i: its calls in flight over its weight, so scaled
// that for the mean weight it is their number.
func (u *urn) pending(i int) float64 {
	n := float64(u.eps[i].host.inflight.Load())
	if u.share != nil {
		n *= u.share[i]
	}
	return n
}

// start is where a scan begins.
func (u *urn) start() int {
	if len(u.eps) == 0 {
		return 0
	}
	return within(uint32(u.random()>>32), len(u.eps))
}

// within maps a random word to [0,n) (Lemire, "Fast random integer generation in
// an interval", 2019, without its last correction: the bias is n/2^32).
func within(r uint32, n int) int { return int(uint64(r) * uint64(n) >> 32) }

// global is the source of production.
func global() uint64 { return rand.Uint64() }
