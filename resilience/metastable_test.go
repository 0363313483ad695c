// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package resilience_test

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
	"github.com/enmesh-go/enmesh/resilience/breaker"
	"github.com/enmesh-go/enmesh/resilience/hedge"
	"github.com/enmesh-go/enmesh/resilience/retry"
	"github.com/enmesh-go/enmesh/resilience/timeout"
)

// depot works on ten calls at once, 25 to 75 ms each, and the others wait in line: 200 a second.
type depot struct {
	slots   chan struct{}
	stalled atomic.Bool // it begins no work
	heeds   bool        // it gives up what nobody waits for
	closed  chan struct{}
}

func newDepot(heeds bool) *depot {
	return &depot{slots: make(chan struct{}, 10), heeds: heeds, closed: make(chan struct{})}
}

func (d *depot) serve(ctx context.Context, c *enmesh.Call) error {
	if d.heeds {
		return d.work(ctx, c)
	}
	done := make(chan error, 1)
	go func() { done <- d.work(context.WithoutCancel(ctx), c) }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return c.EndOf(ctx)
	}
}

func (d *depot) work(ctx context.Context, c *enmesh.Call) error {
	select {
	case d.slots <- struct{}{}:
	case <-ctx.Done():
		return c.EndOf(ctx)
	case <-d.closed:
		return nil
	}
	defer func() { <-d.slots }()
	for first := true; first || d.stalled.Load(); first = false {
		select {
		case <-time.After(25*time.Millisecond + rand.N(50*time.Millisecond)):
		case <-ctx.Done():
			return c.EndOf(ctx)
		}
	}
	return nil
}

// made is one call of a load.
type made struct {
	at, took time.Duration // from the load's begin, and from the call's
	ok       bool
}

// load is calls that come at random, so many a second on average, whatever becomes of those before.
type load struct {
	router enmesh.Router
	depot  *depot
	begin  time.Time
	all    sync.WaitGroup

	mu    sync.Mutex // guards calls
	calls []made
}

func (l *load) run(rate float64, last time.Duration) {
	for end := time.Now().Add(last); time.Now().Before(end); {
		time.Sleep(time.Duration(rand.ExpFloat64() / rate * float64(time.Second)))
		l.all.Go(l.call)
	}
}

func (l *load) call() {
	w := enmeshtest.NewWire(l.depot.serve)
	w.Call().Idempotent = true
	began := time.Now()
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
	err := w.Do(ctx, l.router)
	w.Finish(err)
	cancel()
	m := made{at: began.Sub(l.begin), took: time.Since(began), ok: err == nil}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.calls = append(l.calls, m)
}

// between is the share of the calls begun in a time that were answered, and their p99.
func (l *load) between(from, to time.Duration) (good float64, p99 time.Duration) {
	n := 0
	var took []time.Duration
	for _, m := range l.calls {
		if m.at < from || m.at >= to {
			continue
		}
		n++
		if m.ok {
			took = append(took, m.took)
		}
	}
	if len(took) == 0 {
		return 0, 0
	}
	slices.Sort(took)
	return float64(len(took)) / float64(n), took[len(took)*99/100]
}

// TestScenarioP2_metastable: for 10 s a backend at 60 % of what it can do stalls, or has 2.5 times
// its load. With budget, hedge, retry, deadline and breaker all on, from 10 s after that goodput is
// 95 % of what it was and the p99 at most one and a half times. With naive retries it does not
// recover. Over real sockets it is TestScenarioO2_metastable.
func TestScenarioP2_metastable(t *testing.T) {
	const warm, last, wait, window, rate = 60 * time.Second, 10 * time.Second, 10 * time.Second, 60 * time.Second, 120
	for name, pull := range map[string]func(l *load){
		"stall": func(l *load) {
			l.depot.stalled.Store(true)
			time.AfterFunc(last, func() { l.depot.stalled.Store(false) })
		},
		"2.5 times the load": func(l *load) { l.all.Go(func() { l.run(1.5*rate, last) }) },
	} {
		run := func(t *testing.T, d *depot, chain []enmesh.Middleware) (l *load) {
			l = &load{router: enmesh.Fixed(true, chain...), depot: d, begin: time.Now()}
			l.run(rate, warm)
			pull(l)
			l.run(rate, last+wait+window)
			l.all.Wait()
			close(d.closed)
			return l
		}
		over := warm + last + wait
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				naive := run(t, newDepot(false), naively(t))
				if good, _ := naive.between(over, over+window); good > 0.5 {
					t.Errorf("naive retries recover by themselves, to %.2f: the test shows nothing", good)
				}
				ours := run(t, newDepot(true), carefully(t))
				before, p99 := ours.between(0, warm-time.Second) // the last second's are under way
				after, then := ours.between(over, over+window)
				t.Logf("goodput %.4f before and %.4f from 10 s after, p99 %v and %v", before, after, p99, then)
				if before < 0.95 || after < 0.95*before {
					t.Errorf("goodput is %.3f, want 95 %% of %.3f", after, before)
				}
				if then > p99*3/2 {
					t.Errorf("p99 is %v, want at most one and a half times %v", then, p99)
				}
			})
		})
	}
}

// naively is five attempts of half a second, without any bound.
func naively(t *testing.T) []enmesh.Middleware {
	t.Helper()
	return []enmesh.Middleware{retrier(t, retry.Config{MaxAttempts: 5, BaseBackoff: time.Millisecond}), timeout.Attempt(500 * time.Millisecond)}
}

// carefully is all that the package has, around the same.
func carefully(t *testing.T) []enmesh.Middleware {
	t.Helper()
	budget, err := resilience.NewBudget(resilience.BudgetConfig{})
	if err != nil {
		t.Fatal(err)
	}
	twice, err := hedge.New(hedge.Config{Budget: budget})
	if err != nil {
		t.Fatal(err)
	}
	trips, err := breaker.New(breaker.Config{FailureRatio: 0.5, OpenFor: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	return []enmesh.Middleware{
		timeout.Overall(2 * time.Second), budget.Middleware(), twice,
		retrier(t, retry.Config{MaxAttempts: 5, Budget: budget}), trips.Middleware(), timeout.Attempt(500 * time.Millisecond),
	}
}

func retrier(t *testing.T, cfg retry.Config) enmesh.Middleware {
	t.Helper()
	var err error
	if cfg.On, err = retry.ParseOn("5xx,unavailable,reset,deadline-exceeded"); err != nil {
		t.Fatal(err)
	}
	m, err := retry.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return m
}
