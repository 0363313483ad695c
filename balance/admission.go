// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package balance

import (
	"context"
	"time"

	"github.com/enmesh-go/enmesh"
)

// inlineTokens is how many gates of an endpoint cost no allocation.
const inlineTokens = 3

// Admission is what [Endpoint.Admit] took. It is the adapter's, by value, one per
// pick, not the Call's: a pick may be repeated or thrown away, and gRPC reports on
// another goroutine. The zero Admission holds nothing.
type Admission struct {
	of     *claim
	at     enmesh.Instant
	gates  *[]enmesh.Gate // those that admitted, though the configuration may change
	tokens [inlineTokens]enmesh.Token
	more   *[]enmesh.Token // of gates beyond inlineTokens
}

// claim is who holds a call in flight, and whether its cluster counts it: a host has one of
// each, so that an Admission, which every call has, knows both by one word.
type claim struct{ host *host }

// Admit passes the endpoint's gates in order and counts the call in flight; now is
// when the endpoint was picked, from which its latency is counted. When a gate
// refuses, its error is returned as it is, what earlier gates had admitted is given
// back as Neutral, and there is nothing to release. Without error a must be
// released exactly once.
func (e *Endpoint) Admit(ctx context.Context, c *enmesh.Call, now enmesh.Instant, a *Admission) error {
	h := e.host
	a.of, a.at, a.gates = nil, now, nil
	if gates := h.gates.Load(); gates != nil {
		if err := a.pass(ctx, c, *gates); err != nil {
			return err
		}
		a.gates = gates
	}
	a.of = h.claim()
	h.inflight.Add(1)
	return nil
}

// pass goes through the gates; a refusal or a panic gives back what it had.
func (a *Admission) pass(ctx context.Context, c *enmesh.Call, gates []enmesh.Gate) error {
	if extra := len(gates) - inlineTokens; extra > 0 {
		more := make([]enmesh.Token, extra)
		a.more = &more
	}
	passed := 0
	defer func() {
		if passed < len(gates) {
			r := enmesh.Result{Err: enmesh.ErrUnsent, Outcome: enmesh.Neutral, Ended: a.at}
			a.giveBack(gates[:passed], r)
		}
	}()
	for i, g := range gates {
		t, err := g.Admit(ctx, c)
		if err != nil {
			return err
		}
		*a.token(i) = t
		passed++
	}
	return nil
}

func (a *Admission) token(i int) *enmesh.Token {
	if i < inlineTokens {
		return &a.tokens[i]
	}
	return &(*a.more)[i-inlineTokens]
}

// giveBack settles gates, the last first (see enmesh.Tell).
func (a *Admission) giveBack(gates []enmesh.Gate, r enmesh.Result) {
	last := len(gates) - 1
	if last < 0 {
		return
	}
	if last > 0 {
		defer a.giveBack(gates[:last], r)
	}
	enmesh.Tell(gates[last], *a.token(last), r)
}

// Release gives the admission back and learns from how the call ended: success
// teaches the endpoint's latency, failure is penalised, a neutral ending says
// nothing. It may run on any goroutine, once; on a released or zero Admission it
// does nothing.
func (a *Admission) Release(r enmesh.Result) {
	if a.of == nil {
		return
	}
	h := a.of.host
	tallied := a.of == &h.tallied
	a.of = nil
	h.inflight.Add(-1)
	if tallied {
		h.cluster.load.Load().n.Add(-1)
	}
	h.learn(&r, a.at)
	if a.gates != nil {
		a.giveBack(*a.gates, r)
	}
}

// learn takes the latency to the answer's head. An answer whose head came longer
// than the decay ago, before a long body, is old news and is left out.
func (h *host) learn(r *enmesh.Result, picked enmesh.Instant) {
	latency := r.Latency(picked)
	if latency < 0 {
		return
	}
	switch r.Outcome {
	case enmesh.Success:
		if r.Answered == 0 || r.Ended.Sub(r.Answered) < decay {
			h.price.observe(latency, r.Ended, h.cluster.still)
		}
	case enmesh.Failure:
		var pushback time.Duration
		if e := enmesh.ErrorOf(r.Err); e != nil {
			pushback = e.RetryAfter
		}
		h.price.penalise(latency, pushback, r.Ended)
	case enmesh.Neutral:
	}
}
