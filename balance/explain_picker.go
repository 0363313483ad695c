// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package balance

import (
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/enmesh-go/enmesh"
)

// explain goes through the slots with the shares that calls are drawn by.
func (l *levels) explain(x *account) {
	s := l.current(x.call)
	drawn := -1
	if x.call != nil && x.call.Key != 0 {
		drawn = s.draw(x.call, l)
	}
	before := uint64(0)
	for i := range l.tiers {
		for _, e := range l.tiers[i].listed {
			if c := x.of[e.host]; c != nil {
				c.Tier, c.Panic = i, s.panics[i]
			}
		}
	}
	for i, sl := range s.slots {
		load := float64(s.draws[0].ends[i]-before) / (1 << 32)
		before = s.draws[0].ends[i]
		if drawn >= 0 {
			load = 0
			if i == drawn {
				load = 1
			}
		}
		listed := l.tiers[sl.tier].listed
		if sl.part >= 0 {
			listed = l.tiers[sl.tier].parts[sl.part].listed
		}
		x.begin(sl.tier, load, sl.weight, s.panics[sl.tier], listed)
		x.leaf(sl.picker)
	}
}

// explain has the inner picker explain, and holds back those that are new.
func (p *slowStart) explain(x *account) {
	x.leaf(p.inner)
	x.name("slow start " + p.cfg.Window.String())
	newest := p.cluster.newest.Load()
	if newest == p.settled.Load() || x.now.Sub(enmesh.Instant(newest)) >= p.cfg.Window {
		return
	}
	mature := p.mature.Load()
	for _, e := range p.eps {
		c := x.of[e.host]
		since := e.host.since.Load()
		if c == nil || c.slot != x.slot || since <= mature {
			continue
		}
		c.SlowStart = min(1, p.stake(e, since, mature, x.now).factor)
		c.Effective *= c.SlowStart
		if c.relative > 0 {
			c.relative *= c.SlowStart
		}
	}
}

func (p *leastRequest) explain(x *account) {
	x.name("least request of " + strconv.Itoa(p.choices))
	for i, e := range p.eps {
		score := "in flight " + strconv.FormatInt(e.InFlight(), 10)
		if p.share != nil {
			score += fmt.Sprintf(", %.3g for its weight", p.pending(i))
		}
		x.put(e, -1, score)
	}
}

func (p *powerOfTwo) explain(x *account) {
	x.name("peak EWMA, the cheaper of 2")
	for i, e := range p.eps {
		score := "latency not known"
		if ns, _ := e.host.price.load(); ns > 0 {
			score = "latency " + time.Duration(ns).Round(time.Microsecond).String()
		}
		x.put(e, -1, fmt.Sprintf("%s × (in flight %.3g + 1)", score, p.pending(i)))
	}
}

func (p *randomPicker) explain(x *account) {
	x.name("random")
	relative := p.drawn()
	for i, e := range p.eps {
		x.put(e, relative[i], "weight "+strconv.Itoa(int(e.Weight())))
	}
}

// drawn is what each endpoint gets: by weight, as long as draws find one that is ready, and
// what is left as scan finds them.
func (p *randomPicker) drawn() []float64 {
	shares, ready := make([]float64, len(p.eps)), make([]bool, len(p.eps))
	var all, good float64
	for i, e := range p.eps {
		all += float64(e.Weight())
		if ready[i] = e.Ready(); ready[i] {
			shares[i] = float64(e.Weight())
			good += shares[i]
		}
	}
	if good == 0 || good == all {
		return shares
	}
	missed := math.Pow(1-good/all, redraws)
	for i := range shares {
		shares[i] *= (1 - missed) / good
	}
	step := stride(len(p.eps))
	for start := range p.eps {
		at := start
		for !ready[at] {
			at = (at + step) % len(p.eps)
		}
		shares[at] += missed / float64(len(p.eps))
	}
	return shares
}

func (p *roundRobin) explain(x *account) {
	x.name("round robin")
	lost := missesTurns(p.eps, len(p.eps), func(i int) int { return i })
	for _, e := range p.eps {
		x.put(e, unless(lost, 1), "1 turn in "+strconv.Itoa(len(p.eps)))
	}
}

func (p *weighted) explain(x *account) {
	x.name("weighted round robin")
	turns := make([]int, len(p.eps))
	for _, at := range p.turns {
		turns[at]++
	}
	lost := missesTurns(p.eps, len(p.turns), func(i int) int { return int(p.turns[i]) })
	for i, e := range p.eps {
		x.put(e, unless(lost, float64(turns[i])), fmt.Sprintf("%d turns in %d", turns[i], len(p.turns)))
	}
}

// missesTurns reports whether so many turns in a row belong to endpoints that are not ready
// that a pick leaves the turns aside: then nobody says who gets what.
func missesTurns(eps []*Endpoint, turns int, of func(i int) int) bool {
	run := 0
	for i := range min(turns, 1) * (turns + redraws) {
		run++
		if eps[of(i%turns)].Ready() {
			run = 0
		}
		if run >= redraws {
			return true
		}
	}
	return false
}

func unless(unknown bool, share float64) float64 {
	if unknown {
		return -1
	}
	return share
}

func (p *ringHash) explain(x *account) {
	x.kind = "ring"
	x.name("ring hash" + p.bound.name())
	p.circle.explain(x, func(i int) float64 {
		if i == 0 {
			return float64(p.places[0]>>32 + 1<<32 - p.places[len(p.places)-1]>>32)
		}
		return float64(p.places[i]>>32 - p.places[i-1]>>32)
	})
}

func (p *maglev) explain(x *account) {
	x.kind = "Maglev"
	x.name("Maglev" + p.bound.name())
	p.circle.explain(x, func(int) float64 { return 1 })
}

func (b *bound) name() string {
	if b == nil {
		return ""
	}
	return fmt.Sprintf(" with loads up to %.0f %% of the mean", 100*b.factor)
}

// explain enters of all keys those that come to each endpoint now. size is how many keys
// a place has.
func (p *circle[P]) explain(x *account, size func(i int) float64) {
	if len(p.places) == 0 {
		return
	}
	own, now := make([]float64, len(p.eps)), make([]float64, len(p.eps))
	ready := make([]bool, len(p.eps))
	for i, e := range p.eps {
		ready[i] = e.Ready()
	}
	taker := -1 // of the place behind; the second time round it is known for all
	for i := 2*len(p.places) - 1; i >= 0; i-- {
		at := i % len(p.places)
		owner := int(uint32(p.places[at]))
		if ready[owner] {
			taker = owner
		}
		if i >= len(p.places) {
			continue
		}
		own[owner] += size(at)
		if taker >= 0 {
			now[taker] += size(at)
		}
	}
	var all float64
	for _, n := range own {
		all += n
	}
	for i, e := range p.eps {
		x.put(e, now[i], fmt.Sprintf("owns %.3g %% of the keys", 100*own[i]/all))
	}
}
