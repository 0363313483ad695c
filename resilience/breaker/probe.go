// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package breaker

import (
	"slices"
	"time"

	"github.com/enmesh-go/enmesh"
)

// probes are the calls that a half-open breaker has let through, each with a lease on
// its place: a probe that hangs, or is a stream that runs for hours, loses it.
type probes struct {
	last   uint64 // number given
	won    uint32 // successes of this era
	leased []lease
}

type lease struct {
	id    uint64
	since enmesh.Instant
}

// clear forgets all probes: what they say later is of another era.
func (p *probes) clear() { p.won, p.leased = 0, p.leased[:0] }

// add leases a place, if fewer than limit are taken or won: so there are never more
// probes than it takes to close.
func (p *probes) add(now enmesh.Instant, limit uint32, term time.Duration) (id uint64, ok bool) {
	p.leased = slices.DeleteFunc(p.leased, func(l lease) bool { return now.Sub(l.since) >= term })
	if uint32(len(p.leased))+p.won >= limit {
		return 0, false
	}
	p.last++
	p.leased = append(p.leased, lease{p.last, now})
	return p.last, true
}

// remove gives a place back; it reports false when the lease is over.
func (p *probes) remove(id uint64) (since enmesh.Instant, ok bool) {
	i := slices.IndexFunc(p.leased, func(l lease) bool { return l.id == id })
	if i < 0 {
		return 0, false
	}
	since = p.leased[i].since
	p.leased = slices.Delete(p.leased, i, i+1)
	return since, true
}

// fullUntil is when the first lease is over, if no place is free; else 0.
func (p *probes) fullUntil(limit uint32, term time.Duration) enmesh.Instant {
	if uint32(len(p.leased))+p.won < limit || len(p.leased) == 0 {
		return 0
	}
	first := p.leased[0].since // clocks of calls need not be in order
	for _, l := range p.leased[1:] {
		first = min(first, l.since)
	}
	return first.Add(term)
}
