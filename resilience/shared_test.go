// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package resilience_test

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/enmeshtest"
	"github.com/enmesh-go/enmesh/resilience"
	"github.com/enmesh-go/enmesh/resilience/hedge"
	"github.com/enmesh-go/enmesh/resilience/retry"
)

// spent are the further attempts of 850 calls, of which each second one fails and would be
// retried, and the others are slow and would be hedged.
type spent struct {
	hedges, retries int
	over            float64 // the most by which they exceeded a fifth of the calls and 2 a second at any time
}

// spend makes a hundred calls a second for as long as no part of a budget's window of ten seconds is forgotten.
func spend(t *testing.T, hedges, retries *resilience.Budget) (s spent) {
	t.Helper()
	on, err := retry.ParseOn("5xx")
	if err != nil {
		t.Fatal(err)
	}
	told := &enmeshtest.Recorder{}
	again, err := retry.New(retry.Config{MaxAttempts: 3, On: on, BaseBackoff: time.Millisecond, Budget: retries, Recorder: told})
	if err != nil {
		t.Fatal(err)
	}
	late, err := hedge.New(hedge.Config{Delay: 20 * time.Millisecond, Budget: hedges, Recorder: told})
	if err != nil {
		t.Fatal(err)
	}
	chain := []enmesh.Middleware{hedges.Middleware(), late, again}
	if retries != hedges {
		chain = append([]enmesh.Middleware{retries.Middleware()}, chain...)
	}
	router := enmesh.Fixed(true, chain...)
	var mu sync.Mutex // guards s.over
	var calls, attempts atomic.Int64
	far := func(fails bool) enmeshtest.Step {
		return func(ctx context.Context, c *enmesh.Call) error {
			mu.Lock()
			n := float64(calls.Load())
			s.over = max(s.over, float64(attempts.Add(1))-n-(0.2*n+20))
			mu.Unlock()
			if fails {
				return &enmesh.Error{Code: enmesh.Unavailable, Outcome: enmesh.Failure, Status: 503}
			}
			select {
			case <-time.After(50 * time.Millisecond):
				return nil
			case <-ctx.Done():
				return c.EndOf(ctx)
			}
		}
	}
	var wg sync.WaitGroup
	for i := range 850 {
		calls.Add(1)
		wg.Go(func() {
			w := enmeshtest.NewWire(far(i%2 == 0))
			w.Call().Idempotent = true
			_ = w.Do(context.Background(), router)
			w.Finish(nil)
		})
		time.Sleep(10*time.Millisecond - time.Nanosecond)
	}
	wg.Wait()
	for _, d := range told.Decisions() {
		switch d.Action {
		case enmesh.ActionHedge:
			s.hedges++
		case enmesh.ActionRetry:
			s.retries++
		}
	}
	return s
}

// Retries and hedges that share a budget make together no more attempts than it gives, at any
// time. In the control each has one of its own.
func TestBudget_isSharedByRetriesAndHedges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		budget := func() *resilience.Budget {
			b, err := resilience.NewBudget(resilience.BudgetConfig{Ratio: 0.2, MinPerSecond: 2})
			if err != nil {
				t.Fatal(err)
			}
			return b
		}
		one := budget()
		shared, control := spend(t, one, one), spend(t, budget(), budget())
		t.Logf("shared: %+v; a budget each: %+v", shared, control)
		if shared.over > 0 || shared.hedges == 0 || shared.retries == 0 || shared.hedges+shared.retries < 180 {
			t.Errorf("%d hedges and %d retries, at times %.1f more than the budget gives; want some of both, 180 to 190 in all, and 0",
				shared.hedges, shared.retries, shared.over)
		}
		if control.over < 100 {
			t.Errorf("with a budget each the control has %.1f more, want at least 100: it would not show an excess", control.over)
		}
	})
}
