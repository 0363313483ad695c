// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package resilience_test

import (
	"context"
	"math"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/enmeshtest"
	"github.com/enmesh-go/enmesh/resilience"
	"github.com/enmesh-go/enmesh/resilience/retry"
)

func mustBudget(tb testing.TB, cfg resilience.BudgetConfig) *resilience.Budget {
	tb.Helper()
	b, err := resilience.NewBudget(cfg)
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

// takeAll counts how many attempts are to be had at t.
func takeAll(b *resilience.Budget, t enmesh.Instant) int {
	n := 0
	for b.TakeAt(t) {
		n++
	}
	return n
}

const start = enmesh.Instant(1000 * time.Second)

func TestBudget_floorAndRatio(t *testing.T) {
	tests := []struct {
		name  string
		cfg   resilience.BudgetConfig
		calls int
		want  int
	}{
		{"starts with the floor alone", resilience.BudgetConfig{}, 0, 100},
		{"a fifth of the calls besides", resilience.BudgetConfig{}, 1000, 300},
		{"no floor", resilience.BudgetConfig{MinPerSecond: -1}, 1000, 200},
		{"no floor, no calls", resilience.BudgetConfig{MinPerSecond: -1}, 0, 0},
		{"a floor alone", resilience.BudgetConfig{Ratio: -1, MinPerSecond: 3}, 1000, 30},
		{"a short window", resilience.BudgetConfig{Ratio: 1, MinPerSecond: 10, Window: time.Second}, 7, 17},
		{"parts do not add up to one", resilience.BudgetConfig{Ratio: 0.3, MinPerSecond: -1}, 3, 0},
		{"now they do", resilience.BudgetConfig{Ratio: 0.1, MinPerSecond: -1}, 30, 3},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := mustBudget(t, tt.cfg)
			for range tt.calls {
				b.DepositAt(start)
			}
			if got := takeAll(b, start); got != tt.want {
				t.Errorf("%d attempts allowed, want %d", got, tt.want)
			}
		})
	}
}

func TestBudget_forgetsAfterItsWindow(t *testing.T) {
	b := mustBudget(t, resilience.BudgetConfig{Ratio: 1, MinPerSecond: -1})
	for range 50 {
		b.DepositAt(start)
	}
	if got := takeAll(b, start.Add(9*time.Second)); got != 50 {
		t.Errorf("after 9 s %d attempts, want 50", got)
	}
	for range 7 {
		b.DepositAt(start.Add(9 * time.Second))
	}
	if got := takeAll(b, start.Add(10*time.Second)); got != 0 {
		t.Errorf("after 10 s %d attempts, want 0: 50 calls are forgotten, 50 attempts are not", got)
	}
	if got := takeAll(b, start.Add(19*time.Second)); got != 0 {
		t.Errorf("after 19 s %d attempts, want 0: all calls are forgotten", got)
	}
}

func TestBudget_refunds(t *testing.T) {
	b := mustBudget(t, resilience.BudgetConfig{Ratio: 1, MinPerSecond: -1})
	b.DepositAt(start)
	if !b.TakeAt(start) || b.TakeAt(start) {
		t.Fatal("want exactly one attempt")
	}
	b.RefundAt(start.Add(5 * time.Second))
	if !b.TakeAt(start.Add(5 * time.Second)) {
		t.Error("a refunded attempt is not to be had again")
	}
	b.RefundAt(start.Add(time.Minute)) // what was taken is long forgotten
	if b.TakeAt(start.Add(time.Minute)) {
		t.Error("a refund of what is forgotten made an attempt out of nothing")
	}
}

func TestBudget_lateDepositsDoNotEmptyTheWindow(t *testing.T) {
	b := mustBudget(t, resilience.BudgetConfig{Ratio: 1, MinPerSecond: -1})
	for range 5 {
		b.DepositAt(start.Add(10 * time.Second))
	}
	b.DepositAt(start) // a reading of the clock that is a whole window old
	if got := takeAll(b, start.Add(10*time.Second)); got != 5 {
		t.Errorf("%d attempts, want 5", got)
	}
}

