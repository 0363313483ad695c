// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package outlier

import (
	"context"
	"errors"
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

	ejections int64 // guarded by detector.mu: as of the last one
}

// Admit admits every call: an ejected endpoint is not picked, unless there is no
// other.
func (h *host) Admit(context.Context, *enmesh.Call) (enmesh.Token, error) {
	return enmesh.Token{}, nil
}

// Done counts, and ejects.
func (h *host) Done(_ enmesh.Token, r enmesh.Result) {
	switch cfg := &h.detector.cfg; verdictOf(r) {
	case silent:
	case fine:
		reset(&h.errors)
		reset(&h.gateway)
	case serverError:
		reset(&h.gateway)
		h.count(&h.errors, cfg.Consecutive5xx, r.Ended)
	case gatewayError:
		h.count(&h.errors, cfg.Consecutive5xx, r.Ended)
		h.count(&h.gateway, cfg.ConsecutiveGateway, r.Ended)
	}
}

// reset spares the write that every success would else cost.
func reset(n *atomic.Uint32) {
	if n.Load() != 0 {
		n.Store(0)
	}
}

// count adds one to a row and ejects when it is full. What still comes back from an
// endpoint that is ejected does not count: it was sent before.
func (h *host) count(row *atomic.Uint32, limit uint32, now enmesh.Instant) {
	if limit == 0 || h.endpoint.Ejected(now) {
		return
	}
	if row.Add(1) >= limit {
		row.Store(0)
		h.detector.eject(h, now)
	}
}

// standing is how many ejections still count at now: one less for every interval
// since the last ended. The detector's lock is held.
func (h *host) standing(now enmesh.Instant) int64 {
	if h.ejections == 0 {
		return 0
	}
	healthy := now.Sub(h.endpoint.EjectedUntil())
	return max(0, h.ejections-int64(max(healthy, 0)/h.detector.cfg.Interval))
}

// verdict is what an ending says of the endpoint.
type verdict uint8

const (
	silent       verdict = iota
	fine                 // the far side answered, with no 5xx
	serverError          // a 5xx, but no gateway error
	gatewayError         // 502, 503, 504
)

func verdictOf(r enmesh.Result) verdict {
	if r.Err == nil {
		return fine
	}
	e := enmesh.ErrorOf(r.Err)
	switch {
	case e == nil:
		return ofStatus(enmesh.StatusOfCode(enmesh.CodeOf(r.Err)), r.Outcome)
	case errors.Is(e, enmesh.ErrPanic):
		return silent
	case r.Outcome == enmesh.Neutral && (e.Policy != "" || e.Unsent):
		return silent
	case e.Status != 0 && e.Policy == "":
		// The far side's own status, whatever its outcome: a 501 is neutral, and a 5xx.
		return ofStatus(e.Status, enmesh.Failure)
	case r.Outcome == enmesh.Neutral && answers(e.Code):
		return fine
	}
	return ofStatus(enmesh.StatusOfCode(e.Code), r.Outcome)
}

// answers reports whether a neutral code is one that only the far side gives, about
// the caller's own fault; a cancellation may be anybody's.
func answers(c enmesh.Code) bool {
	return c != enmesh.Canceled && enmesh.OutcomeOfCode(c) == enmesh.Neutral
}

// ofStatus sorts a status; where none was sent, a neutral outcome is silent.
func ofStatus(status int, o enmesh.Outcome) verdict {
	switch {
	case o == enmesh.Neutral:
		return silent
	case status == 502 || status == 503 || status == 504:
		return gatewayError
	case status >= 500:
		return serverError
	}
	return fine
}
