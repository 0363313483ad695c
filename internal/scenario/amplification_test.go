// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package scenario_test

import (
	"context"
	"testing"
	"time"

	"github.com/enmesh-go/enmesh/internal/ledger"
	"github.com/enmesh-go/enmesh/resilience"
)

// TestScenarioO1_amplification: a client calls A, which calls B, each up to three times, and B
// fails every call. Without budgets and marks B sees about nine calls for each one. With them at
// most 1.25, since A says of its failures that they were tried often enough; and when B is
// well again, so are the calls within 5 s.
func TestScenarioO1_amplification(t *testing.T) {
	for _, path := range paths {
		t.Run(path[0].name+" and "+path[1].name, func(t *testing.T) {
			ledger.Baseline(t)
			control := amplify(t, path, 50, ledger.Short(30*time.Second)/10, false)
			ours := amplify(t, path, 200, ledger.Short(30*time.Second)/3, true)
			t.Logf("B sees %.2f calls for each one without a budget, %.2f with; the last call failed %v after B was well",
				control.factor, ours.factor, ours.recovery.Round(time.Millisecond))
			if control.factor < 8.5 || control.factor > 9.5 {
				t.Errorf("the control has %.2f, want about 9", control.factor)
			}
			if ours.factor > 1.25 {
				t.Errorf("B sees %.2f calls for each one, want at most 1.25", ours.factor)
			}
			if ours.recovery > 5*time.Second {
				t.Errorf("calls failed until %v after B was well, want at most 5 s", ours.recovery)
			}
		})
	}
}

// amplified is how many calls B saw for each one that was made, and how long after its end
// the last call failed.
type amplified struct {
	factor   float64
	recovery time.Duration
}

// amplify has B fail for so long, and then for a fifth of that be well.
func amplify(t *testing.T, path [2]protocol, rate int, last time.Duration, bounded bool) amplified {
	t.Helper()
	var b target
	var inner, outer *resilience.Budget
	if bounded { // a floor of 1 %, where a service of 1,000 calls a second has 10
		cfg := resilience.BudgetConfig{MinPerSecond: max(1, rate/100)}
		inner, outer = newBudget(t, cfg), newBudget(t, cfg)
	}
	toB := path[1].to(t, thrice(t, inner), path[1].serve(t, b.serve))
	toA := path[0].to(t, thrice(t, outer), path[0].serve(t, func(ctx context.Context) error {
		if !bounded { // as in a program that does not hand its context on: there are no marks
			return toB(unmarked{ctx})
		}
		return toB(ctx)
	}))
	b.fails.Store(true)
	load := ledger.Start(t.Context(), ledger.Config{Rate: rate, For: last + last/5, Call: asLoad(toA)})
	(&lab{t: t}).sleep(last)
	hits := b.hits.Load()
	well := time.Now()
	b.fails.Store(false)
	_ = load.Wait()
	r := load.Between(load.Begin(), well)
	a := amplified{factor: float64(hits) / float64(r.Sent)}
	for _, c := range load.Records() {
		if c.Err != nil && c.Due.After(well) {
			a.recovery = max(a.recovery, c.Due.Sub(well))
		}
	}
	if end := load.Between(well, well.Add(time.Hour)); end.OK == 0 {
		t.Error("no call was answered after B was well")
	}
	return a
}

// unmarked is a context that does not know which call it is of.
type unmarked struct{ context.Context }

// Value knows nothing.
func (unmarked) Value(any) any { return nil }
