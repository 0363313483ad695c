// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package concurrency_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/enmeshtest"
	"github.com/enmesh-go/enmesh/limit/concurrency"
)

func mustFixed(tb testing.TB, cfg concurrency.Config) *concurrency.Fixed {
	tb.Helper()
	f, err := concurrency.NewFixed(cfg)
	if err != nil {
		tb.Fatal(err)
	}
	return f
}

func TestFixed_countsUntilTheEnd(t *testing.T) {
	f := mustFixed(t, concurrency.Config{Max: 1})
	r := enmesh.Fixed(false, enmesh.Guard(f))
	first, second := enmeshtest.NewWire(), enmeshtest.NewWire()
	if err := first.Do(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	if err := second.Do(t.Context(), r); !errors.Is(err, concurrency.ErrFull) || second.Sent() != 0 {
		t.Errorf("while the first answer runs: %v, want ErrFull", err)
	}
	first.Finish(nil)
	third := enmeshtest.NewWire()
	if err := third.Do(t.Context(), r); err != nil || f.InFlight() != 1 {
		t.Errorf("after the first answer: %v with %d in flight, want success and 1", err, f.InFlight())
	}
	third.Finish(nil)
	if f.InFlight() != 0 {
		t.Errorf("%d in flight at the end, want 0", f.InFlight())
	}
}

func TestFixed_refusesBySide(t *testing.T) {
	own := &enmesh.Error{Code: enmesh.Aborted, Outcome: enmesh.Neutral, Policy: "test"}
	tests := []struct {
		name    string
		side    enmesh.Side
		refusal *enmesh.Error
		want    *enmesh.Error
		status  int
	}{
		{"client", enmesh.Client, nil, concurrency.ErrOverflow, 503},
		{"server", enmesh.Server, nil, concurrency.ErrExhausted, 429},
		{"own, client", enmesh.Client, own, own, 0},
		{"own, server", enmesh.Server, own, own, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := mustFixed(t, concurrency.Config{Max: 1, Refusal: tt.refusal})
			c := &enmesh.Call{Side: tt.side}
			if _, err := f.Admit(t.Context(), c); err != nil {
				t.Fatal(err)
			}
			_, err := f.Admit(t.Context(), c)
			if e := enmesh.ErrorOf(err); e != tt.want || e.Status != tt.status {
				t.Errorf("got %#v, want %#v", e, tt.want)
			}
		})
	}
}

// A refusal of the package's own says when to come back, on a server, and has the status that
// is wanted; one that the program brings is left alone.
func TestRefusals_areAsConfigured(t *testing.T) {
	for name, tt := range map[string]struct {
		cfg            concurrency.Config
		client, server int
		after          time.Duration // on a server
		bad            bool
	}{
		"by default":     {concurrency.Config{}, 503, 429, concurrency.DefaultRetryAfter, false},
		"status":         {concurrency.Config{Status: 529}, 529, 529, concurrency.DefaultRetryAfter, false},
		"later":          {concurrency.Config{RetryAfter: 2 * time.Second}, 503, 429, 2 * time.Second, false},
		"never":          {concurrency.Config{RetryAfter: -1}, 503, 429, -1, false},
		"no status":      {concurrency.Config{Status: 200}, 0, 0, 0, true},
		"too late":       {concurrency.Config{RetryAfter: 2 * time.Hour}, 0, 0, 0, true},
		"own and status": {concurrency.Config{Refusal: concurrency.ErrOverflow, Status: 500}, 0, 0, 0, true},
		"own and a wish": {concurrency.Config{Refusal: concurrency.ErrOverflow, RetryAfter: 1}, 0, 0, 0, true},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := tt.cfg
			cfg.Max = 1
			fixed, err := concurrency.NewFixed(cfg)
			adaptive, err2 := concurrency.NewAdaptive(concurrency.AdaptiveConfig{Min: 1, Max: 1, Refusal: cfg.Refusal, Status: cfg.Status, RetryAfter: cfg.RetryAfter})
			if (err != nil) != tt.bad || (err2 != nil) != tt.bad {
				t.Fatalf("made: %v, %v; want refused %v", err, err2, tt.bad)
			}
			if tt.bad {
				return
			}
			for _, gate := range []enmesh.Gate{fixed, adaptive} {
				for side, status := range map[enmesh.Side]int{enmesh.Client: tt.client, enmesh.Server: tt.server} {
					c := &enmesh.Call{Side: side, Clock: enmesh.Now()}
					token, err := gate.Admit(t.Context(), c)
					if err != nil {
						t.Fatal(err)
					}
					_, err = gate.Admit(t.Context(), c)
					after := time.Duration(0)
					if side == enmesh.Server {
						after = tt.after
					}
					if e := enmesh.ErrorOf(err); !errors.Is(err, concurrency.ErrFull) || e.Status != status || e.RetryAfter != after {
						t.Errorf("%T, side %v: got %#v, want status %d and back after %v", gate, side, e, status, after)
					}
					gate.Done(token, enmesh.Result{Ended: c.Clock})
				}
			}
		})
	}
}

