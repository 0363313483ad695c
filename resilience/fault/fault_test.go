// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package fault_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/enmeshtest"
	"github.com/enmesh-go/enmesh/resilience/fault"
)

func mustNew(tb testing.TB, cfg fault.Config, opts ...fault.Option) enmesh.Middleware {
	tb.Helper()
	m, err := fault.New(cfg, opts...)
	if err != nil {
		tb.Fatal(err)
	}
	return m
}

func TestFault_delays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var clock enmesh.Instant
		w := enmeshtest.NewWire(func(_ context.Context, c *enmesh.Call) error { clock = c.Clock; return nil })
		begin, start := time.Now(), enmesh.Now()
		err := w.Do(t.Context(), enmesh.Fixed(false, mustNew(t, fault.Config{Delay: time.Second, DelayPPM: fault.Million})))
		if took := time.Since(begin); err != nil || took != time.Second || w.Sent() != 1 {
			t.Errorf("got %v after %v, sent %d; want success after 1s", err, took, w.Sent())
		}
		if clock.Sub(start) != time.Second {
			t.Errorf("the call's clock moved %v, want 1s", clock.Sub(start))
		}
		if !w.Call().Delayed() {
			t.Error("the call does not say that it was delayed")
		}
		w.Finish(nil)
	})
}

func TestFault_delayEndsWithTheCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		w := enmeshtest.NewWire()
		err := w.Do(ctx, enmesh.Fixed(false, mustNew(t, fault.Config{Delay: time.Hour, DelayPPM: fault.Million})))
		if !errors.Is(err, enmesh.ErrDeadline) || w.Sent() != 0 {
			t.Errorf("got %v, sent %d; want ErrDeadline and nothing sent", err, w.Sent())
		}
		if !w.Call().Delayed() {
			t.Error("the call does not say that it was delayed")
		}
	})
}

func TestFault_aborts(t *testing.T) {
	tests := []struct {
		name   string
		cfg    fault.Config
		code   enmesh.Code
		status int
	}{
		{"status", fault.Config{AbortStatus: 503, AbortPPM: fault.Million}, enmesh.Unavailable, 503},
		{"a client's status", fault.Config{AbortStatus: 418, AbortPPM: fault.Million}, enmesh.Unknown, 418},
		{"code", fault.Config{AbortCode: enmesh.ResourceExhausted, HasAbortCode: true, AbortPPM: fault.Million}, enmesh.ResourceExhausted, 429},
		{"success", fault.Config{AbortStatus: 204, AbortPPM: fault.Million}, enmesh.OK, 204},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := enmeshtest.NewWire()
			err := w.Do(t.Context(), enmesh.Fixed(false, mustNew(t, tt.cfg)))
			if enmesh.CodeOf(err) != tt.code || w.Sent() != 0 {
				t.Errorf("got %v, sent %d; want %v and nothing sent", err, w.Sent(), tt.code)
			}
			reply := w.Call().ReplyFor(err)
			if reply == nil || reply.Status != tt.status || w.Call().Answer.Status != tt.status {
				t.Errorf("reply %+v, want status %d", reply, tt.status)
			}
			if e := enmesh.ErrorOf(err); tt.code != enmesh.OK &&
				(!errors.Is(err, fault.ErrAborted) || e.Flag != enmesh.FlagFaultInjected || e.Outcome != enmesh.Neutral || e.Status != tt.status || !e.Unsent) {
				t.Errorf("got %#v, want FI, neutral, unsent", e)
			}
			w.Finish(nil)
		})
	}
}

func TestFault_hitsItsShare(t *testing.T) {
	m := mustNew(t, fault.Config{AbortStatus: 503, AbortPPM: 100_000})
	next := m(func(context.Context, *enmesh.Call) error { return nil })
	const calls = 100_000
	aborted := 0
	for range calls {
		if next(t.Context(), &enmesh.Call{}) != nil {
			aborted++
		}
	}
	// a tenth, within five standard deviations
	if aborted < 9_500 || aborted > 10_500 {
		t.Errorf("%d of %d calls aborted, want a tenth", aborted, calls)
	}
}

