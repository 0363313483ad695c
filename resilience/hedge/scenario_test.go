// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package hedge_test

import (
	"context"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/enmeshtest"
	"github.com/enmesh-go/enmesh/resilience"
	"github.com/enmesh-go/enmesh/resilience/hedge"
)

// drill is an open load of idempotent calls against a far side that takes as long as slow
// says for each attempt.
type drill struct {
	chain []enmesh.Middleware
	slow  func() time.Duration
	calls int
}

// outcome is what a drill came to.
type outcome struct {
	attempts, failed int64
	p99              time.Duration
}

// run makes the calls, one each millisecond of a bubble's time.
func (d drill) run(t *testing.T) (o outcome) {
	t.Helper()
	var mu sync.Mutex // guards took
	var took []time.Duration
	var attempts, failed atomic.Int64
	far := func(ctx context.Context, c *enmesh.Call) error {
		attempts.Add(1)
		return after(d.slow(), nil)(ctx, c)
	}
	r := enmesh.Fixed(true, d.chain...)
	var wg sync.WaitGroup
	for range d.calls {
		wg.Go(func() {
			w := enmeshtest.NewWire(far)
			w.Call().Idempotent = true
			begun := time.Now()
			if err := w.Do(context.Background(), r); err != nil {
				failed.Add(1)
			}
			w.Finish(nil)
			mu.Lock()
			defer mu.Unlock()
			took = append(took, time.Since(begun))
		})
		time.Sleep(time.Millisecond)
	}
	wg.Wait()
	slices.Sort(took)
	return outcome{attempts.Load(), failed.Load(), took[len(took)*99/100]}
}

// usually is 5 to 15 ms, and 200 ms more for one attempt in fifty.
func usually() time.Duration {
	d := 5*time.Millisecond + rand.N(10*time.Millisecond)
	if rand.IntN(50) == 0 {
		d += 200 * time.Millisecond
	}
	return d
}

// TestScenarioP7_tail: one attempt in fifty takes 200 ms longer. Hedged at the 95th percentile
// the 99th is at most 0.4 of what it is without, for at most 5 % of more attempts and one.
func TestScenarioP7_tail(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const calls = 20_000
		bare := drill{nil, usually, calls}.run(t)
		budget, err := resilience.NewBudget(resilience.BudgetConfig{})
		if err != nil {
			t.Fatal(err)
		}
		hedged := drill{[]enmesh.Middleware{budget.Middleware(), mustNew(t, hedge.Config{Budget: budget})}, usually, calls}.run(t)
		extra := float64(hedged.attempts-calls) / calls
		t.Logf("p99 %v without, %v hedged (%.2f); %.2f %% more attempts", bare.p99, hedged.p99, float64(hedged.p99)/float64(bare.p99), 100*extra)
		if float64(hedged.p99) > 0.4*float64(bare.p99) {
			t.Errorf("p99 is %v, want at most 0.4 of %v", hedged.p99, bare.p99)
		}
		if hedged.attempts > calls+calls/20+1 {
			t.Errorf("%d attempts for %d calls, want at most 5 %% more", hedged.attempts, calls)
		}
		if hedged.failed != 0 || bare.failed != 0 || hedged.attempts == calls {
			t.Errorf("%d and %d calls failed, %d attempts", bare.failed, hedged.failed, hedged.attempts)
		}
	})
}

// TestScenarioO9_allReplicasAreSlow: every attempt takes ten times as long as it did. There are no more
// hedges than the budget of 10 % has, and no call fails for it; the control has no
// budget.
func TestScenarioO9_allReplicasAreSlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const calls = 10_000
		var slow atomic.Bool
		speed := func() time.Duration {
			if slow.Load() {
				return 10 * usually()
			}
			return usually()
		}
		run := func(cfg hedge.Config, outer ...enmesh.Middleware) outcome {
			d := drill{append(outer, mustNew(t, cfg)), speed, 1000}
			slow.Store(false)
			d.run(t) // learns
			slow.Store(true)
			d.calls = calls
			return d.run(t)
		}
		free := run(hedge.Config{Delay: 15 * time.Millisecond})
		budget, err := resilience.NewBudget(resilience.BudgetConfig{Ratio: 0.1, MinPerSecond: -1})
		if err != nil {
			t.Fatal(err)
		}
		fixed := run(hedge.Config{Delay: 15 * time.Millisecond, Budget: budget}, budget.Middleware())
		time.Sleep(time.Minute)
		adaptive := run(hedge.Config{Budget: budget}, budget.Middleware())
		share := func(o outcome) float64 { return float64(o.attempts-calls) / calls }
		t.Logf("more attempts: %.1f %% without a budget, %.1f %% with, %.1f %% at the percentile", 100*share(free), 100*share(fixed), 100*share(adaptive))
		if share(free) < 0.9 {
			t.Errorf("the control hedges %.2f of its calls, want nearly all", share(free))
		}
		for name, o := range map[string]outcome{"fixed": fixed, "at the percentile": adaptive} {
			// What the second of learning has left over is spent too: a tenth of 1,000.
			if got := o.attempts - calls; got > calls/10+1000/10 {
				t.Errorf("%s: %d hedges of %d calls, want at most 10 %%", name, got, calls)
			}
			if o.failed != 0 {
				t.Errorf("%s: %d calls failed", name, o.failed)
			}
		}
	})
}
