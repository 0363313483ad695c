// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package balance

import (
	"fmt"
	"slices"

	"github.com/enmesh-go/enmesh"
)

// explainer is a picker that says how it picks.
type explainer interface {
	// explain enters into x, for each endpoint that it picks from, what it goes by.
	explain(x *account)
}

// account is an explanation while pickers enter what they know.
type account struct {
	call     *enmesh.Call
	now      enmesh.Instant
	ejection func(*Endpoint) string
	of       map[*host]*Candidate
	names    []string

	// Of the slot that is being explained.
	slot, tier int
	load, part float64
	panics     bool

	best   []int        // by slot: the worth of its best endpoint
	loads  []float64    // by slot
	sums   []float64    // by slot: of what is relative and of the best worth; below 0: not known
	count  []int        // by slot: of those of the best worth
	chosen []*Candidate // those that are eligible
	owner  *Endpoint    // of the call's key
	keyed  bool         // the call's key alone decides
	kind   string       // of the hash: "ring", "Maglev"
}

// open begins a candidate.
func (x *account) open(e *Endpoint, grpc bool) Candidate {
	h := e.host
	c := Candidate{
		Addr: e.Addr(), Endpoint: e, Info: e.Info(), Tier: -1, Weight: e.Weight(), SlowStart: 1, InFlight: e.InFlight(),
		Latency: e.Latency(), Connected: -1, slot: -1, view: e,
	}
	c.Effective = float64(c.Weight)
	if grpc {
		c.Connected = int(h.views.Load())
	}
	c.Health = x.health(h, !grpc || c.Connected > 0)
	return c
}

// explain has a picker enter what it knows, and gives the tiers.
func (x *account) explain(p Picker, s *state, eps []*Endpoint) []Tier {
	tiers := TiersOf(p)
	if l, ok := p.(*levels); ok {
		l.explain(x)
	} else {
		g := group{listed: eps, all: s.Endpoints}
		sum := g.tally(x.now)
		tiers = []Tier{{Load: 1, Healthy: sum.healthy, Total: sum.total, Endpoints: eps}}
		x.begin(0, 1, 1, false, eps)
		x.leaf(p)
	}
	x.keyed = x.kind != "" && x.call != nil && x.call.Key != 0
	if x.keyed {
		x.owner, _ = p.Pick(x.call)
	}
	x.sum()
	return tiers
}

// begin is followed by the explanation of a slot's picker.
func (x *account) begin(tier int, load, part float64, panics bool, eps []*Endpoint) {
	x.slot, x.tier, x.load, x.part, x.panics = len(x.loads), tier, load, part, panics
	x.loads = append(x.loads, load)
	for _, e := range eps {
		if c := x.of[e.host]; c != nil {
			c.Tier, c.Panic, c.view, c.load = tier, panics, e, load
		}
	}
}

// leaf has the picker of the slot enter what it knows.
func (x *account) leaf(p Picker) {
	if e, ok := p.(explainer); ok {
		e.explain(x)
		return
	}
	x.name("custom")
	for _, c := range x.of {
		if c.Tier == x.tier {
			c.slot, c.relative = x.slot, -1
		}
	}
}

func (x *account) name(s string) {
	if !slices.Contains(x.names, s) {
		x.names = append(x.names, s)
	}
}

// put enters an endpoint of the slot: its part of the calls in proportion to others', below
// 0 where that is not known, and its score.
func (x *account) put(e *Endpoint, relative float64, score string) {
	c := x.of[e.host]
	if c == nil {
		return
	}
	c.view, c.slot, c.relative, c.Score = e, x.slot, relative, score
	c.Effective = float64(c.Weight) * x.part
}

// sum finds the best worth in each slot, and the sum of the shares of such.
func (x *account) sum() {
	x.best, x.sums, x.count = make([]int, len(x.loads)), make([]float64, len(x.loads)), make([]int, len(x.loads))
	for _, c := range x.of {
		if c.slot >= 0 {
			x.best[c.slot] = max(x.best[c.slot], worth(c.view, nil))
		}
	}
	for _, c := range x.of {
		if c.slot < 0 || worth(c.view, nil) < x.best[c.slot] {
			continue
		}
		x.count[c.slot]++
		if c.relative < 0 || x.sums[c.slot] < 0 {
			x.sums[c.slot] = -1
		} else {
			x.sums[c.slot] += c.relative
		}
	}
}

// close says whether a candidate may be picked, and why not.
func (x *account) close(c *Candidate, tiers []Tier) {
	if c.Eligible = x.eligible(c); c.Eligible {
		c.Share = x.share(c)
		x.chosen = append(x.chosen, c)
	}
	c.Why = x.why(c, tiers)
}

// eligible reports whether a pick may end with c: it is the best of a slot with a share of
// the load, or of all where no such slot has any that is ready.
func (x *account) eligible(c *Candidate) bool {
	if c.slot < 0 {
		return false
	}
	if x.keyed {
		return x.owner != nil && x.owner.host == c.Endpoint.host
	}
	w := worth(c.view, nil)
	if w == 0 || w < x.best[c.slot] {
		return false
	}
	if x.loads[c.slot] > 0 && w == worthAll {
		return true
	}
	for i, load := range x.loads {
		if load > 0 && x.best[i] < worthAll && w == slices.Max(x.best) && (i == c.slot || w > x.best[i]) {
			return true
		}
	}
	return false
}

// share is the part of all calls that c gets; below 0: not known, as where a slot has nothing
// that is ready and its calls go elsewhere.
func (x *account) share(c *Candidate) float64 {
	for i, load := range x.loads {
		if load > 0 && x.best[i] < worthAll {
			return -1
		}
	}
	switch {
	case x.count[c.slot] == 1:
		return x.loads[c.slot]
	case x.sums[c.slot] <= 0:
		return -1
	}
	return x.loads[c.slot] * c.relative / x.sums[c.slot]
}

// why is why a candidate is not eligible, or what is unusual where it is.
func (x *account) why(c *Candidate, tiers []Tier) string {
	bad := c.Health != healthy
	switch {
	case c.Eligible && c.Panic && bad:
		return "panic: health is left aside (" + c.Health + ")"
	case c.Eligible && bad:
		return "nothing better is left (" + c.Health + ")"
	case c.Eligible && c.SlowStart < 1:
		return fmt.Sprintf("slow start: at most %.0f %% of its share", 100*c.SlowStart)
	case c.Eligible && x.keyed:
		return "the owner of the call's key"
	case c.Eligible:
		return ""
	case bad:
		return c.Health
	case c.Tier < 0:
		return "its locality is given nothing by distribute"
	case c.load == 0:
		return x.unused(c, tiers)
	case x.keyed:
		return "left out by " + x.kind + ": not the key's owner"
	case c.Panic:
		return "in panic, calls go to others"
	}
	return "others are preferred now"
}
