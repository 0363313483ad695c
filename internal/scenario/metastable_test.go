// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package scenario_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/internal/ledger"
	"github.com/enmesh-go/enmesh/resilience"
	"github.com/enmesh-go/enmesh/resilience/breaker"
	"github.com/enmesh-go/enmesh/resilience/hedge"
	"github.com/enmesh-go/enmesh/resilience/retry"
	"github.com/enmesh-go/enmesh/resilience/timeout"
)

// depot serves 200 calls a second: 10 at once, 50 ms each, the others wait in line. Stalled, it
// serves none.
type depot struct {
	slots   chan struct{}
	stalled atomic.Bool
	heeds   bool          // it gives up what nobody waits for
	closed  chan struct{} // at the end of the test
}

func newDepot(t *testing.T, heeds bool) *depot {
	t.Helper()
	d := &depot{slots: make(chan struct{}, 10), heeds: heeds, closed: make(chan struct{})}
	t.Cleanup(func() { close(d.closed) })
	return d
}

func (d *depot) serve(ctx context.Context) error {
	if !d.heeds {
		ctx = context.WithoutCancel(ctx)
	}
	select {
	case d.slots <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	case <-d.closed:
		return errDown
	}
	defer func() { <-d.slots }()
	for first := true; first || d.stalled.Load(); first = false {
		select {
		case <-time.After(50 * time.Millisecond):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// trigger is what is wrong for a while with a backend at 60 % of what it can do.
type trigger struct {
	name string
	pull func(t *testing.T, d *depot, do ask, last time.Duration)
}

var (
	stalls = trigger{"stall", func(t *testing.T, d *depot, _ ask, last time.Duration) {
		t.Helper()
		d.stalled.Store(true)
		(&lab{t: t}).sleep(last)
		d.stalled.Store(false)
	}}
	overloads = trigger{"2.5 times the load", func(t *testing.T, _ *depot, do ask, last time.Duration) {
		t.Helper()
		more := ledger.Start(t.Context(), ledger.Config{Rate: 180, For: last, Timeout: 3 * time.Second, Call: asLoad(do)})
		t.Cleanup(func() { _ = more.Wait() })
		(&lab{t: t}).sleep(last)
	}}
)

// pauses is room for what the machine and the race detector add to the slowest of 240 calls. With
// it the bound finds calls that wait for an attempt's end, 500 ms, and not a short line: P2's one
// and a half times is for TestScenarioP2_metastable in package resilience, which has no machine
// under it.
const pauses = 150 * time.Millisecond

// TestScenarioO2_metastable: a backend at 60 % of what it can do stalls for a while, or has 2.5
// times its load. With naive retries, each call up to five times as soon as 500 ms have passed, what was queued and what is
// tried again keep it down when that is over. With budget, hedge, retry, deadline and
// breaker all on, goodput is 95 % of what it was within 10 s, and no slow tail is left.
func TestScenarioO2_metastable(t *testing.T) {
	cases := []struct {
		p protocol
		f trigger
	}{{overHTTP, stalls}, {overGRPC, overloads}, {overHTTP, overloads}, {overGRPC, stalls}}
	last := 10 * time.Second
	if !ledger.Full() {
		cases, last = cases[:2], 4*time.Second
	}
	for _, tt := range cases {
		t.Run(tt.p.name+", "+tt.f.name, func(t *testing.T) {
			ledger.Baseline(t)
			naive := pullOnce(t, tt.p, newDepot(t, false), naively(t), tt.f, last, 4*time.Second)
			ours := pullOnce(t, tt.p, newDepot(t, true), carefully(t), tt.f, last, 12*time.Second)
			t.Logf("goodput %.2f of what it was in the last 2 s of 4 with naive retries; with ours 95 %% after %v, and %.2f from 10 s on; p99 %v before, %v then",
				naive.end, ours.back.Round(time.Millisecond), ours.end, ours.before, ours.after)
			if naive.end > 0.5 {
				t.Errorf("naive retries recover by themselves, to %.2f: the test shows nothing", naive.end)
			}
			if ours.back > 10*time.Second || ours.end < 0.95 {
				t.Errorf("95 %% of the goodput after %v, and %.2f at the end; want it within 10 s", ours.back, ours.end)
			}
			if ours.after > ours.before*3/2+pauses {
				t.Errorf("p99 is %v from 10 s on, want at most one and a half times the %v of before, and %v", ours.after, ours.before, pauses)
			}
		})
	}
}

// naively is five attempts of half a second, without any bound.
func naively(t *testing.T) []enmesh.Middleware {
	t.Helper()
	on, err := retry.ParseOn("5xx,unavailable,reset,deadline-exceeded")
	if err != nil {
		t.Fatal(err)
	}
	again, err := retry.New(retry.Config{MaxAttempts: 5, On: on, BaseBackoff: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	return []enmesh.Middleware{again, timeout.Attempt(500 * time.Millisecond)}
}

// carefully is everything that package resilience has, around the same.
func carefully(t *testing.T) []enmesh.Middleware {
	t.Helper()
	budget := newBudget(t, resilience.BudgetConfig{})
	twice, err := hedge.New(hedge.Config{Budget: budget})
	if err != nil {
		t.Fatal(err)
	}
	on, err := retry.ParseOn("5xx,unavailable,reset,deadline-exceeded")
	if err != nil {
		t.Fatal(err)
	}
	again, err := retry.New(retry.Config{MaxAttempts: 5, On: on, Budget: budget})
	if err != nil {
		t.Fatal(err)
	}
	trips, err := breaker.New(breaker.Config{FailureRatio: 0.5, OpenFor: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	return []enmesh.Middleware{
		timeout.Overall(2 * time.Second), budget.Middleware(), twice, again,
		trips.Middleware(), timeout.Attempt(500 * time.Millisecond),
	}
}

// recovery is what became of the goodput: the time from the end of the trigger until a second began
// whose calls were answered as before, the share of them in the last two seconds, and the p99 of
// those that were answered, before the trigger and in the last two seconds.
type recovery struct {
	back          time.Duration
	end           float64
	before, after time.Duration
}

func pullOnce(t *testing.T, p protocol, d *depot, chain []enmesh.Middleware, f trigger, last, after time.Duration) recovery {
	t.Helper()
	const warm = 2 * time.Second
	do := p.to(t, chain, p.serve(t, d.serve))
	load := ledger.Start(t.Context(), ledger.Config{Rate: 120, For: warm + last + after, Timeout: 3 * time.Second, Call: asLoad(do)})
	(&lab{t: t}).sleep(warm)
	f.pull(t, d, do, last)
	over := time.Now()
	_ = load.Wait()
	good := func(from, to time.Time) float64 {
		r := load.Between(from, to)
		return float64(r.OK) / float64(max(r.Sent, 1))
	}
	before := good(load.Begin(), load.Begin().Add(warm-time.Second)) // the last second's calls were under way
	if before < 0.95 {
		t.Fatalf("before it %.2f of the calls are answered", before)
	}
	r := recovery{back: after}
	for at := time.Duration(0); at < after-time.Second; at += 100 * time.Millisecond {
		if good(over.Add(at), over.Add(at+time.Second)) >= 0.95*before {
			r.back = at
			break
		}
	}
	r.end = good(over.Add(after-2*time.Second), over.Add(after)) / before
	r.before = load.Between(load.Begin(), load.Begin().Add(warm-time.Second)).P99
	r.after = load.Between(over.Add(after-2*time.Second), over.Add(after)).P99
	return r
}
