// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package resilience_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/enmeshtest"
	"github.com/enmesh-go/enmesh/resilience"
	"github.com/enmesh-go/enmesh/resilience/retry"
)

// TestScenarioO12_retryStormAcrossRestarts: a client of 1,000 calls a second to a service that is down
// is restarted every second, so that its budget is new each time. A new one has its floor, 10 a second for its
// window, and no share of calls that it has not seen: so a restart gives it 100 attempts, where a
// full one would have had 2,000. The control has no budget.
func TestScenarioO12_retryStormAcrossRestarts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		on, err := retry.ParseOn("5xx")
		if err != nil {
			t.Fatal(err)
		}
		far := &enmesh.Error{Code: enmesh.Unavailable, Outcome: enmesh.Failure, Status: 503}
		life := func(budget *resilience.Budget) (retries int) {
			cfg := retry.Config{MaxAttempts: 3, On: on, BaseBackoff: time.Microsecond}
			chain := []enmesh.Middleware{}
			if budget != nil {
				cfg.Budget = budget
				chain = append(chain, budget.Middleware())
			}
			again, err := retry.New(cfg)
			if err != nil {
				t.Fatal(err)
			}
			router := enmesh.Fixed(true, append(chain, again)...)
			for range 1000 {
				w := enmeshtest.NewWire(enmeshtest.Answer(far))
				w.Call().Idempotent = true
				_ = w.Do(context.Background(), router)
				retries += w.Sent() - 1
				time.Sleep(time.Millisecond)
			}
			return retries
		}
		for restart := range 5 {
			budget, err := resilience.NewBudget(resilience.BudgetConfig{})
			if err != nil {
				t.Fatal(err)
			}
			first := 0
			for budget.Take() {
				first++
			}
			for range first {
				budget.Refund()
			}
			got := life(budget)
			if first != 100 || got > 100+200 {
				t.Errorf("life %d begins with %d and makes %d retries for 1,000 calls, want 100 and at most 300", restart, first, got)
			}
		}
		if control := life(nil); control != 2000 {
			t.Errorf("the control makes %d retries, want 2000", control)
		}
	})
}
