// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package mesh

import (
	"net/http"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/telemetry"
	"github.com/enmesh-go/enmesh/telemetry/prom"
)

// side is what every chain of one side has in common: made once, shared by all.
type side struct {
	tracing  enmesh.Middleware
	calls    enmesh.Middleware
	attempts enmesh.Middleware
	recorder enmesh.Recorder // counts what the policies decide
}

func (m *Mesh) newSide(s enmesh.Side, principal string, c *prom.Collector, observers []Observers) *side {
	scope := m.cfg.workload.scope(s, m.naming, principal)
	var calls, tries []telemetry.Observer
	for _, o := range observers {
		calls = append(calls, o.Calls(scope))
		if a, ok := o.(attempts); ok {
			tries = append(tries, a.Attempts(scope))
		}
	}
	return &side{
		tracing: m.cfg.tracing.Calls(s), calls: telemetry.Calls(calls...), attempts: telemetry.Attempts(tries...),
		recorder: c.Decisions(scope),
	}
}

// outer is the outermost part of every chain of the side.
func (s *side) outer() []enmesh.Middleware {
	return []enmesh.Middleware{enmesh.Recover(aborts), s.tracing, s.calls}
}

// copies is the outermost part of the chain of mirrored calls: no trace is made of them.
func (s *side) copies() []enmesh.Middleware {
	return []enmesh.Middleware{enmesh.Recover(nil), s.calls}
}

// aborts is the panic value that net/http itself understands: Recover lets it pass.
func aborts(v any) bool { return v == any(http.ErrAbortHandler) }
