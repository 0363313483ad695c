// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package concurrency_test

import (
	"context"
	"errors"
	"math"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/enmeshtest"
	"github.com/enmesh-go/enmesh/limit/concurrency"
)

var ctx = context.Background()

func mustAdaptive(tb testing.TB, cfg concurrency.AdaptiveConfig) *concurrency.Adaptive {
	tb.Helper()
	a, err := concurrency.NewAdaptive(cfg)
	if err != nil {
		tb.Fatal(err)
	}
	return a
}

// track is a limit and its time, which is only counted.
type track struct {
	*concurrency.Adaptive
	t   *testing.T
	now enmesh.Instant
}

func newTrack(t *testing.T, cfg concurrency.AdaptiveConfig) *track {
	t.Helper()
	return &track{mustAdaptive(t, cfg), t, enmesh.Now()}
}

// rounds makes so many rounds of so many calls at once, each of a latency and ended as end
// says, and gives the limit after them. Calls beyond the limit are refused.
func (a *track) rounds(n, atOnce int, latency time.Duration, side enmesh.Side, end enmesh.Result) int64 {
	a.t.Helper()
	for range n {
		var tokens []enmesh.Token
		for range atOnce {
			if token, err := a.Admit(ctx, &enmesh.Call{Side: side, Clock: a.now}); err == nil {
				tokens = append(tokens, token)
			}
		}
		a.now = a.now.Add(latency)
		for _, token := range tokens {
			r := end
			r.Ended = a.now
			if r.Answered != 0 {
				r.Answered = a.now
			}
			a.Done(token, r)
		}
	}
	if a.InFlight() != 0 {
		a.t.Errorf("%d in flight at the end, want 0", a.InFlight())
	}
	return a.Limit()
}

func failure(code enmesh.Code) enmesh.Result {
	return enmesh.Result{Err: &enmesh.Error{Code: code, Outcome: enmesh.Failure}, Outcome: enmesh.Failure, Answered: 1}
}

var (
	success  = enmesh.Result{Answered: 1}
	notFound = enmesh.Result{Err: &enmesh.Error{Code: enmesh.NotFound, Outcome: enmesh.Neutral}, Outcome: enmesh.Neutral, Answered: 1}
	gaveUp   = enmesh.Result{Err: enmesh.ErrCanceled, Outcome: enmesh.Neutral}
)

func TestAdaptive_learnsFromEnds(t *testing.T) {
	for _, tt := range []struct {
		name   string
		side   enmesh.Side
		atOnce int
		end    enmesh.Result
		want   int // the limit of 20: up, down, or 0: it stays
	}{
		{"answers at the limit", enmesh.Client, 40, success, 1},
		{"the caller's faults are answers", enmesh.Client, 40, notFound, 1},
		{"fewer than half of the limit", enmesh.Client, 8, success, 0},
		{"503", enmesh.Client, 40, failure(enmesh.Unavailable), -1},
		{"503 of a few", enmesh.Client, 8, failure(enmesh.Unavailable), -1},
		{"429", enmesh.Client, 40, failure(enmesh.ResourceExhausted), -1},
		{"timeouts", enmesh.Client, 40, failure(enmesh.DeadlineExceeded), -1},
		{"500", enmesh.Client, 40, failure(enmesh.Internal), 0},
		{"503 of the handler", enmesh.Server, 40, failure(enmesh.Unavailable), 0},
		{"callers that give up", enmesh.Client, 40, gaveUp, 0},
		{"answers of a server", enmesh.Server, 40, success, 1},
	} {
		for _, algorithm := range []concurrency.Algorithm{concurrency.Gradient2, concurrency.Vegas, concurrency.AIMD} {
			t.Run(tt.name+", "+algorithm.String(), func(t *testing.T) {
				a := newTrack(t, concurrency.AdaptiveConfig{Algorithm: algorithm})
				a.rounds(50, 8, 50*time.Millisecond, tt.side, success) // what is usual
				if a.Limit() != 20 {
					t.Fatalf("with 8 at once the limit goes from 20 to %d", a.Limit())
				}
				got := a.rounds(50, tt.atOnce, 49*time.Millisecond, tt.side, tt.end)
				if sign(got-20) != tt.want {
					t.Errorf("the limit goes from 20 to %d, want direction %d", got, tt.want)
				}
			})
		}
	}
}

func sign(n int64) int {
	switch {
	case n > 0:
		return 1
	case n < 0:
		return -1
	}
	return 0
}

// What gives up late took at least so long: the limit falls though nobody answers.
func TestAdaptive_learnsFromThoseThatGiveUpLate(t *testing.T) {
	a := newTrack(t, concurrency.AdaptiveConfig{})
	a.rounds(50, 8, 50*time.Millisecond, enmesh.Client, success)
	if got := a.rounds(5, 40, time.Second, enmesh.Client, gaveUp); got >= 20 {
		t.Errorf("the limit is %d, want less than 20", got)
	}
}

