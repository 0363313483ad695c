// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package mesh

import (
	"context"
	"sync/atomic"

	"github.com/enmesh-go/enmesh"
)

// inflight counts calls. On the server a handler, stream or not, has returned when the
// chain has. It is one number, for a sum of several may be 0 while a call runs, and has a cache
// line to itself: what stands beside it is read by every call.
type inflight struct {
	_     [64]byte
	calls atomic.Int64
	_     [56]byte
}

func (f *inflight) middleware(next enmesh.Next) enmesh.Next {
	return func(ctx context.Context, c *enmesh.Call) error {
		f.calls.Add(1)
		defer f.calls.Add(-1)
		return next(ctx, c)
	}
}

// begin counts a call whose end Observe hears of: it is to stand right outside of the
// telemetry that has f among its observers.
func (f *inflight) begin(next enmesh.Next) enmesh.Next {
	return func(ctx context.Context, c *enmesh.Call) error {
		f.calls.Add(1)
		return next(ctx, c)
	}
}

// Observe hears that a call has ended, its answer or stream included.
func (f *inflight) Observe(enmesh.Result) { f.calls.Add(-1) }

// InFlight is how many calls this process serves now, through [Mesh.Inbound].
func (m *Mesh) InFlight() int64 { return m.serving.calls.Load() }

// Health is what this process says of its own fitness.
func (m *Mesh) Health() *Health { return m.health }