// However many ask at once, never more than the limit run, and a place is never
// refused while it is free.
func TestFixed_isExactUnderContention(t *testing.T) {
	const limit = 4
	f := mustFixed(t, concurrency.Config{Max: limit})
	var running, most, refused atomic.Int64
	var wg sync.WaitGroup
	for i := range 16 {
		wg.Go(func() {
			c := &enmesh.Call{}
			for range 2000 {
				token, err := f.Admit(context.Background(), c)
				if err != nil {
					refused.Add(1)
					continue
				}
				n := running.Add(1)
				for m := most.Load(); n > m; m = most.Load() {
					most.CompareAndSwap(m, n)
				}
				running.Add(-1)
				f.Done(token, enmesh.Result{})
			}
		})
		if i == limit-1 { // as many callers as places: none is refused
			wg.Wait()
			if n := refused.Load(); n != 0 {
				t.Errorf("%d refused among %d callers, want 0", n, limit)
			}
		}
	}
	wg.Wait()
	if most.Load() > limit || f.InFlight() != 0 {
		t.Errorf("%d ran at once, %d in flight at the end; want at most %d, and 0", most.Load(), f.InFlight(), limit)
	}
}

func TestFixed_refusesBadConfigs(t *testing.T) {
	for _, limit := range []int64{0, -1} {
		if _, err := concurrency.NewFixed(concurrency.Config{Max: limit}); err == nil {
			t.Errorf("Max %d is accepted, want an error", limit)
		}
	}
}

func TestFixed_conforms(t *testing.T) {
	for name, limit := range map[string]int64{"wide": 1000, "tight": 1} {
		t.Run(name, func(t *testing.T) {
			var f *concurrency.Fixed
			enmeshtest.TestGate(t, func() enmesh.Gate {
				f = mustFixed(t, concurrency.Config{Max: limit})
				return f
			})
			if f.InFlight() != 0 {
				t.Errorf("%d in flight at the end, want 0", f.InFlight())
			}
		})
	}
}

func TestFixed_allocatesNothing(t *testing.T) {
	f := mustFixed(t, concurrency.Config{Max: 1})
	c, ctx := &enmesh.Call{}, context.Background()
	n := testing.AllocsPerRun(1000, func() {
		token, _ := f.Admit(ctx, c)
		_, _ = f.Admit(ctx, c)
		f.Done(token, enmesh.Result{})
	})
	if n != 0 {
		t.Errorf("%v allocations, want 0", n)
	}
}

func BenchmarkFixed(b *testing.B) {
	b.Run("admit", func(b *testing.B) {
		f := mustFixed(b, concurrency.Config{Max: 1 << 20})
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			c, ctx := &enmesh.Call{}, context.Background()
			for pb.Next() {
				token, _ := f.Admit(ctx, c)
				f.Done(token, enmesh.Result{})
			}
		})
	})
	b.Run("refuse", func(b *testing.B) {
		f := mustFixed(b, concurrency.Config{Max: 1})
		c, ctx := &enmesh.Call{}, context.Background()
		_, _ = f.Admit(ctx, c)
		b.ReportAllocs()
		for b.Loop() {
			_, _ = f.Admit(ctx, c)
		}
	})
}