func TestAdaptive_staysWithinItsBounds(t *testing.T) {
	for _, algorithm := range []concurrency.Algorithm{concurrency.Gradient2, concurrency.Vegas, concurrency.AIMD} {
		t.Run(algorithm.String(), func(t *testing.T) {
			a := newTrack(t, concurrency.AdaptiveConfig{Algorithm: algorithm, Min: 5, Max: 30})
			if got := a.rounds(400, 100, 50*time.Millisecond, enmesh.Client, success); got != 30 {
				t.Errorf("the limit is %d, want Max", got)
			}
			if got := a.rounds(400, 100, 50*time.Millisecond, enmesh.Client, failure(enmesh.Unavailable)); got != 5 {
				t.Errorf("the limit is %d, want Min", got)
			}
		})
	}
}

// One refusal among many is no overload: it stops the growth and no more.
func TestAdaptive_bearsAFewRefusals(t *testing.T) {
	a := newTrack(t, concurrency.AdaptiveConfig{Initial: 50})
	a.rounds(50, 20, 50*time.Millisecond, enmesh.Client, success)
	for range 50 {
		var tokens []enmesh.Token
		for range 50 {
			token, _ := a.Admit(ctx, &enmesh.Call{Clock: a.now})
			tokens = append(tokens, token)
		}
		a.now = a.now.Add(50 * time.Millisecond)
		for i, token := range tokens {
			r := success
			if i == 0 {
				r = failure(enmesh.Unavailable)
			}
			r.Answered, r.Ended = a.now, a.now
			a.Done(token, r)
		}
	}
	if a.Limit() != 50 {
		t.Errorf("with 2%% refused the limit goes from 50 to %d, want it to stay", a.Limit())
	}
}

// A stream is in flight until its end, and counts as quick as its head was.
func TestAdaptive_streams(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := mustAdaptive(t, concurrency.AdaptiveConfig{Initial: 20, Min: 20})
		r := enmesh.Fixed(false, enmesh.Guard(a))
		var wires []*enmeshtest.Wire
		for range 20 {
			w := enmeshtest.NewWire()
			if err := w.Do(t.Context(), r); err != nil {
				t.Fatal(err)
			}
			wires = append(wires, w)
		}
		if err := enmeshtest.NewWire().Do(t.Context(), r); !errors.Is(err, concurrency.ErrFull) || a.InFlight() != 20 {
			t.Errorf("while 20 answers run on: %v with %d in flight, want ErrFull and 20", err, a.InFlight())
		}
		for _, w := range wires {
			w.Finish(nil)
		}
		if a.InFlight() != 0 {
			t.Errorf("%d in flight at the end, want 0", a.InFlight())
		}
	})
}

// TestScenarioO5_callersCancel: every caller gives up after 5 ms, those that run and those
// that would. Nothing is in flight after it, in time that is only counted.
func TestScenarioO5_callersCancel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := mustAdaptive(t, concurrency.AdaptiveConfig{Initial: 100})
		r := enmesh.Fixed(false, enmesh.Guard(a))
		var wg sync.WaitGroup
		var went atomic.Int64
		began := time.Now()
		for range 10_000 {
			wg.Go(func() {
				ctx, cancel := context.WithTimeout(context.Background(), 5*time.Millisecond)
				defer cancel()
				w := enmeshtest.NewWire(enmeshtest.Hang())
				_ = w.Do(ctx, r)
				went.Add(int64(w.Sent()))
			})
		}
		wg.Wait()
		took := time.Since(began)
		t.Logf("%d of 10,000 went, %d in flight, limit %d, after %v", went.Load(), a.InFlight(), a.Limit(), took)
		if went.Load() == 0 || a.InFlight() != 0 || took != 5*time.Millisecond {
			t.Errorf("%d went, %d in flight after %v; want some, and 0 after the 5 ms", went.Load(), a.InFlight(), took)
		}
	})
}

func TestAdaptive_isExactUnderContention(t *testing.T) {
	const limit = 4
	a := mustAdaptive(t, concurrency.AdaptiveConfig{Initial: limit, Max: limit})
	var running, most atomic.Int64
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			for range 2000 {
				token, err := a.Admit(ctx, &enmesh.Call{Clock: enmesh.Now()})
				if err != nil {
					continue
				}
				n := running.Add(1)
				for m := most.Load(); n > m; m = most.Load() {
					most.CompareAndSwap(m, n)
				}
				running.Add(-1)
				a.Done(token, enmesh.Result{Answered: enmesh.Now(), Ended: enmesh.Now()})
			}
		})
	}
	wg.Wait()
	if most.Load() > limit || a.InFlight() != 0 {
		t.Errorf("%d ran at once, %d in flight at the end; want at most %d, and 0", most.Load(), a.InFlight(), limit)
	}
}

