// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package health_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/balance"
	"github.com/enmesh-go/enmesh/balance/health"
	"github.com/enmesh-go/enmesh/discovery"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var errIll = errors.New("ill")

// ward is a Checker that a test tells what to say of each endpoint, and that writes down
// when it was asked.
type ward struct {
	mu    sync.Mutex // guards what follows
	says  map[string]func(context.Context) error
	asked map[string][]time.Time
	now   int
	most  int // asked at once
}

func (w *ward) say(addr string, f func(context.Context) error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.says == nil {
		w.says = map[string]func(context.Context) error{}
	}
	w.says[addr] = f
}

func (w *ward) ill(addr string)  { w.say(addr, func(context.Context) error { return errIll }) }
func (w *ward) well(addr string) { w.say(addr, nil) }

func (w *ward) times(addr string) []time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.asked[addr]
}

func (w *ward) Check(ctx context.Context, e *balance.Endpoint) error {
	w.mu.Lock()
	if w.asked == nil {
		w.asked = map[string][]time.Time{}
	}
	w.asked[e.Addr()] = append(w.asked[e.Addr()], time.Now())
	w.now++
	w.most = max(w.most, w.now)
	f := w.says[e.Addr()]
	w.mu.Unlock()
	defer func() {
		w.mu.Lock()
		w.now--
		w.mu.Unlock()
	}()
	if f == nil {
		return nil
	}
	return f(ctx)
}

func list(n int) []discovery.Endpoint {
	eps := make([]discovery.Endpoint, n)
	for i := range eps {
		eps[i].Addrs = []string{addr(i)}
	}
	return eps
}

func addr(i int) string { return fmt.Sprintf("10.0.%d.%d:80", i>>8, i&255) }

// monitored runs a monitor of a cluster of n in a bubble, while story goes on.
func monitored(t *testing.T, n int, cfg health.Config, story func(c *balance.Cluster, w *ward, m *health.Monitor)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		c := balance.NewCluster(balance.ClusterConfig{})
		c.Apply(list(n))
		w := &ward{}
		m := health.New(c, cfg, w)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- m.Run(ctx) }()
		synctest.Wait()
		story(c, w, m)
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run = %v, want nil", err)
		}
	})
}

func healthy(e *balance.Endpoint) bool { return e.Healthy(enmesh.Now()) }

func TestMonitor_rowsDecide(t *testing.T) {
	cfg := health.Config{Interval: 10 * time.Second, Jitter: -1}
	monitored(t, 2, cfg, func(c *balance.Cluster, w *ward, m *health.Monitor) {
		e := c.Set().Endpoints[0]
		checks := func() uint64 { return m.Report()[0].Checks }
		next := func() {
			for n := checks(); checks() == n; {
				time.Sleep(100 * time.Millisecond)
			}
		}
		next()
		w.ill(addr(0))
		for i, want := range []bool{true, true, false, false} {
			next()
			if got := healthy(e); got != want {
				t.Errorf("after %d failures: healthy %t, want %t", i+1, got, want)
			}
		}
		w.well(addr(0))
		for i, want := range []bool{false, true, true} {
			next()
			if got := healthy(e); got != want {
				t.Errorf("after %d successes: healthy %t, want %t", i+1, got, want)
			}
		}
		if e.Since() == 0 {
			t.Error("healthy again, and no slow start")
		}
		w.say(addr(0), func(context.Context) error { return fmt.Errorf("stop: %w", health.ErrNow) })
		next()
		if healthy(e) {
			t.Error("healthy after an ErrNow")
		}
		if !healthy(c.Set().Endpoints[1]) {
			t.Error("the other endpoint is unhealthy too")
		}
		v := m.Report()[0]
		if v.Healthy || !errors.Is(v.Err, health.ErrNow) || v.Fails != 1 || v.Passes != 0 || v.Checks != 9 || v.Failed != 5 || v.Last == 0 {
			t.Errorf("report = %+v, want unhealthy by ErrNow, 1 failure in a row, 9 checks, 5 failed", v)
		}
	})
}

