// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package limit_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/enmeshtest"
	"github.com/enmesh-go/enmesh/limit"
)

func mustLeaky(tb testing.TB, cfg limit.LeakyConfig) *limit.LeakyBucket {
	tb.Helper()
	return must[*limit.LeakyBucket](tb)(limit.NewLeakyBucket(cfg))
}

// decisions counts what a policy tells.
type decisions struct {
	mu    sync.Mutex // guards count
	count map[enmesh.Decision]int
}

func (d *decisions) Record(_ *enmesh.Call, what enmesh.Decision) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.count == nil {
		d.count = map[enmesh.Decision]int{}
	}
	d.count[what]++
}

func TestLeakyBucket_flowsEvenly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		seen := &decisions{}
		b := mustLeaky(t, limit.LeakyConfig{Rate: 10, Queue: 4, Recorder: seen})
		r := enmesh.Fixed(false, b.Middleware())
		var mu sync.Mutex
		var went []time.Duration
		refused := 0
		began := time.Now()
		var wg sync.WaitGroup
		for range 10 {
			wg.Go(func() {
				w := enmeshtest.NewWire()
				err := w.Do(t.Context(), r)
				w.Finish(nil)
				mu.Lock()
				defer mu.Unlock()
				if err == nil {
					went = append(went, time.Since(began))
				} else {
					refused++
				}
			})
		}
		wg.Wait()
		if len(went) != 5 || refused != 5 {
			t.Fatalf("%d went and %d were refused, want one at once, 4 from the queue and 5", len(went), refused)
		}
		for i, at := range went {
			if want := time.Duration(i) * 100 * time.Millisecond; at != want {
				t.Errorf("call %d went after %v, want %v", i, at, want)
			}
		}
		if n := seen.count[enmesh.Decision{Policy: "limit", Action: enmesh.ActionDelay}]; n != 4 || len(seen.count) != 1 {
			t.Errorf("told %v, want 4 delays", seen.count)
		}
	})
}

func TestLeakyBucket_reserves(t *testing.T) {
	b := mustLeaky(t, limit.LeakyConfig{Rate: 10, Queue: 3, MaxWait: 250 * time.Millisecond})
	const ms = time.Millisecond
	for i, tt := range []struct {
		after    time.Duration
		n        int
		patience time.Duration
		wait     time.Duration
		ok       bool
	}{
		{0, 1, 0, 0, true},
		{0, 1, 60 * ms, 40 * ms, false}, // 100 to wait, 60 of patience
		{0, 1, 100 * ms, 100 * ms, true},
		{0, 1, time.Hour, 200 * ms, true},
		{0, 1, time.Hour, 50 * ms, false}, // 300 to wait, MaxWait 250
		{0, 0, 0, 0, true},
		{100 * ms, 2, time.Hour, 200 * ms, true},
		{100 * ms, 1, time.Hour, 100 * ms, false}, // the queue of 3 is full by one
		{0, 1, time.Hour, 100 * ms, false},        // an old reading
		{400 * ms, 1, time.Hour, 100 * ms, true},
	} {
		if wait, ok := b.ReserveAt(start.Add(tt.after), tt.n, tt.patience); wait != tt.wait || ok != tt.ok {
			t.Errorf("%d: %d units at %v: %v, %v; want %v, %v", i, tt.n, tt.after, wait, ok, tt.wait, tt.ok)
		}
	}
	if b.AllowAt(start.Add(400*ms), 1) || !b.AllowAt(start.Add(time.Second), 1) {
		t.Error("AllowAt goes though it would wait, or does not though it would not")
	}
}

func TestLeakyBucket_noQueue(t *testing.T) {
	b := mustLeaky(t, limit.LeakyConfig{Rate: 10, Queue: -1})
	for _, tt := range []struct {
		after time.Duration
		want  bool
	}{{0, true}, {0, false}, {99 * time.Millisecond, false}, {100 * time.Millisecond, true}, {199 * time.Millisecond, false}} {
		if _, ok := b.ReserveAt(start.Add(tt.after), 1, time.Hour); ok != tt.want {
			t.Errorf("at %v: %v, want %v", tt.after, ok, tt.want)
		}
	}
}

