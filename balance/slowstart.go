// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package balance

import (
	"math"
	"sync/atomic"
	"time"

	"github.com/enmesh-go/enmesh"
)

// SlowStartConfig says how fast a new endpoint takes its share. It is comparable.
type SlowStartConfig struct {
	// Window is how long it takes; 0 or less is no slow start.
	Window time.Duration
	// Aggression bends the ramp: 1 is a straight line, more gives calls sooner, less
	// later. 1 when it is 0 or less.
	Aggression float64
	// MinPercent of its fair share is what an endpoint begins with. 10; above 100 it is
	// 100.
	MinPercent uint32
}

func (c SlowStartConfig) normal() SlowStartConfig {
	if !(c.Aggression > 0) { // NaN too
		c.Aggression = 1
	}
	if c.MinPercent == 0 {
		c.MinPercent = 10
	}
	c.MinPercent = min(c.MinPercent, 100)
	return c
}

// Factor is the part of its fair share, up to 1, that an endpoint gets at most when it
// has been there for so long.
func (c SlowStartConfig) Factor(age time.Duration) float64 {
	if age >= c.Window {
		return 1
	}
	c = c.normal()
	t := float64(max(age, 0)) / float64(c.Window)
	if c.Aggression != 1 {
		t = math.Pow(t, 1/c.Aggression)
	}
	return max(float64(c.MinPercent)/100, t)
}

// SlowStart ramps up what endpoints that are new are given by an algorithm: at most
//
//	max(MinPercent, (age/Window)^(1/Aggression))
//
// of their fair share, and never less for being new: an endpoint that the algorithm
// likes less anyway, being slow, gets what the algorithm gives it. It is Envoy's slow
// start (Istio's warmup), with two differences. There, the factor multiplies a weight,
// which a choice by load may then overrule; here, it bounds the share that results,
// under any load. And when all endpoints are new, they are measured against the oldest
// instead of all being held back alike.
//
// New is an endpoint that joined a set that had others, from then on, and one that
// active checks found healthy again ([Endpoint.SetHealthy]). Neither the first set of
// a cluster nor an endpoint that comes back from an ejection is, as in Envoy.
//
// It stands right around the algorithm that chooses, and within what splits endpoints
// into groups (localities, priorities): share means share of the group. It is not for
// algorithms that must choose one endpoint for a call, such as consistent hashing: it
// would send the calls that belong to a new endpoint elsewhere. While nobody is new, it
// costs two atomic loads.
//
// How it works: picks of endpoints that are not new are counted. One that is new
// earns its factor each time that as many have gone to the others as there are of
// them; a pick costs it one. Without that, the algorithm is asked again.
func SlowStart(cfg SlowStartConfig, inner Algorithm) Algorithm {
	return slowStartFrom(cfg, inner, nil)
}

func slowStartFrom(cfg SlowStartConfig, inner Algorithm, random source) Algorithm {
	if cfg.Window <= 0 {
		return inner
	}
	return func(eps []*Endpoint) Picker {
		p := inner(eps)
		if len(eps) < 2 {
			return p
		}
		return newSlowStart(cfg.normal(), p, eps, sourceOf(eps, random))
	}
}

// slowStart is one inner picker and what is known of the age of its endpoints.
type slowStart struct {
	cfg     SlowStartConfig
	inner   Picker
	eps     []*Endpoint
	cluster *Cluster
	flat    bool // the inner picker leaves weights aside
	random  source
	rounds  *rounds

	settled atomic.Int64 // the value of cluster.newest for which nobody is new any more
	again   atomic.Int64 // an Instant: when to look at all endpoints again
	mature  atomic.Int64 // an Instant: who came by then is not new
}

func newSlowStart(cfg SlowStartConfig, inner Picker, eps []*Endpoint, random source) *slowStart {
	p := &slowStart{
		cfg: cfg, inner: inner, eps: eps, cluster: eps[0].host.cluster, random: random, rounds: newRounds(),
	}
	_, p.flat = inner.(*roundRobin)
	newest := p.cluster.newest.Load()
	if newest == 0 {
		return p
	}
	now := p.cluster.now()
	if now.Sub(enmesh.Instant(newest)) >= cfg.Window {
		p.settled.Store(newest)
		return p
	}
	p.survey(now)
	p.settle(now)
	return p
}

// settle takes over from the picker before, for endpoints that are new.
func (p *slowStart) settle(now enmesh.Instant) {
	mature := p.mature.Load()
	for _, e := range p.eps {
		if since := e.host.since.Load(); since > mature {
			s := p.stake(e, since, mature, now)
			e.pace.settle(&s, p.random)
		}
	}
}

