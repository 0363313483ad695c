// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package timeout_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/enmeshtest"
	"github.com/enmesh-go/enmesh/resilience/timeout"
)

// In shadow nothing is cut and no deadline is told, and every call is counted that would
// have been cut.
func TestConfig_inShadow(t *testing.T) {
	overall, attempt, margin := timeout.Config.Overall, timeout.Config.Attempt, timeout.Config.Margin
	for name, tt := range map[string]struct {
		of     func(timeout.Config) enmesh.Middleware
		caller time.Duration // its deadline; 0: none
		takes  time.Duration
		counts int
	}{
		"overall, late":              {overall, 0, 2 * time.Second, 1},
		"overall, just at its end":   {overall, 0, time.Second, 1},
		"overall, in time":           {overall, 0, 999 * time.Millisecond, 0},
		"attempt, late":              {attempt, 0, time.Hour, 1},
		"attempt, in time":           {attempt, 0, time.Millisecond, 0},
		"the caller's is tighter":    {overall, 900 * time.Millisecond, time.Hour, 0},
		"margin, late":               {margin, 3 * time.Second, 2500 * time.Millisecond, 1},
		"margin, in time":            {margin, 3 * time.Second, 1900 * time.Millisecond, 0},
		"margin, nothing left":       {margin, 800 * time.Millisecond, time.Millisecond, 1},
		"margin, without a deadline": {margin, 0, time.Hour, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx := t.Context()
				if tt.caller > 0 {
					var cancel context.CancelFunc
					ctx, cancel = context.WithTimeout(ctx, tt.caller)
					defer cancel()
				}
				var inside time.Time
				w := unary(enmeshtest.NewWire(func(ctx context.Context, c *enmesh.Call) error {
					inside, _ = ctx.Deadline()
					return after(tt.takes)(ctx, c)
				}))
				record := &told{n: map[enmesh.Decision]int{}}
				begun := time.Now()
				err := w.Do(ctx, enmesh.Fixed(false, tt.of(timeout.Config{Limit: time.Second, Shadow: true, Recorder: record})))
				own, _ := ctx.Deadline()
				if want := tt.caller == 0 || tt.takes < tt.caller; (err == nil) != want || !inside.Equal(own) {
					t.Errorf("ended with %v after %v, deadline %v; want no cut and the caller's own, %v", err, time.Since(begun), inside, own)
				}
				if got := record.times(enmesh.Decision{Policy: "timeout", Action: enmesh.ActionTimeout, Shadow: true}); got != tt.counts {
					t.Errorf("counted %d times, want %d", got, tt.counts)
				}
			})
		})
	}
}

// On a server an answer that began in time streams on, in shadow as it would.
func TestConfig_inShadowOnAServer(t *testing.T) {
	for name, counts := range map[string]int{"streaming": 0, "silent": 1} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := enmeshtest.NewWire(func(ctx context.Context, c *enmesh.Call) error {
					time.Sleep(time.Millisecond)
					if name == "streaming" {
						enmesh.CarrierOf(ctx).Answered(enmesh.Now())
					}
					return after(time.Hour)(ctx, c)
				})
				w.Call().Side = enmesh.Server
				record := &told{n: map[enmesh.Decision]int{}}
				if err := w.Do(t.Context(), enmesh.Fixed(false, timeout.Config{Limit: time.Second, Shadow: true, Recorder: record}.Overall())); err != nil {
					t.Error(err)
				}
				w.Finish(nil)
				if got := record.times(enmesh.Decision{Policy: "timeout", Action: enmesh.ActionTimeout, Shadow: true}); got != counts {
					t.Errorf("counted %d times, want %d", got, counts)
				}
			})
		})
	}
}

func TestConfig_inShadowConforms(t *testing.T) {
	enmeshtest.TestMiddleware(t, func() enmesh.Middleware {
		return enmesh.Chain(timeout.Config{Limit: time.Millisecond, Shadow: true}.Overall(), timeout.Config{Limit: time.Hour, Shadow: true}.Margin())
	})
}