// A call that goes away leaves its turn to the next that comes; no turn is given twice,
// and those that wait keep theirs.
func TestLeakyBucket_givesAwayTheTurnOfWhoLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := mustLeaky(t, limit.LeakyConfig{Rate: 10, Queue: 3})
		began := time.Now()
		var wg sync.WaitGroup
		ask := func(name string, ctx context.Context, want time.Duration, wantErr error) {
			wg.Go(func() {
				err := b.Wait(ctx, 1)
				if got := time.Since(began); got != want || !errors.Is(err, wantErr) {
					t.Errorf("%s: %v after %v, want %v after %v", name, err, got, wantErr, want)
				}
			})
			synctest.Wait()
		}
		const ms = time.Millisecond
		ctx, cancel := context.WithCancel(t.Context())
		ask("first", t.Context(), 0, nil)
		ask("impatient", ctx, 10*ms, context.Canceled)
		ask("third", t.Context(), 200*ms, nil)
		ask("fourth", t.Context(), 300*ms, nil)
		if b.Queued() != 4 {
			t.Errorf("%d are queued, want 4 with the one that went", b.Queued())
		}
		time.Sleep(10 * ms)
		cancel()
		synctest.Wait()
		short, stop := context.WithTimeout(t.Context(), 50*ms)
		defer stop()
		ask("too late for the turn", short, 10*ms, limit.ErrLimited)
		ask("next", t.Context(), 100*ms, nil)
		ask("and one too many", t.Context(), 10*ms, limit.ErrLimited)
		wg.Wait()
		time.Sleep(time.Second)
		if b.Queued() != 0 {
			t.Errorf("%d are queued at the end, want 0", b.Queued())
		}
	})
}

func TestLeakyBucket_shadow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		seen := &decisions{}
		b := mustLeaky(t, limit.LeakyConfig{Rate: 10, Queue: 2, Shadow: true, Recorder: seen})
		r := enmesh.Fixed(false, b.Middleware())
		began := time.Now()
		for range 5 {
			w := enmeshtest.NewWire()
			if err := w.Do(t.Context(), r); err != nil {
				t.Error(err)
			}
			w.Finish(nil)
		}
		if d := time.Since(began); d != 0 {
			t.Errorf("waited %v in shadow", d)
		}
		shadow := func(a enmesh.Action) int {
			return seen.count[enmesh.Decision{Policy: "limit", Action: a, Shadow: true}]
		}
		if shadow(enmesh.ActionDelay) != 2 || shadow(enmesh.ActionRefuse) != 2 || len(seen.count) != 2 {
			t.Errorf("told %v, want 2 delays and 2 refusals in shadow", seen.count)
		}
	})
}

func TestLeakyBucket_conforms(t *testing.T) {
	for name, cfg := range map[string]limit.LeakyConfig{
		"wide": {Rate: 1e6}, "queued": {Rate: 2, MaxWait: time.Minute}, "tight": {Rate: 0.01, Queue: -1},
		"shadow": {Rate: 0.01, Queue: -1, Shadow: true},
	} {
		t.Run(name, func(t *testing.T) {
			enmeshtest.TestMiddleware(t, func() enmesh.Middleware { return mustLeaky(t, cfg).Middleware() })
		})
	}
}

func TestLeakyBucket_allocatesNothing(t *testing.T) {
	for name, rate := range map[string]float64{"admitting": 1e9, "refusing": 1e-6} {
		next := mustLeaky(t, limit.LeakyConfig{Rate: rate, Queue: -1}).Middleware()(func(context.Context, *enmesh.Call) error { return nil })
		c := &enmesh.Call{Clock: start}
		if n := testing.AllocsPerRun(1000, func() {
			c.Clock += 10
			_ = next(context.Background(), c)
		}); n != 0 {
			t.Errorf("%s costs %v allocations, want 0", name, n)
		}
	}
}

func TestLeakyBucket_headers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := mustLeaky(t, limit.LeakyConfig{Rate: 0.5, Queue: 2, MaxWait: 3 * time.Second, Terms: limit.Terms{Headers: limit.Always}})
		next := b.Middleware()(func(context.Context, *enmesh.Call) error { return nil })
		now := enmesh.Now()
		for i, want := range []string{`"default";r=0;t=2`, `"default";r=0;t=4`, `"default";r=0;t=1`} {
			head := enmeshtest.Header{}
			err := next(t.Context(), &enmesh.Call{Side: enmesh.Server, Clock: now, Answer: enmesh.Answer{Header: head}})
			if (err != nil) != (i == 2) || head.Get("RateLimit") != want || head.Get("RateLimit-Policy") != `"default";q=1;w=3` {
				t.Errorf("call %d: %v with %v, want %s", i, err, head, want)
			}
		}
	})
}
