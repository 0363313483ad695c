// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package health

import (
	"container/heap"
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/balance"
)

// A Checker asks an endpoint whether it is well; nil says that it is. It returns when
// ctx ends, and may be asked about several endpoints at once.
type Checker interface {
	Check(ctx context.Context, e *balance.Endpoint) error
}

// CheckerFunc is a function as a [Checker].
type CheckerFunc func(ctx context.Context, e *balance.Endpoint) error

// Check calls f.
func (f CheckerFunc) Check(ctx context.Context, e *balance.Endpoint) error { return f(ctx, e) }

// ErrNow is a failure, by itself or wrapped, that counts at once, whatever the thresholds.
var ErrNow = errors.New("health: the endpoint says that it takes no calls")

// Monitor checks the endpoints of one cluster while it runs.
type Monitor struct {
	cluster *balance.Cluster
	checker Checker
	cfg     Config
	tell    func(Verdict)
	random  func() uint64
	wake    chan struct{} // has room for one: something has changed

	mu      sync.Mutex // guards what follows, and every entry
	running bool
	entries map[*balance.Endpoint]*entry
	queue   queue           // those of entries that are not being checked
	active  int             // checks that run and have not timed out
	checks  *sync.WaitGroup // of this run: one that hangs may outlast it
	used    bool            // the cluster has had calls
}

// Option is a choice for [New] beside the Config.
type Option func(*Monitor)

// OnChange has f told when an endpoint becomes healthy or unhealthy, the first check
// included. It runs on the goroutine of the check, perhaps on several at once, and
// holds up nothing but that endpoint's next check.
func OnChange(f func(Verdict)) Option { return func(m *Monitor) { m.tell = f } }

// New makes a Monitor of a cluster. It does nothing until it runs.
func New(c *balance.Cluster, cfg Config, checker Checker, options ...Option) *Monitor {
	m := &Monitor{
		cluster: c, checker: checker, cfg: cfg.normal(), random: rand.Uint64,
		wake: make(chan struct{}, 1), entries: map[*balance.Endpoint]*entry{},
	}
	for _, o := range options {
		o(m)
	}
	return m
}

// Config is the configuration with its defaults filled in.
func (m *Monitor) Config() Config { return m.cfg }

// ErrRuns says that the Monitor runs already.
var ErrRuns = errors.New("health: the monitor runs already")

// Run checks until ctx ends, and returns nil; or [ErrRuns] at once. When it returns, no
// check runs any more, unless a [Checker] has not heeded its context for longer than
// Timeout; and endpoints that the Monitor found unhealthy, or had not asked yet, are
// healthy again, since nobody looks after them.
func (m *Monitor) Run(ctx context.Context) error {
	m.mu.Lock()
	if m.running {
		m.mu.Unlock()
		return ErrRuns
	}
	checks := new(sync.WaitGroup)
	m.running, m.checks = true, checks
	m.mu.Unlock()
	cancel := m.cluster.Subscribe(func(s *balance.Set) { m.follow(s) })
	m.loop(ctx)
	cancel()
	m.wait(checks)
	m.release()
	return nil
}

// loop starts checks when they are due.
func (m *Monitor) loop(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-m.wake:
		case <-timer.C:
		}
		if next := m.start(ctx, enmesh.Now()); next >= 0 {
			timer.Reset(next)
		} else {
			timer.Stop()
		}
	}
}

// follow takes a change of the set: new endpoints are scheduled, the checks of those
// that are gone end.
func (m *Monitor) follow(s *balance.Set) {
	now := enmesh.Now()
	m.mu.Lock()
	for _, e := range s.Added {
		n := &entry{endpoint: e, healthy: true, due: now.Add(m.upTo(m.cfg.FirstWithin))}
		m.entries[e] = n
		heap.Push(&m.queue, n)
	}
	for _, e := range s.Removed {
		if n := m.entries[e]; n != nil {
			delete(m.entries, e)
			m.remove(n)
		}
	}
	m.mu.Unlock()
	m.nudge()
}

// remove ends an endpoint's checks; mu is held.
func (m *Monitor) remove(n *entry) {
	n.gone = true
	if n.queued() {
		heap.Remove(&m.queue, n.index)
	}
	if n.cancel != nil {
		n.cancel()
	}
}

// nudge has the loop look again.
func (m *Monitor) nudge() {
	select {
	case m.wake <- struct{}{}:
	default:
	}
}

// start starts what is due, as far as there is room, and says when the next is: -1 when
// none is waited for but the end of a check.
func (m *Monitor) start(ctx context.Context, now enmesh.Instant) time.Duration {
	m.mu.Lock()
	defer m.mu.Unlock()
	for len(m.queue) > 0 {
		n := m.queue[0]
		switch {
		case n.due > now:
			return n.due.Sub(now)
		case n.endpoint.Info().Draining:
			n.due = now.Add(m.cfg.Interval)
			heap.Fix(&m.queue, 0)
		case m.active >= m.cfg.Concurrent:
			return -1
		default:
			heap.Remove(&m.queue, 0)
			m.check(ctx, n, now)
		}
	}
	return -1
}

// wait waits for checks that run, a while.
func (m *Monitor) wait(checks *sync.WaitGroup) {
	done := make(chan struct{})
	go func() {
		checks.Wait()
		close(done)
	}()
	timer := time.NewTimer(m.cfg.Timeout)
	defer timer.Stop()
	select {
	case <-done:
	case <-timer.C:
	}
}

// release takes back the verdicts.
func (m *Monitor) release() {
	m.mu.Lock()
	var held []*balance.Endpoint
	for e, n := range m.entries {
		n.gone = true
		if !n.healthy || n.checks == 0 {
			held = append(held, e)
		}
	}
	m.entries, m.queue, m.running = map[*balance.Endpoint]*entry{}, nil, false
	m.mu.Unlock()
	for _, e := range held {
		e.SetHealthy(true)
	}
}

// upTo is a random time from 0 to d, d not included.
func (m *Monitor) upTo(d time.Duration) time.Duration {
	if d <= 0 {
		return 0
	}
	return time.Duration(m.random() % uint64(d))
}