func TestBudget_isExactUnderContention(t *testing.T) {
	b := mustBudget(t, resilience.BudgetConfig{Ratio: 0.5, MinPerSecond: -1})
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 1000 {
				b.DepositAt(start)
			}
		})
	}
	wg.Wait()
	var mu sync.Mutex
	total := 0
	for range 8 {
		wg.Go(func() {
			n := takeAll(b, start)
			mu.Lock()
			defer mu.Unlock()
			total += n
		})
	}
	wg.Wait()
	if total != 4000 {
		t.Errorf("%d attempts of 8000 calls at a half, want 4000", total)
	}
}

func TestBudget_refusesBadConfigs(t *testing.T) {
	for _, cfg := range []resilience.BudgetConfig{
		{Ratio: 11}, {Ratio: math.NaN()}, {Ratio: math.Inf(1)}, {MinPerSecond: 1_000_001},
		{Window: time.Millisecond}, {Window: -1}, {Window: 2 * time.Hour},
	} {
		if _, err := resilience.NewBudget(cfg); err == nil {
			t.Errorf("NewBudget(%+v) is accepted, want an error", cfg)
		}
	}
}

// A far side that fails every call for 30 s gets a fifth more calls, and the floor.
func TestBudget_boundsRetriesOfADeadService(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		budget := mustBudget(t, resilience.BudgetConfig{})
		on, _ := retry.ParseOn("5xx")
		again, err := retry.New(retry.Config{MaxAttempts: 3, On: on, Budget: budget, BaseBackoff: time.Millisecond})
		if err != nil {
			t.Fatal(err)
		}
		r := enmesh.Fixed(true, budget.Middleware(), again)
		dead := &enmesh.Error{Code: enmesh.Unavailable, Outcome: enmesh.Failure, Status: 503}
		const calls, rate = 30_000, 1000
		sent := 0
		for i := range calls {
			w := enmeshtest.NewWire(func(context.Context, *enmesh.Call) error { sent++; return dead })
			w.Call().Idempotent = true
			_ = w.Do(t.Context(), r)
			if i%10 == 9 {
				time.Sleep(10 * time.Second / rate)
			}
		}
		if got := float64(sent) / calls; got > 1.22 || got < 1.15 {
			t.Errorf("%v attempts per call, want a fifth more than one and the floor", got)
		}
	})
}

func TestBudget_conforms(t *testing.T) {
	enmeshtest.TestMiddleware(t, func() enmesh.Middleware {
		return mustBudget(t, resilience.BudgetConfig{}).Middleware()
	})
}

func TestBudget_allocatesNothing(t *testing.T) {
	b := mustBudget(t, resilience.BudgetConfig{})
	if n := testing.AllocsPerRun(1000, func() { b.Deposit(); b.Take(); b.Refund() }); n != 0 {
		t.Errorf("%v allocations, want 0", n)
	}
}

func BenchmarkBudget_deposit(b *testing.B) {
	budget := mustBudget(b, resilience.BudgetConfig{})
	now := enmesh.Now()
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			budget.DepositAt(now)
		}
	})
}

// What there is to take is gone after the first hundred: this is the refused path.
func BenchmarkBudget_take(b *testing.B) {
	now := enmesh.Now()
	b.Run("refused", func(b *testing.B) {
		budget := mustBudget(b, resilience.BudgetConfig{})
		b.ReportAllocs()
		for b.Loop() {
			budget.TakeAt(now)
		}
	})
	b.Run("refused, parallel", func(b *testing.B) {
		budget := mustBudget(b, resilience.BudgetConfig{})
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				budget.TakeAt(now)
			}
		})
	})
	b.Run("granted and refunded", func(b *testing.B) {
		budget := mustBudget(b, resilience.BudgetConfig{})
		b.ReportAllocs()
		for b.Loop() {
			budget.TakeAt(now)
			budget.RefundAt(now)
		}
	})
}
