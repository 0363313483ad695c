// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package mesh

import (
	"context"
	"sync/atomic"

	"github.com/enmesh-go/enmesh"
)

// inflight counts the calls that a process serves. On the server a handler, stream or
// not, has returned when the chain has.
type inflight struct{ calls atomic.Int64 }

func (f *inflight) middleware(next enmesh.Next) enmesh.Next {
	return func(ctx context.Context, c *enmesh.Call) error {
		f.calls.Add(1)
		defer f.calls.Add(-1)
		return next(ctx, c)
	}
}

// InFlight is how many calls this process serves now, through [Mesh.Inbound].
func (m *Mesh) InFlight() int64 { return m.serving.calls.Load() }

// Health is what this process says of its own fitness.
func (m *Mesh) Health() *Health { return m.health }