func TestMonitor_firstCheckDecides(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := balance.NewCluster(balance.ClusterConfig{AwaitCheck: true})
		c.Apply(list(2))
		eps := c.Set().Endpoints
		if healthy(eps[0]) || healthy(eps[1]) {
			t.Error("healthy before the first check, though it is awaited")
		}
		w := &ward{}
		w.ill(addr(1))
		var mu sync.Mutex // guards heard
		heard := map[string]bool{}
		m := health.New(c, health.Config{}, w, health.OnChange(func(v health.Verdict) {
			mu.Lock()
			defer mu.Unlock()
			heard[v.Endpoint.Addr()] = v.Healthy
		}))
		ctx, cancel := context.WithCancel(t.Context())
		go func() { _ = m.Run(ctx) }()
		time.Sleep(time.Second)
		if !healthy(eps[0]) || healthy(eps[1]) {
			t.Errorf("after one check: healthy %t and %t, want the first alone", healthy(eps[0]), healthy(eps[1]))
		}
		if m.Run(ctx) != health.ErrRuns {
			t.Error("it runs twice")
		}
		mu.Lock()
		if !heard[addr(0)] || heard[addr(1)] || len(heard) != 2 {
			t.Errorf("heard %v, want the first healthy, the second not", heard)
		}
		mu.Unlock()
		cancel()
		synctest.Wait()
		if !healthy(eps[1]) {
			t.Error("unhealthy still, though nobody looks after it")
		}
	})
}

// 500 endpoints are not asked in one moment, neither at first nor later, and never more at
// once than may be.
func TestMonitor_noHerd(t *testing.T) {
	const n = 500
	monitored(t, n, health.Config{Concurrent: 20}, func(_ *balance.Cluster, w *ward, _ *health.Monitor) {
		for i := range n {
			w.say(addr(i), func(context.Context) error { time.Sleep(10 * time.Millisecond); return nil })
		}
		start := time.Now()
		time.Sleep(61 * time.Second)
		perSecond := map[int]int{}
		for i := range n {
			times := w.times(addr(i))
			if len(times) < 6 || len(times) > 8 {
				t.Fatalf("endpoint %d was asked %d times in a minute, want about every 10 s", i, len(times))
			}
			if got := times[0].Sub(start); got > 2*time.Second {
				t.Errorf("endpoint %d was first asked after %v, want within a second or so", i, got)
			}
			for j, at := range times[2:] {
				if gap := at.Sub(times[j+1]); gap < 9900*time.Millisecond || gap > 11100*time.Millisecond {
					t.Fatalf("endpoint %d: %v between checks, want 10 to 11 s", i, gap)
				}
			}
			for _, at := range times[1:] {
				perSecond[int(at.Sub(start)/time.Second)]++
			}
		}
		for s, got := range perSecond {
			if got > n/5 {
				t.Errorf("second %d: %d checks of %d endpoints, want at most a fifth", s, got, n)
			}
		}
		if w.most > 20 {
			t.Errorf("%d checks at once, want at most 20", w.most)
		}
	})
}

func TestMonitor_followsTheCluster(t *testing.T) {
	monitored(t, 3, health.Config{}, func(c *balance.Cluster, w *ward, m *health.Monitor) {
		ended := make(chan struct{})
		w.say(addr(1), func(ctx context.Context) error { <-ctx.Done(); close(ended); return ctx.Err() })
		for len(w.times(addr(1))) == 0 {
			time.Sleep(time.Millisecond)
		}
		gone := c.Set().Endpoints[1]
		l := list(5)
		l[2].Draining = true
		c.Apply(append(l[:1], l[2:]...))
		<-ended
		time.Sleep(2 * time.Second)
		before := len(w.times(addr(2)))
		time.Sleep(time.Minute)
		if got := len(w.times(addr(1))); got != 1 || !gone.Gone() {
			t.Errorf("the endpoint that is gone was asked %d times, want once, before", got)
		}
		if got := len(w.times(addr(2))); got != before {
			t.Errorf("the draining endpoint was asked %d times more, want never", got-before)
		}
		if got := len(w.times(addr(4))); got < 6 {
			t.Errorf("the endpoint that came was asked %d times in a minute, want 6 or 7", got)
		}
		if got := len(m.Report()); got != 4 {
			t.Errorf("report of %d endpoints, want 4", got)
		}
		c.Apply(list(5))
		time.Sleep(time.Minute)
		if len(w.times(addr(2))) <= before {
			t.Error("the endpoint that drains no more was not asked again")
		}
	})
}

