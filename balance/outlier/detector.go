// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package outlier

import (
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/balance"
)

// Detector watches the endpoints of one cluster. It needs no closing.
type Detector struct {
	cfg    Config
	rated  bool
	tell   func(Event)   // nil: nobody listens
	random func() uint64 // for jitter
	due    atomic.Int64  // an Instant: when the present interval ends

	mu  sync.Mutex // guards out, and the ejections of every host
	out []*host    // ejected, as far as known

	// sweeping guards what follows, and host.last. It is taken before mu, and by no call
	// but the one that ends an interval.
	sweeping sync.Mutex
	hosts    map[*balance.Endpoint]*host
	prune    int // how many hosts there may be before those that are gone are looked for
	samples  []sample
	bad      []sample
}

// Option is a choice for [New] beside the Config.
type Option func(*Detector)

// OnEvent has f told of every ejection and return. It runs on the goroutine of the call
// that brought it about, with no lock held, perhaps on several at once: it must be
// quick and not block (count, or hand on to a channel that may be full). Since there
// is no timer, a return is told with the first call after the interval in which it
// came, or the next ejection, whichever is sooner.
func OnEvent(f func(Event)) Option { return func(d *Detector) { d.tell = f } }

// New makes a Detector. Its first interval begins now.
func New(cfg Config, options ...Option) *Detector {
	d := &Detector{cfg: cfg.normal(), random: rand.Uint64, hosts: map[*balance.Endpoint]*host{}}
	d.rated = d.cfg.rated()
	d.due.Store(int64(enmesh.Now().Add(d.cfg.Interval)))
	for _, o := range options {
		o(d)
	}
	return d
}

// Config is the configuration with its defaults filled in.
func (d *Detector) Config() Config { return d.cfg }

// Gate is the gate of an endpoint of the cluster: the same one each time it is asked
// for, so that a cluster that is configured anew keeps its counts. It admits every
// call.
func (d *Detector) Gate(e *balance.Endpoint) enmesh.Gate {
	return e.Keep(d, func() any { return d.join(e) }).(*host) //nolint:errcheck // what is kept for d is a *host
}

// join makes the host of an endpoint. Those that are gone are forgotten now and then,
// so that there are never more than twice as many as there were endpoints.
func (d *Detector) join(e *balance.Endpoint) *host {
	h := &host{detector: d, endpoint: e}
	d.sweeping.Lock()
	defer d.sweeping.Unlock()
	if len(d.hosts) >= d.prune {
		for e := range d.hosts {
			if e.Gone() {
				delete(d.hosts, e)
			}
		}
		const few = 16
		d.prune = max(few, 2*len(d.hosts))
	}
	d.hosts[e] = h
	return h
}

// eject takes h out for what it did at an instant, if the cluster can spare it, and
// says whether it did. An ejection that would be over by now is none.
func (d *Detector) eject(h *host, why Reason, at, now enmesh.Instant) bool {
	set := h.endpoint.Cluster().Set()
	if set == nil {
		return false
	}
	d.mu.Lock()
	events := d.takeBack(nil, now)
	done := d.remove(h, why, at, now, len(set.Endpoints))
	if done && d.tell != nil {
		events = append(events, Event{Kind: Ejected, Endpoint: h.endpoint, Why: why, At: now, Until: h.until})
	}
	d.mu.Unlock()
	d.report(events)
	return done
}

// remove is eject under mu, from n endpoints.
func (d *Detector) remove(h *host, why Reason, at, now enmesh.Instant, n int) bool {
	if h.endpoint.Ejected(now) || h.endpoint.Gone() {
		return false
	}
	if len(d.out) >= d.cfg.allowed(n) {
		h.spared++
		return false
	}
	count := h.standing(at) + 1
	until := at.Add(d.cfg.ejection(count) + d.jitter())
	if until <= now {
		return false
	}
	h.ejections, h.at, h.until, h.why, h.out = count, at, until, why, true
	h.total++
	h.endpoint.Eject(until)
	h.forget()
	d.out = append(d.out, h)
	return true
}

func (d *Detector) jitter() time.Duration {
	if d.cfg.EjectionJitter == 0 {
		return 0
	}
	return time.Duration(d.random() % (uint64(d.cfg.EjectionJitter) + 1))
}

// takeBack takes those that are not ejected any more off the list; mu is held.
func (d *Detector) takeBack(events []Event, now enmesh.Instant) []Event {
	d.out = slices.DeleteFunc(d.out, func(h *host) bool {
		if h.endpoint.Ejected(now) && !h.endpoint.Gone() {
			return false
		}
		h.out = false
		if d.tell != nil && !h.endpoint.Gone() {
			events = append(events, Event{Kind: Returned, Endpoint: h.endpoint, Why: h.why, At: min(h.until, now)})
		}
		return true
	})
	return events
}

// report tells of events; no lock is held.
func (d *Detector) report(events []Event) {
	for _, ev := range events {
		d.tell(ev)
	}
}
