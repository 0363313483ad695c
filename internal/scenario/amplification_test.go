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

// TestScenarioO1_amplification (P1): a client calls A, which calls B, each up to three times, and B
// fails every call. Without budgets and marks B sees about nine calls for each one. With budgets
// alone at most 1.5, and with the marks at most 1.25, since A says of its failures that they were
// tried often enough; and when B is well again, so are the calls within 5 s.
func TestScenarioO1_amplification(t *testing.T) {
	for _, path := range paths {
		t.Run(path[0].name+" and "+path[1].name, func(t *testing.T) {
			ledger.Baseline(t)
			fault := ledger.Short(30*time.Second) / 3
			control := amplification{rate: 50, fault: fault / 3}.run(t, path)
			alone := amplification{rate: 200, fault: fault, budgets: true}.run(t, path)
			if ledger.Full() {
				fault *= 3
			}
			ours := amplification{rate: 200, fault: fault, after: recovers + time.Second, budgets: true, marks: true}.run(t, path)
			t.Logf("B sees %.2f calls for each one without a budget, %.2f with, %.2f with marks too; the last call failed %v after B was well",
				control.factor, alone.factor, ours.factor, ours.recovery.Round(time.Millisecond))
			if control.factor < 8.5 || control.factor > 9.5 {
				t.Errorf("the control has %.2f, want about 9", control.factor)
			}
			if alone.factor > 1.5 {
				t.Errorf("with budgets alone B sees %.2f calls for each one, want at most 1.5", alone.factor)
			}
			if ours.factor > 1.25 {
				t.Errorf("B sees %.2f calls for each one, want at most 1.25", ours.factor)
			}
			if ours.recovery > recovers {
				t.Errorf("calls failed until %v after B was well, want at most %v", ours.recovery, recovers)
			}
		})
	}
}

// recovers is how long calls may fail after B is well.
const recovers = 5 * time.Second

// amplification is one run: B fails for so long, and is well for so long after that; where that
// is no time, it fails until the last call has ended, so that all of each one's are counted,
// however late a machine that stood still sends them.
type amplification struct {
	rate           int
	fault, after   time.Duration
	budgets, marks bool
}

// amplified is how many calls B saw for each one that was made while it failed, and how long
// after that the last call failed.
type amplified struct {
	factor   float64
	recovery time.Duration
}

func (x amplification) run(t *testing.T, path [2]protocol) amplified {
	t.Helper()
	var b target
	var inner, outer *resilience.Budget
	if x.budgets { // a floor of 1 %, where a service of 1,000 calls a second has 10
		cfg := resilience.BudgetConfig{MinPerSecond: max(1, x.rate/100)}
		inner, outer = newBudget(t, cfg), newBudget(t, cfg)
	}
	toB := path[1].to(t, thrice(t, inner), path[1].serve(t, b.serve))
	toA := path[0].to(t, thrice(t, outer), path[0].serve(t, func(ctx context.Context) error {
		if !x.marks { // as in a program that does not hand its context on
			return toB(unmarked{ctx})
		}
		return toB(ctx)
	}))
	b.fails.Store(true)
	load := ledger.Start(t.Context(), ledger.Config{Rate: x.rate, For: x.fault + x.after, Call: asLoad(toA)})
	if x.after == 0 {
		_ = load.Wait()
	} else {
		(&lab{t: t}).sleep(x.fault)
	}
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
	if end := load.Between(well.Add(min(x.after, recovers)), well.Add(time.Hour)); x.after > recovers && end.OK == 0 {
		t.Errorf("no call was answered %v after B was well", recovers)
	}
	return a
}

// unmarked is a context that does not know which call it is of.
type unmarked struct{ context.Context }

// Value knows nothing.
func (unmarked) Value(any) any { return nil }