func (p *slowStart) Pick(c *enmesh.Call) (*Endpoint, error) {
	newest := p.cluster.newest.Load()
	if newest == p.settled.Load() {
		return p.inner.Pick(c)
	}
	now := instantOf(c)
	if now.Sub(enmesh.Instant(newest)) >= p.cfg.Window {
		p.settled.Store(newest)
		return p.inner.Pick(c)
	}
	if again := p.again.Load(); int64(now) >= again && p.again.CompareAndSwap(again, int64(now.Add(p.step()))) {
		p.survey(now)
	}
	return p.ramped(c, now)
}

// instantOf is the call's reading of the clock: near enough for a window of seconds.
func instantOf(c *enmesh.Call) enmesh.Instant {
	if c != nil && c.Clock != 0 {
		return c.Clock
	}
	return enmesh.Now()
}

// step is how often all endpoints are looked at, while one is new.
func (p *slowStart) step() time.Duration {
	return min(max(p.cfg.Window/100, time.Millisecond), time.Second)
}

// survey finds out who is not new, and how much these weigh together. If all are new,
// the oldest are not.
func (p *slowStart) survey(now enmesh.Instant) {
	oldest := now
	for _, e := range p.eps {
		if since := enmesh.Instant(e.host.since.Load()); since < oldest && e.Ready() {
			oldest = since
		}
	}
	mature := max(oldest, now.Add(-p.cfg.Window))
	var weight float64
	for _, e := range p.eps {
		if enmesh.Instant(e.host.since.Load()) <= mature && e.Ready() {
			weight += p.weightOf(e)
		}
	}
	p.again.Store(int64(now.Add(p.step())))
	p.mature.Store(int64(mature))
	p.rounds.weight.Store(math.Float64bits(weight))
}

func (p *slowStart) weightOf(e *Endpoint) float64 {
	if p.flat {
		return 1
	}
	return float64(e.Weight())
}

// ramped asks the inner picker until it offers an endpoint that may be had.
func (p *slowStart) ramped(c *enmesh.Call, now enmesh.Instant) (*Endpoint, error) {
	mature := p.mature.Load()
	var last *Endpoint
	for range redraws {
		e, err := p.inner.Pick(c)
		if err != nil {
			return nil, err
		}
		since := e.host.since.Load()
		if since <= mature {
			p.rounds.picks.Add(1)
			return e, nil
		}
		if s := p.stake(e, since, mature, now); e.pace.spend(&s, p.random) {
			return e, nil
		}
		last = e
	}
	if e := p.elsewhere(c, mature); e != nil {
		p.rounds.picks.Add(1)
		return e, nil
	}
	return last, nil
}

// stake is what a new endpoint earns.
func (p *slowStart) stake(e *Endpoint, since, mature int64, now enmesh.Instant) stake {
	age, measure := now.Sub(enmesh.Instant(since)), now.Sub(enmesh.Instant(mature))
	return stake{
		rounds: p.rounds, salt: uint16(since >> tickBits), weight: p.weightOf(e),
		factor: p.cfg.Factor(age) / p.cfg.Factor(measure),
	}
}

// elsewhere is the less busy of two endpoints that are not new, for when the inner
// picker keeps offering those that are; nil when a few draws find none.
func (p *slowStart) elsewhere(c *enmesh.Call, mature int64) *Endpoint {
	retried := hasTried(c)
	var best *Endpoint
	for range redraws {
		r := p.random()
		for _, i := range [...]int{within(uint32(r>>32), len(p.eps)), within(uint32(r), len(p.eps))} {
			e := p.eps[i]
			if e == best || e.host.since.Load() > mature || !usable(e, c, retried) {
				continue
			}
			if best == nil || p.busy(e) < p.busy(best) {
				best = e
			}
		}
		if best != nil {
			return best
		}
	}
	return nil
}

func (p *slowStart) busy(e *Endpoint) float64 {
	return float64(e.host.inflight.Load()) / p.weightOf(e)
}

// Since is when the endpoint last came to be new, as [SlowStart] has it; 0 if it never
// was.
func (e *Endpoint) Since() enmesh.Instant { return enmesh.Instant(e.host.since.Load()) }

// chill makes the endpoint new.
func (h *host) chill(now enmesh.Instant) {
	h.since.Store(int64(now))
	newest := &h.cluster.newest
	for {
		was := newest.Load()
		if was >= int64(now) || newest.CompareAndSwap(was, int64(now)) {
			return
		}
	}
}
