// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package mesh

import (
	"net/http"
	"slices"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/telemetry"
	"github.com/enmesh-go/enmesh/telemetry/prom"
)

// side is what every chain of one side has in common: made once, shared by all.
type side struct {
	tracing  enmesh.Middleware
	heard    []telemetry.Observer // of calls
	tried    []telemetry.Observer // of attempts
	recorder enmesh.Recorder      // counts what the policies decide
	flying   *inflight            // of calls until their true end; nil: they are counted elsewhere
}

func (m *Mesh) newSide(s enmesh.Side, principal string, c *prom.Collector, observers []Observers) *side {
	scope := m.cfg.workload.scope(s, m.naming, principal)
	out := &side{tracing: m.cfg.tracing.Calls(s), recorder: c.Decisions(scope)}
	for _, o := range observers {
		out.heard = append(out.heard, o.Calls(scope))
		if a, ok := o.(attempts); ok {
			out.tried = append(out.tried, a.Attempts(scope))
		}
	}
	return out
}

// calls tells the observers of calls, and what records those of a route, which may be nil.
// All of them are one hook.
func (s *side) calls(r *recorder, more ...telemetry.Observer) enmesh.Middleware {
	return telemetry.Calls(slices.Concat(s.heard, []telemetry.Observer{r.calls()}, more)...)
}

// attempts is calls for attempts.
func (s *side) attempts(r *recorder) enmesh.Middleware {
	return telemetry.Attempts(append(slices.Clip(s.tried), r.attempts())...)
}

// outer is the outermost part of every chain of the side.
func (s *side) outer(r *recorder) []enmesh.Middleware {
	if s.flying == nil {
		return []enmesh.Middleware{enmesh.Recover(aborts), s.tracing, s.calls(r)}
	}
	return []enmesh.Middleware{enmesh.Recover(aborts), s.tracing, s.flying.begin, s.calls(r, s.flying)}
}

// copies is the outermost part of the chain of mirrored calls: no trace is made of them.
func (s *side) copies(r *recorder) []enmesh.Middleware {
	return []enmesh.Middleware{enmesh.Recover(nil), s.calls(r)}
}

// aborts is the panic value that net/http itself understands: Recover lets it pass.
func aborts(v any) bool { return v == any(http.ErrAbortHandler) }