// One that hangs, deaf to its context, and one that panics fail, and hold up nobody.
func TestMonitor_hangsAndPanicsStopNobody(t *testing.T) {
	monitored(t, 4, health.Config{Concurrent: 1}, func(c *balance.Cluster, w *ward, m *health.Monitor) {
		release := make(chan struct{}) // of the bubble
		w.say(addr(0), func(context.Context) error { <-release; return nil })
		w.say(addr(1), func(context.Context) error { panic("no doctor") })
		time.Sleep(time.Minute)
		eps := c.Set().Endpoints
		if healthy(eps[0]) || healthy(eps[1]) || !healthy(eps[2]) || !healthy(eps[3]) {
			t.Error("want those that hang and panic unhealthy, the others healthy")
		}
		if got := len(w.times(addr(0))); got != 1 {
			t.Errorf("the hanging endpoint was asked %d times, want once: the first has not returned", got)
		}
		if got := len(w.times(addr(2))); got < 6 {
			t.Errorf("a well endpoint was asked %d times in a minute, want 6 or 7", got)
		}
		if v := m.Report()[0]; !errors.Is(v.Err, health.ErrHangs) || v.Checks < 6 {
			t.Errorf("report of the hanging one: %v, %d checks", v.Err, v.Checks)
		}
		w.well(addr(0))
		close(release)
		time.Sleep(30 * time.Second)
		if !healthy(eps[0]) {
			t.Error("the one that hung is not healthy again")
		}
	})
}

func TestMonitor_intervals(t *testing.T) {
	cfg := health.Config{Interval: 10 * time.Second, UnhealthyInterval: time.Second, NoTrafficInterval: time.Minute, Jitter: -1}
	monitored(t, 2, cfg, func(c *balance.Cluster, w *ward, _ *health.Monitor) {
		w.ill(addr(1))
		time.Sleep(121 * time.Second)
		if got := len(w.times(addr(0))); got < 3 || got > 4 {
			t.Errorf("without traffic: asked %d times in 2 minutes, want 3 or 4", got)
		}
		if got := len(w.times(addr(1))); got < 118 {
			t.Errorf("unhealthy: asked %d times in 2 minutes, want every second", got)
		}
		var a balance.Admission
		if err := c.Set().Endpoints[0].Admit(context.Background(), nil, enmesh.Now(), &a); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Millisecond)
		a.Release(enmesh.Result{Ended: enmesh.Now()})
		time.Sleep(time.Minute)
		before := len(w.times(addr(0)))
		time.Sleep(time.Minute)
		if got := len(w.times(addr(0))) - before; got != 6 {
			t.Errorf("with traffic: asked %d times in a minute, want 6", got)
		}
	})
}

// Who has waited for a first check that never came is not held back for ever.
func TestMonitor_releasesTheUnchecked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := balance.NewCluster(balance.ClusterConfig{AwaitCheck: true})
		c.Apply(list(1))
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		asked := 0
		m := health.New(c, health.Config{Interval: time.Hour, FirstWithin: time.Hour}, health.CheckerFunc(func(context.Context, *balance.Endpoint) error {
			asked++
			return nil
		}))
		if err := m.Run(ctx); err != nil || asked != 0 || !healthy(c.Set().Endpoints[0]) {
			t.Errorf("run = %v, asked %d times, healthy %t; want nil, never, true", err, asked, healthy(c.Set().Endpoints[0]))
		}
	})
}

func TestMonitor_stopsInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := balance.NewCluster(balance.ClusterConfig{})
		c.Apply(list(1))
		w := &ward{}
		release := make(chan struct{})
		w.say(addr(0), func(context.Context) error { <-release; return nil })
		m := health.New(c, health.Config{Timeout: 3 * time.Second}, w)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- m.Run(ctx) }()
		time.Sleep(1500 * time.Millisecond)
		start := time.Now()
		cancel()
		<-done
		if got := time.Since(start); got != 3*time.Second {
			t.Errorf("with a check that hangs, Run returned after %v, want 3s", got)
		}
		close(release)
		again, stop := context.WithTimeout(t.Context(), time.Minute)
		defer stop()
		if err := m.Run(again); err != nil {
			t.Errorf("run again: %v", err)
		}
		if got := len(w.times(addr(0))); got < 6 {
			t.Errorf("asked %d times, want it to go on in the second run", got)
		}
	})
}

func TestConfig_defaults(t *testing.T) {
	got := health.New(balance.NewCluster(balance.ClusterConfig{}), health.Config{Timeout: -1}, &ward{}).Config()
	want := health.Config{
		Interval: 10 * time.Second, UnhealthyInterval: 10 * time.Second, NoTrafficInterval: 10 * time.Second, Jitter: time.Second,
		FirstWithin: time.Second, Timeout: time.Second, Unhealthy: 3, Healthy: 2, Concurrent: 32,
	}
	if got != want {
		t.Errorf("defaults = %+v, want %+v", got, want)
	}
}
