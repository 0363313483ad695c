// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package timeout_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/enmeshtest"
	"github.com/enmesh-go/enmesh/resilience/timeout"
)

func mustIdle(tb testing.TB, cfg timeout.IdleConfig) enmesh.Middleware {
	tb.Helper()
	m, err := timeout.Idle(cfg)
	if err != nil {
		tb.Fatal(err)
	}
	return m
}

// told counts decisions.
type told struct {
	mu sync.Mutex // guards n
	n  map[enmesh.Decision]int
}

func (r *told) Record(_ *enmesh.Call, d enmesh.Decision) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.n[d]++
}

func (r *told) times(d enmesh.Decision) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.n[d]
}

// A stream lives as long as something crosses it, and ends with the policy's error when
// nothing does.
func TestIdle_endsWhatIsSilent(t *testing.T) {
	for name, tt := range map[string]struct {
		setup  func(*enmesh.Call)
		ends   bool
		shadow bool
	}{
		"HTTP":          {func(*enmesh.Call) {}, true, false},
		"server stream": {func(c *enmesh.Call) { c.Protocol, c.Kind = enmesh.GRPC, enmesh.ServerStream }, true, false},
		"unary":         {func(c *enmesh.Call) { c.Protocol = enmesh.GRPC }, false, false},
		"shadow":        {func(*enmesh.Call) {}, false, true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var stream context.Context
				w := enmeshtest.NewWire(func(ctx context.Context, c *enmesh.Call) error {
					stream = ctx
					return after(time.Minute)(ctx, c) // before the head, nothing is silent
				})
				tt.setup(w.Call())
				record := &told{n: map[enmesh.Decision]int{}}
				idle := mustIdle(t, timeout.IdleConfig{Limit: time.Second, Shadow: tt.shadow, Recorder: record})
				if err := w.Do(t.Context(), enmesh.Fixed(false, idle)); err != nil {
					t.Fatal(err)
				}
				for range 20 {
					time.Sleep(900 * time.Millisecond)
					if watcher := enmesh.CarrierOf(stream).Watcher(); watcher != nil {
						watcher.Moved()
					}
				}
				if w.Call().Streams() && stream.Err() != nil {
					t.Fatalf("a stream that moves has ended: %v", context.Cause(stream))
				}
				time.Sleep(1100 * time.Millisecond)
				e := enmesh.EndOf(stream)
				if ended := e != nil && errors.Is(e, timeout.ErrIdle); ended != tt.ends {
					t.Errorf("a silent one: ended %v by %v, want %v", ended, e, tt.ends)
				}
				if tt.ends && (!errors.Is(e, timeout.ErrTimeout) || e.Outcome != enmesh.Failure || e.Policy != "timeout") {
					t.Errorf("got %#v", e)
				}
				want := enmesh.Decision{Policy: "timeout", Action: enmesh.ActionTimeout, Shadow: tt.shadow}
				if n := record.times(want); (n == 1) != (tt.ends || tt.shadow) {
					t.Errorf("recorded %d times", n)
				}
				w.Finish(nil)
				if w.Call().Streams() && stream.Err() == nil {
					t.Error("the context outlives the call")
				}
			})
		})
	}
}

// A server's stream is watched from the start, an HTTP answer from its first piece.
func TestIdle_onAServer(t *testing.T) {
	for name, tt := range map[string]struct {
		kind enmesh.Kind
		ends bool
	}{"stream": {enmesh.Bidi, true}, "HTTP before the answer": {enmesh.Unary, false}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := enmeshtest.NewWire(after(10 * time.Second))
				w.Call().Side, w.Call().Kind = enmesh.Server, tt.kind
				begun := time.Now()
				err := w.Do(t.Context(), enmesh.Fixed(false, mustIdle(t, timeout.IdleConfig{Limit: time.Second})))
				if errors.Is(err, timeout.ErrIdle) != tt.ends || tt.ends && time.Since(begun) != time.Second {
					t.Errorf("%v after %v", err, time.Since(begun))
				}
				w.Finish(nil)
			})
		})
	}
}

func TestIdle_conforms(t *testing.T) {
	for _, shadow := range []bool{false, true} {
		enmeshtest.TestMiddleware(t, func() enmesh.Middleware {
			return mustIdle(t, timeout.IdleConfig{Limit: 500 * time.Millisecond, Shadow: shadow})
		})
	}
}

func TestIdle_tellsWhoWatchedBefore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var stream context.Context
		w := enmeshtest.NewWire(func(ctx context.Context, _ *enmesh.Call) error { stream = ctx; return nil })
		outer, inner := mustIdle(t, timeout.IdleConfig{Limit: 2 * time.Second}), mustIdle(t, timeout.IdleConfig{Limit: time.Hour})
		if err := w.Do(t.Context(), enmesh.Fixed(false, outer, inner)); err != nil {
			t.Fatal(err)
		}
		for range 5 {
			time.Sleep(1500 * time.Millisecond)
			enmesh.CarrierOf(stream).Watcher().Moved()
		}
		if stream.Err() != nil {
			t.Error("the outer limit has not heard of what moved")
		}
		w.Finish(nil)
	})
}

func TestIdle_refusesBadLimits(t *testing.T) {
	for _, limit := range []time.Duration{-1, time.Microsecond, 25 * time.Hour} {
		if _, err := timeout.Idle(timeout.IdleConfig{Limit: limit}); err == nil {
			t.Errorf("%v is accepted", limit)
		}
	}
}

func ExampleIdle() {
	idle, err := timeout.Idle(timeout.IdleConfig{Limit: 5 * time.Minute})
	_, _ = enmesh.Fixed(true, timeout.Overall(2*time.Second), idle), err
	// Output:
}
