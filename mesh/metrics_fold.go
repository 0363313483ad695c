// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package mesh

import (
	"sync"
	"time"
	"unicode/utf8"

	"github.com/enmesh-go/enmesh/discovery"
)

// How many services have series of their own in the metrics of discovery, and how many
// series the registry's events have. The names are what callers of this process ask for,
// where it passes calls on: a stranger must not make series for ever.
const (
	maxServiceSeries = 1_000
	maxEventSeries   = 10_000
)

// overflow is the service in the labels of the series that takes what is too much, as in
// package prom.
const overflow = "_overflow"

// places are the names that have series of their own: the first that there were, and for
// good, so that a counter never goes back.
type places[K comparable] struct {
	limit int
	mu    sync.Mutex // guards taken
	taken map[K]struct{}
}

// has reports whether k has a place, and gives it one while there are any. A name that is
// no text would fail a whole scrape.
func (p *places[K]) has(k K, name string) bool {
	if name == overflow || !utf8.ValidString(name) {
		return false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, ok := p.taken[k]; ok {
		return true
	}
	if len(p.taken) >= p.limit {
		return false
	}
	if p.taken == nil {
		p.taken = map[K]struct{}{}
	}
	p.taken[k] = struct{}{}
	return true
}

// event is what the registry did about a service.
type event struct{ service, event, reason string }

// folds is what has series of its own among the metrics of discovery.
type folds struct {
	services places[string]
	events   places[event]
}

func newFolds() *folds {
	return &folds{services: places[string]{limit: maxServiceSeries}, events: places[event]{limit: maxEventSeries}}
}

// fold gives the services by the label that they have: their own, or overflow for all
// that have no series of their own. Those with endpoints come first.
func (f *folds) fold(all []ServiceStatus, now time.Time) map[string]*services {
	by := make(map[string]*services, min(len(all), maxServiceSeries+1))
	for _, unknown := range []bool{false, true} {
		for _, svc := range all {
			if (svc.Endpoints == 0) != unknown {
				continue
			}
			label := overflow
			if f.services.has(svc.Service, svc.Service) {
				label = svc.Service
			}
			if by[label] == nil {
				by[label] = &services{}
			}
			by[label].add(svc, now)
		}
	}
	return by
}

// services is what the metrics say of one service, or of many together: sums, and of
// times the worst.
type services struct {
	endpoints, failing, kept int
	suppressed, errors       uint64
	states                   [discovery.Failing + 1]int
	staleness, age           time.Duration
	errAt                    time.Time
	saved                    bool // one is on disk
}

func (r *services) add(svc ServiceStatus, now time.Time) {
	d := svc.Discovery
	r.endpoints += svc.Endpoints
	if svc.Err != nil {
		r.failing++
	}
	r.kept += d.Kept
	r.suppressed += d.Suppressed
	r.errors += d.Errors
	r.staleness = max(r.staleness, d.Staleness(now))
	if d.ErrAt.After(r.errAt) {
		r.errAt = d.ErrAt
	}
	if d.State <= discovery.Failing {
		r.states[d.State]++
	}
	if !d.Saved.IsZero() {
		r.saved, r.age = true, max(r.age, now.Sub(d.Saved))
	}
}

// foldEvents adds up the events of services that have no series of their own.
func (f *folds) foldEvents(counts []discovery.Count) []discovery.Count {
	var own []discovery.Count
	rest := map[event]uint64{}
	for _, c := range counts {
		if f.events.has(event{c.Service, c.Event, c.Reason}, c.Service) {
			own = append(own, c)
		} else {
			rest[event{overflow, c.Event, c.Reason}] += c.N
		}
	}
	for e, n := range rest {
		own = append(own, discovery.Count{Service: e.service, Event: e.event, Reason: e.reason, N: n})
	}
	return own
}
