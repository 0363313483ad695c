// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package retry_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/enmeshtest"
	"github.com/enmesh-go/enmesh/resilience/retry"
)

// TestScenarioP5_noAttemptThatCannotFinish: attempts that succeed take 100 ms. With less than that
// left until the deadline none is begun, with more one is; and of what is not known nothing is
// refused.
func TestScenarioP5_noAttemptThatCannotFinish(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		router := enmesh.Fixed(true, mustNew(t, retry.Config{On: mustOn(t, "5xx"), BaseBackoff: time.Microsecond}))
		fails := func(after, left time.Duration) int {
			ctx, cancel := context.WithTimeout(t.Context(), after+left)
			defer cancel()
			w := enmeshtest.NewWire(func(context.Context, *enmesh.Call) error {
				time.Sleep(after)
				return http(503)
			}, func(ctx context.Context, c *enmesh.Call) error {
				<-ctx.Done()
				return c.EndOf(ctx)
			})
			w.Call().Idempotent = true
			_ = w.Do(ctx, router)
			return w.Sent()
		}
		if got := fails(50*time.Millisecond, 20*time.Millisecond); got != 2 {
			t.Errorf("nothing is known, and %d attempts are made, want 2", got)
		}
		for range 200 {
			w := enmeshtest.NewWire(func(context.Context, *enmesh.Call) error {
				time.Sleep(100 * time.Millisecond)
				return nil
			})
			if err := w.Do(t.Context(), router); err != nil {
				t.Fatal(err)
			}
			w.Finish(nil)
		}
		for _, tt := range []struct {
			left time.Duration
			sent int
		}{{20 * time.Millisecond, 1}, {99 * time.Millisecond, 1}, {110 * time.Millisecond, 2}, {time.Second, 2}} {
			if got := fails(50*time.Millisecond, tt.left); got != tt.sent {
				t.Errorf("with %v left %d attempts are made, want %d", tt.left, got, tt.sent)
			}
		}
		time.Sleep(time.Minute)
		if got := fails(50*time.Millisecond, 20*time.Millisecond); got != 2 {
			t.Errorf("what is known is old, and %d attempts are made, want 2", got)
		}
	})
}

// notes counts decisions.
type notes map[enmesh.Decision]int

func (n notes) Record(_ *enmesh.Call, d enmesh.Decision) { n[d]++ }

func TestRetry_shadowAndRecorder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		seen := notes{}
		kept, empty := &purse{left: 5}, &purse{}
		for _, tt := range []struct {
			cfg  retry.Config
			err  error
			sent int
		}{
			{retry.Config{Shadow: true, Budget: kept}, http(503), 1},
			{retry.Config{Shadow: true, Budget: empty}, http(503), 1},
			{retry.Config{Shadow: true}, http(404), 1},
			{retry.Config{Shadow: true, MaxAttempts: 1}, http(503), 1},
			{retry.Config{}, http(503), 3},
			{retry.Config{Budget: empty}, http(503), 1},
		} {
			tt.cfg.On, tt.cfg.Recorder = mustOn(t, "503"), seen
			w := enmeshtest.NewWire(enmeshtest.Answer(tt.err))
			w.Call().Idempotent = true
			_ = w.Do(t.Context(), enmesh.Fixed(true, mustNew(t, tt.cfg)))
			if w.Sent() != tt.sent {
				t.Errorf("%+v: sent %d, want %d", tt.cfg, w.Sent(), tt.sent)
			}
		}
		want := notes{
			{Policy: "retry", Action: enmesh.ActionRetry, Shadow: true}:  1,
			{Policy: "retry", Action: enmesh.ActionRefuse, Shadow: true}: 1,
			{Policy: "retry", Action: enmesh.ActionRetry}:                2,
			{Policy: "retry", Action: enmesh.ActionRefuse}:               1,
		}
		for d, n := range want {
			if seen[d] != n {
				t.Errorf("%+v was recorded %d times, want %d", d, seen[d], n)
			}
		}
		if len(seen) != len(want) || kept.left != 5 {
			t.Errorf("recorded %v; the budget has %d left, want 5", seen, kept.left)
		}
	})
}

// What ends since the process stood still is tried again as what a time limit has ended: if that
// is safe.
func TestRetry_afterAStandstill(t *testing.T) {
	for idempotent, want := range map[bool]int{true: 2, false: 1} {
		w := enmeshtest.NewWire(enmeshtest.Answer(enmesh.ErrStandstill), enmeshtest.Answer(nil))
		w.Call().Idempotent = idempotent
		_ = w.Do(t.Context(), enmesh.Fixed(true, mustNew(t, retry.Config{On: mustOn(t, "5xx"), BaseBackoff: 1})))
		w.Finish(nil)
		if w.Sent() != want {
			t.Errorf("idempotent %v: %d attempts, want %d", idempotent, w.Sent(), want)
		}
	}
}
