// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package balance

import (
	"errors"
	"sync/atomic"
	"time"

	"github.com/enmesh-go/enmesh"
)

// levels picks a tier by its share of the load, and an endpoint in it by another
// algorithm's picker. What is picked from is immutable; the shares follow the health.
type levels struct {
	cluster     *Cluster
	tiers       []tier // the most preferred first
	inner       Algorithm
	random      source
	remoteAfter int
	threshold   uint32 // percent of healthy endpoints below which there is panic
	peers       *Peers // nil unless zones are weighed
	minimum     int    // healthy endpoints below which zones are not weighed

	shares atomic.Pointer[shares]
	busy   atomic.Bool // held by whoever sums up
}

// build makes the pickers of tiers and parts, and the first shares.
func (l *levels) build() {
	for i := range l.tiers {
		t := &l.tiers[i]
		if len(t.parts) == 0 || l.peers != nil {
			t.picker = l.inner(t.listed)
		}
		for j := range t.parts {
			t.parts[j].picker = l.inner(t.parts[j].listed)
		}
	}
	l.shares.Store(l.sum(enmesh.Now()))
}

func (l *levels) Pick(c *enmesh.Call) (*Endpoint, error) {
	s := l.current(c)
	at := s.draw(c, l)
	e, err := s.slots[at].picker.Pick(c)
	switch retried := hasTried(c); {
	case err == nil && usable(e, c, retried):
		return e.itself(), nil
	case errors.Is(err, ErrAwaited), s.slots[at].wait && !retried && worth(e, c) < worthReady:
		return nil, ErrAwaited
	}
	return s.elsewhere(c, at, e)
}

// current is the shares of the present health: one load and comparison as long as it
// has not changed.
func (l *levels) current(c *enmesh.Call) *shares {
	s := l.shares.Load()
	if s.version == l.cluster.HealthVersion() && s.census == l.peers.load() && (s.until == 0 || instantOf(c) < s.until) {
		return s
	}
	return l.renew(s)
}

// maxRest bounds for how long shares may be older than the health they are of: the time
// that a sum takes is not its own when the machine is busy.
const maxRest = 100 * time.Millisecond

// renew sums up again, unless another pick is at it, or has just been: at most a
// twentieth of the time goes into this.
func (l *levels) renew(s *shares) *shares {
	now := enmesh.Now()
	if now < s.rest || !l.busy.CompareAndSwap(false, true) {
		return s
	}
	defer l.busy.Store(false)
	s = l.sum(now)
	end := enmesh.Now()
	s.rest = end.Add(min(19*end.Sub(now), maxRest))
	l.shares.Store(s)
	return s
}

// elsewhere looks through the other tiers and parts for something better than e, which
// may be nil.
func (s *shares) elsewhere(c *enmesh.Call, but int, e *Endpoint) (*Endpoint, error) {
	best, most := e, worth(e, c)
	for i := range s.slots {
		if i == but || most == worthAll {
			continue
		}
		other, err := s.slots[i].picker.Pick(c)
		if err != nil {
			continue
		}
		if w := worth(other, c); w > most || best == nil {
			best, most = other, w
		}
	}
	if best == nil {
		return nil, ErrNoEndpoint
	}
	return best.itself(), nil
}

// worthReady is the least worth of an endpoint that is ready; worthAll is that of one than
// which there is no better.
const (
	worthReady = 3
	worthAll   = 5
)

// worth compares what pickers found, in the order that [Picker] gives.
func worth(e *Endpoint, c *enmesh.Call) int {
	switch {
	case e == nil:
		return 0
	case !e.Ready():
		return e.resort(new(reading)) // 1 or 2; 0 if that has just changed
	case !hasTried(c):
		return worthAll
	case c.Tried(e.itself()):
		return worthReady
	case e.unconfirmed():
		return 4
	}
	return worthAll
}
