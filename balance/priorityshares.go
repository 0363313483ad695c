// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package balance

import "github.com/enmesh-go/enmesh"

// shares is who gets how much of the load, as of some health. It is not written once it
// is published.
type shares struct {
	slots []slot // tier by tier, without load too: a pick may have to look there
	draws []draw // with none of the loaded tiers left out, the first, the first two, ...

	sums   []tally // of each tier
	panics []bool  // of each tier

	version uint64         // HealthVersion that was summed up
	census  *census        // of the client's peers
	until   enmesh.Instant // when the soonest ejection or drain ends; 0: none
	rest    enmesh.Instant // no summing up before
}

// slot is a tier, or a part of one.
type slot struct {
	picker Picker
	tier   int
	part   int     // of the tier; below 0: all of it
	weight float64 // of the tier's load
	wait   bool    // while nothing there is ready: something is awaited
}

// draw gives slots by their share.
type draw struct {
	only int      // the slot with all the load; below 0: there are several
	ends []uint64 // of 2^32, where each slot's share ends
}

// draw is the slot for a call.
func (s *shares) draw(c *enmesh.Call, l *levels) int {
	d := &s.draws[0]
	if c != nil && c.Attempt > 1 {
		d = &s.draws[min(l.left(c), len(s.draws)-1)]
	}
	if d.only >= 0 {
		return d.only
	}
	var word uint64
	if c != nil && c.Key != 0 {
		word = drawn(c.Key, 1) // which says nothing about where the key stands on a ring
	} else {
		word = l.random()
	}
	word >>= 32
	at := 0
	for word >= d.ends[at] {
		at++
	}
	return at
}

// left is how many of the loaded tiers the present attempt of a call leaves out.
func (l *levels) left(c *enmesh.Call) int {
	after := l.remoteAfter
	if c.Route != nil && c.Route.RemoteAfter > 0 {
		after = c.Route.RemoteAfter
	}
	if after == 0 {
		return 0
	}
	return (c.Attempt - 1) / after
}

// sum makes the shares of the present health.
func (l *levels) sum(now enmesh.Instant) *shares {
	s := &shares{version: l.cluster.HealthVersion(), census: l.peers.load()}
	tallies := make([]tally, len(l.tiers))
	parts := make([][]tally, len(l.tiers))
	for i := range l.tiers {
		t := &l.tiers[i]
		for j := range t.parts {
			parts[i] = append(parts[i], t.parts[j].tally(now))
			tallies[i].add(parts[i][j])
		}
		if len(t.parts) == 0 {
			tallies[i] = t.tally(now)
		}
		s.until = sooner(s.until, tallies[i].until)
	}
	s.sums, s.panics = tallies, inPanic(tallies, l.threshold)
	for i := range l.tiers {
		s.fill(l, i, parts[i])
	}
	s.share()
	return s
}

// fill adds the slots of a tier.
func (s *shares) fill(l *levels, i int, parts []tally) {
	t := &l.tiers[i]
	wait := s.sums[i].awaited > 0
	if s.panics[i] {
		s.slots = append(s.slots, slot{l.panicPicker(t), i, -1, 1, wait})
		return
	}
	var weights []float64
	if t.picker == nil {
		weights = t.weights(parts)
	} else if weights = s.zoneWeights(l, t, s.sums[i], parts); weights == nil {
		s.slots = append(s.slots, slot{t.picker, i, -1, 1, wait})
		return
	}
	for j, w := range weights {
		s.slots = append(s.slots, slot{t.parts[j].picker, i, j, w, parts[j].awaited > 0})
	}
}

// weights is what each part gets of the tier's load: its weight times its health, or if
// all are dead its weight.
func (t *tier) weights(parts []tally) []float64 {
	weights := make([]float64, len(parts))
	var sum, whole float64
	for j := range parts {
		weights[j] = t.parts[j].weight * parts[j].health()
		sum += weights[j]
		whole += t.parts[j].weight
	}
	for j := range parts {
		if sum > 0 {
			weights[j] /= sum
		} else {
			weights[j] = t.parts[j].weight / whole
		}
	}
	return weights
}

// zoneWeights is what each zone gets; nil: zones are not to be weighed.
func (s *shares) zoneWeights(l *levels, t *tier, sum tally, parts []tally) []float64 {
	if len(parts) == 0 || sum.healthy < l.minimum || parts[0].healthy == 0 {
		return nil
	}
	zones := make([]zone, len(parts))
	healthy := make([]float64, len(parts))
	for j := range parts {
		zones[j] = zoneOf(t.parts[j].at)
		healthy[j] = float64(parts[j].healthy) / float64(sum.healthy)
	}
	clients, known := s.census.of(zones[0], zones)
	if !known {
		return nil
	}
	return zoneShares(clients, healthy)
}

// share divides the load.
func (s *shares) share() {
	health := make([]float64, len(s.sums))
	for i := range s.sums {
		health[i] = s.sums[i].health()
	}
	loads := spread(health)
	if all(s.panics) || loads == nil {
		loads = bySize(s.sums)
	}
	s.draws = append(s.draws, s.drawOf(loads))
	for i := range health {
		if health[i] == 0 {
			continue
		}
		health[i] = 0
		if loads = spread(health); loads == nil {
			return
		}
		s.draws = append(s.draws, s.drawOf(loads))
	}
}

// drawOf lays the slots' shares one after the other, and gives the last with a load what
// rounding has lost.
func (s *shares) drawOf(loads []float64) draw {
	d := draw{only: -1, ends: make([]uint64, len(s.slots))}
	var sum float64
	last, loaded := 0, 0
	for i, sl := range s.slots {
		w := loads[sl.tier] * sl.weight
		sum += w
		d.ends[i] = min(uint64(sum*(1<<32)), 1<<32)
		if w > 0 {
			last = i
			loaded++
		}
	}
	if loaded <= 1 {
		d.only = last
	}
	for i := last; i < len(d.ends); i++ {
		d.ends[i] = 1 << 32
	}
	return d
}
