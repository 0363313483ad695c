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

func TestTokenBucket_aTinyRateComesBackLate(t *testing.T) {
	b := mustBucket(t, limit.Config{Rate: 1e-12})
	c := &enmesh.Call{Clock: start}
	_, _ = b.Admit(t.Context(), c)
	_, err := b.Admit(t.Context(), c)
	if e := enmesh.ErrorOf(err); e == nil || e.RetryAfter <= 0 {
		t.Errorf("got %v, want a refusal with a positive RetryAfter", err)
	}
}

func TestTokenBucket_reserves(t *testing.T) {
	b := mustBucket(t, limit.Config{Rate: 10, Burst: 2})
	for _, tt := range []struct {
		after    time.Duration
		n        int
		patience time.Duration
		wait     time.Duration
		ok       bool
	}{
		{0, 2, 0, 0, true},
		{0, 1, 99 * time.Millisecond, 100 * time.Millisecond, false},
		{0, 1, 100 * time.Millisecond, 100 * time.Millisecond, true},
		{0, 2, time.Second, 300 * time.Millisecond, true},
		{0, 3, time.Hour, -1, false},
		{0, 0, 0, 0, true},
		{300 * time.Millisecond, 1, 0, 100 * time.Millisecond, false},
		{400 * time.Millisecond, 1, 0, 0, true},
	} {
		if wait, ok := b.ReserveAt(start.Add(tt.after), tt.n, tt.patience); wait != tt.wait || ok != tt.ok {
			t.Errorf("%d tokens at %v: %v, %v; want %v, %v", tt.n, tt.after, wait, ok, tt.wait, tt.ok)
		}
	}
}

func TestTokenBucket_waits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := mustBucket(t, limit.Config{Rate: 10, Burst: 1})
		began := time.Now()
		for range 3 {
			if err := b.Wait(t.Context(), 1); err != nil {
				t.Fatal(err)
			}
		}
		if d := time.Since(began); d != 200*time.Millisecond {
			t.Errorf("three tokens took %v, want 200ms", d)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		if err := b.Wait(ctx, 1); !errors.Is(err, limit.ErrLimited) || time.Since(began) != 200*time.Millisecond {
			t.Errorf("a token after the deadline: %v after %v, want ErrLimited at once", err, time.Since(began))
		}
		ctx, stop := context.WithCancel(t.Context())
		time.AfterFunc(10*time.Millisecond, stop)
		if err := b.Wait(ctx, 1); !errors.Is(err, context.Canceled) {
			t.Errorf("cancelled while waiting: %v, want context.Canceled", err)
		}
		if err := b.Wait(t.Context(), 2); enmesh.ErrorOf(err).RetryAfter >= 0 {
			t.Errorf("more than the burst: %v, want a refusal for ever", err)
		}
	})
}
