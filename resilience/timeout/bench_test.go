// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package timeout_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/enmeshtest"
	"github.com/enmesh-go/enmesh/resilience/timeout"
)

// use does with a context what grpc and net/http do with the one they are given.
func use(ctx context.Context, _ *enmesh.Call) error {
	_, _ = ctx.Deadline()
	derived, cancel := context.WithCancel(ctx)
	_ = derived.Done()
	cancel()
	return nil
}

// withTimeout is what a plain middleware would do.
func withTimeout(limit time.Duration) enmesh.Middleware {
	cause := errors.New("timeout")
	return func(next enmesh.Next) enmesh.Next {
		return func(ctx context.Context, c *enmesh.Call) error {
			ctx, cancel := context.WithTimeoutCause(ctx, limit, cause)
			defer cancel()
			return next(ctx, c)
		}
	}
}

// BenchmarkAttempt compares no limit, context.WithTimeoutCause and Attempt, for
// callers with and without a context that can be cancelled.
func BenchmarkAttempt(b *testing.B) {
	for _, m := range []struct {
		name string
		enmesh.Middleware
	}{
		{"bare", enmesh.Chain()},
		{"context", withTimeout(time.Second)},
		{"attempt", timeout.Attempt(time.Second)},
	} {
		next := m.Middleware(use)
		w := unary(enmeshtest.NewWire())
		_ = w.Do(context.Background(), enmesh.Fixed(false))
		c := w.Call()
		b.Run(m.name+"/background", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_ = next(context.Background(), c)
			}
		})
		b.Run(m.name+"/cancelable", func(b *testing.B) {
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			b.ReportAllocs()
			for b.Loop() {
				_ = next(ctx, c)
			}
		})
	}
}

func TestAttempt_allocations(t *testing.T) {
	measure := func(m enmesh.Middleware) float64 {
		next := m(use)
		w := unary(enmeshtest.NewWire())
		_ = w.Do(context.Background(), enmesh.Fixed(false))
		c := w.Call()
		return testing.AllocsPerRun(500, func() { _ = next(context.Background(), c) })
	}
	bare := measure(enmesh.Chain())
	got := measure(timeout.Attempt(time.Second)) - bare
	if got > 6 {
		t.Errorf("Attempt adds %v allocations, want at most 6", got)
	}
	if got := measure(timeout.Attempt(0)) - bare; got != 0 {
		t.Errorf("no limit adds %v allocations, want 0", got)
	}
}
