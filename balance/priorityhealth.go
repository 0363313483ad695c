// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package balance

import "github.com/enmesh-go/enmesh"

// tally is the sum of a group's health.
type tally struct {
	healthy int            // and connected, or awaited
	total   int            // that the cluster has, but for those that drain or were never connected
	open    int            // connected and taking calls, whatever their health
	ending  int            // of these, about to end
	awaited int            // healthy and awaited
	until   enmesh.Instant // when the soonest of them changes by itself; 0: none does
}

func (t *tally) add(o tally) {
	t.healthy += o.healthy
	t.total += o.total
	t.open += o.open
	t.ending += o.ending
	t.awaited += o.awaited
	t.until = sooner(t.until, o.until)
}

// sooner is the earlier of two instants, of which 0 is never.
func sooner(a, b enmesh.Instant) enmesh.Instant {
	if a == 0 || b != 0 && b < a {
		return b
	}
	return a
}

// health is the part of the load that a group can take, 0 to 1.
func (t *tally) health() float64 {
	if t.total == 0 {
		return 0
	}
	return min(1, overprovision*float64(t.healthy)/float64(t.total))
}

// tally sums up a group. Where the list is one of views, an endpoint counts from its first
// connection on: a new one, that may still be starting, drives no load away. One that is
// awaited counts as if it were connected.
func (g *group) tally(now enmesh.Instant) tally {
	var t tally
	unmet := 0
	for _, e := range g.listed {
		counts, healthy, until := e.host.standing(now)
		t.until = sooner(t.until, until)
		if e.host.barred.Load()&^passing == 0 && e.ready.Load() {
			t.open++
			switch {
			case healthy:
				t.healthy++
			case !counts:
				t.ending++
			}
		}
		if counts {
			t.total++
		}
		if healthy && e.ready.isAwaited() {
			t.healthy++
			t.awaited++
			if !e.host.met.Load() {
				unmet++
			}
		}
	}
	if sameList(g.listed, g.all) {
		return t
	}
	t.total = unmet
	views := len(g.listed) > 0 && g.listed[0] != &g.listed[0].host.self
	for _, e := range g.all {
		if counts, _, _ := e.host.standing(now); counts && (!views || e.host.met.Load()) {
			t.total++
		}
	}
	return t
}

// standing is what an endpoint adds to its group's health: whether it counts at all,
// whether as healthy, and when that changes by itself, if ever.
func (h *host) standing(now enmesh.Instant) (counts, healthy bool, until enmesh.Instant) {
	barred := h.barred.Load()
	switch {
	case barred == 0:
		return true, true, 0
	case barred&^passing != 0:
		return false, false, 0
	case barred&closing != 0 && h.isClosing(now):
		return false, false, enmesh.Instant(h.closes.Load())
	case barred&ejected != 0 && h.isEjected(now):
		until = enmesh.Instant(h.until.Load())
		return true, false, until
	}
	return true, barred&unhealthy == 0, 0
}