// Delay and abort are drawn apart, the delay first.
func TestFault_drawsTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		draws := []uint32{499_999, 500_000, 500_000, 499_999}
		cfg := fault.Config{Delay: time.Second, DelayPPM: 500_000, AbortStatus: 503, AbortPPM: 500_000}
		m := mustNew(t, cfg, fault.Draw(func(n uint32) uint32 {
			if n != fault.Million {
				t.Errorf("drawn below %d, want a million", n)
			}
			d := draws[0]
			draws = draws[1:]
			return d
		}))
		for _, want := range []struct {
			took    time.Duration
			aborted bool
		}{{time.Second, false}, {0, true}} {
			begin := time.Now()
			w := enmeshtest.NewWire()
			err := w.Do(t.Context(), enmesh.Fixed(false, m))
			w.Finish(nil)
			if took := time.Since(begin); took != want.took || (err != nil) != want.aborted {
				t.Errorf("got %v after %v, want aborted: %v, after %v", err, took, want.aborted, want.took)
			}
		}
	})
}

func TestFault_refusesBadConfigs(t *testing.T) {
	for _, cfg := range []fault.Config{
		{Delay: -1},
		{DelayPPM: fault.Million + 1},
		{AbortPPM: fault.Million + 1, AbortStatus: 503},
		{AbortPPM: 1},
		{AbortStatus: 199},
		{AbortStatus: 600},
		{AbortStatus: 503, HasAbortCode: true, AbortCode: enmesh.Unavailable},
		{HasAbortCode: true, AbortCode: enmesh.OK},
		{HasAbortCode: true, AbortCode: 17},
		{HeaderValue: "yes"},
		{MaxDelay: -1},
		{MaxActive: -1},
	} {
		if _, err := fault.New(cfg); err == nil {
			t.Errorf("New(%+v) is accepted, want an error", cfg)
		}
	}
}

func TestFault_conforms(t *testing.T) {
	for name, cfg := range map[string]fault.Config{
		"nothing": {},
		"delay":   {Delay: 300 * time.Millisecond, DelayPPM: fault.Million},
		"abort":   {AbortStatus: 503, AbortPPM: fault.Million},
		"success": {AbortStatus: 200, AbortPPM: fault.Million},
		"half":    {Delay: time.Minute, DelayPPM: 500_000, AbortStatus: 503, AbortPPM: 500_000},
	} {
		t.Run(name, func(t *testing.T) {
			enmeshtest.TestMiddleware(t, func() enmesh.Middleware { return mustNew(t, cfg) })
		})
	}
}

func TestFault_onlyDelaysAreMarked(t *testing.T) {
	for name, cfg := range map[string]fault.Config{
		"an abort":  {AbortStatus: 503, AbortPPM: fault.Million},
		"not drawn": {Delay: time.Hour, DelayPPM: 0, AbortStatus: 200, AbortPPM: 1},
		"in shadow": {Delay: time.Hour, DelayPPM: fault.Million, Shadow: true},
	} {
		w := enmeshtest.NewWire()
		_ = w.Do(t.Context(), enmesh.Fixed(false, mustNew(t, cfg, fault.Draw(func(uint32) uint32 { return fault.Million - 1 }))))
		if w.Call().Delayed() {
			t.Errorf("%s: the call says that it was delayed", name)
		}
	}
}

func TestFault_allocatesNothing(t *testing.T) {
	next := mustNew(t, fault.Config{AbortStatus: 503, AbortPPM: 500_000})(func(context.Context, *enmesh.Call) error { return nil })
	c := &enmesh.Call{}
	if n := testing.AllocsPerRun(1000, func() { _ = next(context.Background(), c) }); n != 0 {
		t.Errorf("%v allocations, want 0", n)
	}
	if n := testing.AllocsPerRun(1000, c.MarkDelayed); n != 0 {
		t.Errorf("marking a delay costs %v allocations, want 0", n)
	}
}

func BenchmarkFault_abort(b *testing.B) {
	next := mustNew(b, fault.Config{AbortStatus: 503, AbortPPM: 500_000})(func(context.Context, *enmesh.Call) error { return nil })
	c, ctx := &enmesh.Call{}, context.Background()
	b.ReportAllocs()
	for b.Loop() {
		_ = next(ctx, c)
	}
}
