// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package balance

import (
	"context"
	"sync/atomic"

	"github.com/enmesh-go/enmesh"
)

// requestGate holds ConnectionConfig.MaxRequests: a gate of one endpoint, outside those
// of policy. What it counts stays when the configuration changes.
type requestGate struct {
	inFlight atomic.Int64
	max      atomic.Int64
}

// requestsKept is the owner of the gate among what an endpoint keeps.
type requestsKept struct{}

// requestsOf is the endpoint's gate.
func requestsOf(e *Endpoint, most int) *requestGate {
	g := e.Keep(requestsKept{}, func() any { return new(requestGate) }).(*requestGate) //nolint:errcheck // the only type kept
	g.max.Store(int64(most))
	return g
}

// Admit counts the call in flight, or refuses with ErrOverflow.
func (g *requestGate) Admit(context.Context, *enmesh.Call) (enmesh.Token, error) {
	if g.inFlight.Add(1) > g.max.Load() {
		g.inFlight.Add(-1)
		return enmesh.Token{}, ErrOverflow
	}
	return enmesh.Token{}, nil
}

// Done counts it no longer.
func (g *requestGate) Done(enmesh.Token, enmesh.Result) { g.inFlight.Add(-1) }