func TestAdaptive_refusesBadConfigs(t *testing.T) {
	for want, cfg := range map[string]concurrency.AdaptiveConfig{
		"Algorithm": {Algorithm: 3},
		"Min":       {Min: -1},
		"Max":       {Max: 2},
		"Initial":   {Initial: 2000},
		"Tolerance": {Tolerance: math.NaN()},
		"Timeout":   {Timeout: -1},
		"Backoff":   {Backoff: 1},
		"Shares":    {Shares: concurrency.Shares{Sheddable: 2}},
	} {
		if _, err := concurrency.NewAdaptive(cfg); err == nil || !strings.HasPrefix(err.Error(), "concurrency: "+want) {
			t.Errorf("%+v: got %v, want an error about %s", cfg, err, want)
		}
	}
	for _, cfg := range []concurrency.AdaptiveConfig{{}, {Min: 50}, {Max: 5}, {Min: 1, Max: 1}} {
		if _, err := concurrency.NewAdaptive(cfg); err != nil {
			t.Errorf("%+v: %v", cfg, err)
		}
	}
}

func TestAlgorithm_namesAreRead(t *testing.T) {
	for _, want := range []concurrency.Algorithm{concurrency.Gradient2, concurrency.Vegas, concurrency.AIMD} {
		if got, ok := concurrency.ParseAlgorithm(want.String()); !ok || got != want {
			t.Errorf("ParseAlgorithm(%q) is %v, %t", want, got, ok)
		}
	}
	if _, ok := concurrency.ParseAlgorithm("GRADIENT2"); ok || concurrency.Algorithm(9).String() != "algorithm(9)" {
		t.Error("what is no algorithm is taken for one")
	}
}

func TestAdaptive_conforms(t *testing.T) {
	for name, cfg := range map[string]concurrency.AdaptiveConfig{
		"wide": {Initial: 1000}, "tight": {Initial: 1, Min: 1, Max: 1},
	} {
		t.Run(name, func(t *testing.T) {
			var a *concurrency.Adaptive
			enmeshtest.TestGate(t, func() enmesh.Gate {
				a = mustAdaptive(t, cfg)
				return a
			})
			if a.InFlight() != 0 {
				t.Errorf("%d in flight at the end, want 0", a.InFlight())
			}
		})
	}
}

func TestAdaptive_allocatesNothing(t *testing.T) {
	shares := concurrency.Shares{Sheddable: 0.5}
	a := mustAdaptive(t, concurrency.AdaptiveConfig{Initial: 1, Min: 1, Max: 1, Shares: shares})
	c := &enmesh.Call{Clock: enmesh.Now()}
	sheddable := enmesh.WithCriticality(ctx, enmesh.Sheddable)
	n := testing.AllocsPerRun(1000, func() {
		c.Clock = c.Clock.Add(time.Millisecond) // windows end
		token, _ := a.Admit(ctx, c)
		_, _ = a.Admit(sheddable, c)
		a.Done(token, enmesh.Result{Answered: c.Clock, Ended: c.Clock})
	})
	if n != 0 {
		t.Errorf("%v allocations, want 0", n)
	}
}

func BenchmarkAdaptive(b *testing.B) {
	for name, shares := range map[string]concurrency.Shares{"": {}, ", shares": {Sheddable: 0.5}} {
		admit := func(a *concurrency.Adaptive, c *enmesh.Call) {
			c.Clock += 100
			token, _ := a.Admit(ctx, c)
			a.Done(token, enmesh.Result{Answered: c.Clock, Ended: c.Clock})
		}
		b.Run("admit"+name, func(b *testing.B) {
			a := mustAdaptive(b, concurrency.AdaptiveConfig{Initial: 1000, Min: 1000, Shares: shares})
			c := &enmesh.Call{Clock: enmesh.Now()}
			b.ReportAllocs()
			for b.Loop() {
				admit(a, c)
			}
		})
		b.Run("admit in parallel"+name, func(b *testing.B) {
			a := mustAdaptive(b, concurrency.AdaptiveConfig{Initial: 1000, Min: 1000, Shares: shares})
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				c := &enmesh.Call{Clock: enmesh.Now()}
				for pb.Next() {
					admit(a, c)
				}
			})
		})
		b.Run("refuse"+name, func(b *testing.B) {
			a := mustAdaptive(b, concurrency.AdaptiveConfig{Initial: 1, Min: 1, Max: 1, Shares: shares})
			c := &enmesh.Call{Clock: enmesh.Now()}
			_, _ = a.Admit(ctx, c)
			b.ReportAllocs()
			for b.Loop() {
				_, _ = a.Admit(ctx, c)
			}
		})
		b.Run("refuse in parallel"+name, func(b *testing.B) {
			a := mustAdaptive(b, concurrency.AdaptiveConfig{Initial: 1, Min: 1, Max: 1, Shares: shares})
			_, _ = a.Admit(ctx, &enmesh.Call{})
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				c := &enmesh.Call{}
				for pb.Next() {
					_, _ = a.Admit(ctx, c)
				}
			})
		})
	}
}
