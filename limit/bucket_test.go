// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package limit_test

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/enmeshtest"
	"github.com/enmesh-go/enmesh/limit"
)

func mustBucket(tb testing.TB, cfg limit.Config) *limit.TokenBucket {
	tb.Helper()
	b, err := limit.NewTokenBucket(cfg)
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

const start = enmesh.Instant(1000 * time.Second)

// takeAll counts the tokens that are there at t.
func takeAll(b *limit.TokenBucket, t enmesh.Instant) int {
	n := 0
	for b.AllowAt(t, 1) {
		n++
	}
	return n
}

func TestTokenBucket_burstThenRate(t *testing.T) {
	tests := []struct {
		cfg    limit.Config
		pause  time.Duration
		first  int
		second int
	}{
		{limit.Config{Rate: 10, Burst: 5}, 200 * time.Millisecond, 5, 2},
		{limit.Config{Rate: 10, Burst: 5}, time.Hour, 5, 5},
		{limit.Config{Rate: 10}, 100 * time.Millisecond, 10, 1},
		{limit.Config{Rate: 0.5}, time.Second, 1, 0},
		{limit.Config{Rate: 0.5}, 2 * time.Second, 1, 1},
	}
	for _, tt := range tests {
		b := mustBucket(t, tt.cfg)
		if got := takeAll(b, start); got != tt.first {
			t.Errorf("%+v: %d at once, want %d", tt.cfg, got, tt.first)
		}
		if got := takeAll(b, start.Add(tt.pause)); got != tt.second {
			t.Errorf("%+v: %d after %v, want %d", tt.cfg, got, tt.pause, tt.second)
		}
	}
}

// Calls share readings of the clock, which arrive out of order: no time is credited
// twice. 1000 a second are allowed and 5000 asked for, from 64 callers, for 30 s.
func TestTokenBucket_isExactWithReadingsOutOfOrder(t *testing.T) {
	const rate, burst, seconds, offered = 1000, 100, 30, 5000
	b := mustBucket(t, limit.Config{Rate: rate, Burst: burst})
	takeAll(b, start)
	var tick, admitted atomic.Int64
	var wg sync.WaitGroup
	for range 64 {
		wg.Go(func() {
			random := rand.New(rand.NewPCG(1, 2))
			for {
				n := tick.Add(1)
				if n > seconds*offered {
					return
				}
				late := time.Duration(random.Int64N(int64(20 * time.Millisecond)))
				if b.AllowAt(start.Add(time.Duration(n)*time.Second/offered-late), 1) {
					admitted.Add(1)
				}
			}
		})
	}
	wg.Wait()
	if got := float64(admitted.Load()); math.Abs(got-rate*seconds) > 0.01*rate*seconds {
		t.Errorf("%v admitted, want %d within a hundredth", got, rate*seconds)
	}
}

func TestTokenBucket_refusal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := mustBucket(t, limit.Config{Rate: 4, Burst: 1})
		r := enmesh.Fixed(false, b.Middleware())
		w := enmeshtest.NewWire()
		if err := w.Do(t.Context(), r); err != nil {
			t.Fatal(err)
		}
		w.Finish(nil)
		w = enmeshtest.NewWire()
		err := w.Do(t.Context(), r)
		e := enmesh.ErrorOf(err)
		if !errors.Is(err, limit.ErrLimited) || e.Code != enmesh.ResourceExhausted || e.Status != 429 ||
			e.Flag != enmesh.FlagRateLimited || e.Outcome != enmesh.Neutral || !e.Unsent || w.Sent() != 0 {
			t.Errorf("got %#v, want ErrLimited, 429, RL, neutral, unsent", e)
		}
		if e.RetryAfter != 250*time.Millisecond {
			t.Errorf("retry after %v, want 250ms", e.RetryAfter)
		}
		time.Sleep(e.RetryAfter)
		w = enmeshtest.NewWire()
		if err := w.Do(t.Context(), r); err != nil {
			t.Errorf("after RetryAfter: %v, want success", err)
		}
		w.Finish(nil)
	})
}

func TestTokenBucket_refusesBadConfigs(t *testing.T) {
	for _, cfg := range []limit.Config{
		{}, {Rate: -1}, {Rate: math.NaN()}, {Rate: math.Inf(1)}, {Rate: 2e9}, {Rate: 1, Burst: -1},
	} {
		if _, err := limit.NewTokenBucket(cfg); err == nil {
			t.Errorf("NewTokenBucket(%+v) is accepted, want an error", cfg)
		}
	}
}

func TestTokenBucket_aTinyRateComesBackLate(t *testing.T) {
	b := mustBucket(t, limit.Config{Rate: 1e-12})
	c := &enmesh.Call{Clock: start}
	_, _ = b.Admit(t.Context(), c)
	_, err := b.Admit(t.Context(), c)
	if e := enmesh.ErrorOf(err); e == nil || e.RetryAfter <= 0 {
		t.Errorf("got %v, want a refusal with a positive RetryAfter", err)
	}
}

func TestTokenBucket_conforms(t *testing.T) {
	for name, cfg := range map[string]limit.Config{
		"wide":  {Rate: 1000},
		"tight": {Rate: 0.001, Burst: 1},
	} {
		t.Run(name+" gate", func(t *testing.T) {
			enmeshtest.TestGate(t, func() enmesh.Gate { return mustBucket(t, cfg) })
		})
		t.Run(name+" middleware", func(t *testing.T) {
			enmeshtest.TestMiddleware(t, func() enmesh.Middleware { return mustBucket(t, cfg).Middleware() })
		})
	}
}

func TestTokenBucket_allocatesNothing(t *testing.T) {
	for name, rate := range map[string]float64{"admitting": 1e9, "refusing": 1e-6} {
		b := mustBucket(t, limit.Config{Rate: rate})
		next := b.Middleware()(func(context.Context, *enmesh.Call) error { return nil })
		c := &enmesh.Call{}
		n := testing.AllocsPerRun(1000, func() {
			c.Tick()
			_ = next(context.Background(), c)
		})
		if n != 0 {
			t.Errorf("%s costs %v allocations, want 0", name, n)
		}
	}
}

func BenchmarkTokenBucket(b *testing.B) {
	for _, m := range []struct {
		name string
		rate float64
	}{{"admit", 1e9}, {"refuse", 1e-6}} {
		b.Run(m.name, func(b *testing.B) {
			bucket := mustBucket(b, limit.Config{Rate: m.rate})
			next := bucket.Middleware()(func(context.Context, *enmesh.Call) error { return nil })
			c, ctx := &enmesh.Call{Clock: enmesh.Now()}, context.Background()
			b.ReportAllocs()
			for b.Loop() {
				c.Clock++
				_ = next(ctx, c)
			}
		})
	}
}
