// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package outlier

import (
	"context"
	"sync/atomic"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/balance"
)

// host is the gate of one endpoint and what it has counted.
type host struct {
	detector *Detector
	endpoint *balance.Endpoint
	errors   atomic.Uint32 // 5xx in a row
	gateway  atomic.Uint32 // gateway errors in a row
	local    atomic.Uint32 // failures of local origin in a row, where split
	answers  tally         // of this interval
	ways     tally         // of this interval, where split: did the way there hold

	// Guarded by Detector.mu.
	out       bool           // in Detector.out
	ejections int64          // that counted for the last one
	at, until enmesh.Instant // when the last one began and was to end
	why       Reason         // of the last one
	total     uint64         // all of them
	spared    uint64         // times that the cluster could not spare it

	// Guarded by Detector.sweeping: of the last interval that ended.
	last sample
}

// Admit admits every call: an ejected endpoint is not picked, unless there is no
// other.
func (h *host) Admit(context.Context, *enmesh.Call) (enmesh.Token, error) {
	return enmesh.Token{}, nil
}

// Done counts, and ejects. What still comes back from an endpoint that is ejected does
// not count against it: it was sent before.
func (h *host) Done(_ enmesh.Token, r enmesh.Result) {
	d := h.detector
	if r.Ended >= enmesh.Instant(d.due.Load()) {
		d.tick(r.Ended)
	}
	cfg := &d.cfg
	v := cfg.judge(r)
	switch {
	case v == silent:
		return
	case !v.failed():
		reset(&h.errors)
		reset(&h.gateway)
		reset(&h.local)
	case h.endpoint.Ejected(r.Ended):
		return
	}
	if d.rated {
		h.rate(v, r.Ended)
	}
	if v.failed() {
		h.fail(v, r.Ended)
	}
}

// fail counts a failure in its rows.
func (h *host) fail(v verdict, now enmesh.Instant) {
	cfg := &h.detector.cfg
	if v.local && cfg.SplitLocalOrigin {
		h.count(&h.local, cfg.ConsecutiveLocalOrigin, LocalOrigin, now)
		return
	}
	reset(&h.local)
	if !v.gateway() {
		reset(&h.gateway)
	} else if h.count(&h.gateway, cfg.ConsecutiveGateway, ConsecutiveGateway, now) {
		return
	}
	h.count(&h.errors, cfg.Consecutive5xx, Consecutive5xx, now)
}

// reset spares the write that every success would else cost.
func reset(n *atomic.Uint32) {
	if n.Load() != 0 {
		n.Store(0)
	}
}

// count adds one to a row, and ejects when it is full: it says whether it did.
func (h *host) count(row *atomic.Uint32, limit uint32, why Reason, now enmesh.Instant) bool {
	if limit == 0 || row.Add(1) < limit {
		return false
	}
	row.Store(0)
	return h.detector.eject(h, why, now, now)
}

// rate counts for the rates of the interval.
func (h *host) rate(v verdict, now enmesh.Instant) {
	if h.endpoint.Ejected(now) {
		return
	}
	split := h.detector.cfg.SplitLocalOrigin
	if split {
		h.ways.add(!v.local)
	}
	if !split || !v.local {
		h.answers.add(!v.failed())
	}
}

// forget begins every count anew: after an ejection, what was before says nothing.
func (h *host) forget() {
	h.errors.Store(0)
	h.gateway.Store(0)
	h.local.Store(0)
	h.answers.take()
	h.ways.take()
}

// standing is how many ejections still count at now: one less for every interval
// since the last ended. Detector.mu is held.
func (h *host) standing(now enmesh.Instant) int64 {
	if h.ejections == 0 {
		return 0
	}
	back := h.endpoint.EjectedUntil()
	if back == 0 { // a check has found it healthy: it was, for all that is known, since
		back = h.at
	}
	return max(0, h.ejections-int64(max(now.Sub(back), 0)/h.detector.cfg.Interval))
}

// tally counts the calls of an interval, and how many of them succeeded, in one word.
type tally struct{ word atomic.Uint64 }

const one = 1 << 32

func (t *tally) add(success bool) {
	if success {
		t.word.Add(one | 1)
		return
	}
	t.word.Add(one)
}

// take returns what was counted and begins anew.
func (t *tally) take() (calls, successes uint32) {
	if t.word.Load() == 0 {
		return 0, 0
	}
	w := t.word.Swap(0)
	return uint32(w >> 32), uint32(w)
}
