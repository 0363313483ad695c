// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package balance

import "github.com/enmesh-go/enmesh"

// overprovision is how much more load healthy endpoints are taken to bear than falls to
// them when all are: Envoy's default overprovisioning factor.
const overprovision = 1.4

// negligible is less than any share that is meant.
const negligible = 1e-9

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
}

// draw gives slots by their share.
type draw struct {
	only int      // the slot with all the load; below 0: there are several
	ends []uint64 // of 2^32, where each slot's share ends
}

// draw is the slot for a call.
func (s *shares) draw(c *enmesh.Call, l *levels) int {
	d := &s.draws[0]
	if l.remoteAfter > 0 && c != nil && c.Attempt > l.remoteAfter {
		d = &s.draws[min((c.Attempt-1)/l.remoteAfter, len(s.draws)-1)]
	}
	if d.only >= 0 {
		return d.only
	}
	var word uint64
	if c != nil && c.Key != 0 {
		word = scatter(c.Key)
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

// scatter makes a word of an affinity key that says nothing about where the key stands
// on a ring (the finalizer of SplitMix64: Steele, Lea, Flood, "Fast splittable
// pseudorandom number generators", OOPSLA 2014).
func scatter(key uint64) uint64 {
	key ^= key >> 30
	key *= 0xbf58476d1ce4e5b9
	key ^= key >> 27
	key *= 0x94d049bb133111eb
	return key ^ key>>31
}

// tally is the sum of a group's health.
type tally struct {
	healthy int            // and connected
	total   int            // that the cluster has, but for those that drain or were never connected
	open    int            // connected and taking calls, whatever their health
	ending  int            // of these, about to end
	until   enmesh.Instant // when the soonest of them changes by itself; 0: none does
}

func (t *tally) add(o tally) {
	t.healthy += o.healthy
	t.total += o.total
	t.open += o.open
	t.ending += o.ending
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
// connection on: a new one, that may still be starting, drives no load away.
func (g *group) tally(now enmesh.Instant) tally {
	var t tally
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
	}
	if sameList(g.listed, g.all) {
		return t
	}
	t.total = 0
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
	s.share(l.remoteAfter > 0)
	return s
}

// fill adds the slots of a tier.
func (s *shares) fill(l *levels, i int, parts []tally) {
	t := &l.tiers[i]
	if s.panics[i] {
		s.slots = append(s.slots, slot{l.panicPicker(t), i, -1, 1})
		return
	}
	weights := t.weights(parts)
	if t.picker != nil {
		weights = s.zoneWeights(l, t, s.sums[i], parts)
	}
	if weights == nil {
		s.slots = append(s.slots, slot{t.picker, i, -1, 1})
		return
	}
	for j, w := range weights {
		s.slots = append(s.slots, slot{t.parts[j].picker, i, j, w})
	}
}

// weights is what each part gets of the tier's load: its weight times its health, or if
// all are dead its weight.
func (t *tier) weights(parts []tally) []float64 {
	if len(parts) == 0 {
		return nil
	}
	weights := make([]float64, len(parts))
	var sum, connected float64
	for j := range parts {
		weights[j] = t.parts[j].weight * parts[j].health()
		sum += weights[j]
		connected += t.parts[j].weight
	}
	for j := range parts {
		if sum > 0 {
			weights[j] /= sum
		} else {
			weights[j] = t.parts[j].weight / connected
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
func (s *shares) share(leave bool) {
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
		if !leave || health[i] == 0 {
			continue
		}
		health[i] = 0
		if loads = spread(health); loads == nil {
			return
		}
		s.draws = append(s.draws, s.drawOf(loads))
	}
}

// spread gives each tier its share of the load by its health, the first first; nil when
// there is no health at all.
func spread(health []float64) []float64 {
	var sum float64
	for _, h := range health {
		sum += h
	}
	if sum == 0 {
		return nil
	}
	loads := make([]float64, len(health))
	rest := 1.0
	for i, h := range health {
		loads[i] = min(rest, h/min(1, sum))
		if rest -= loads[i]; rest < negligible {
			rest = 0
		}
	}
	return loads
}

// bySize gives each tier its share by how many endpoints can be reached there, if any.
func bySize(tallies []tally) []float64 {
	loads := make([]float64, len(tallies))
	sum := 0
	for i := range tallies {
		sum += tallies[i].open
	}
	if sum == 0 {
		loads[0] = 1
		return loads
	}
	for i := range tallies {
		loads[i] = float64(tallies[i].open) / float64(sum)
	}
	return loads
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
		d.ends[i] = uint64(sum * (1 << 32))
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
