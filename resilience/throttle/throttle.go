// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package throttle

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/resilience"
)

// ErrThrottled is found in every refusal of a throttle. The refusal is an *enmesh.Error:
// Unavailable, 503, UO, Neutral, and its RetryAfter is the part of the window after
// which things may look better: a twentieth, within 100 ms and 10 s.
var ErrThrottled = errors.New("the far side is overloaded")

// Option changes how New makes a throttle.
type Option func(*Throttle)

// Draw has the share of refused calls drawn by f, which returns a number from 0 to below
// n. It is not called concurrently. The default is math/rand/v2.
func Draw(f func(n uint32) uint32) Option { return func(t *Throttle) { t.draw = f } }

// Throttle refuses a share of the calls that the far side would refuse itself. It is a
// gate; see [Throttle.Middleware] for the form that stands in a route's chain. Neither
// admitting nor refusing allocates.
type Throttle struct {
	multiplier float64
	overloaded resilience.On
	enough     uint32
	pace       enmesh.Instant // between two calls that are sent in any case; 0: none is
	width      enmesh.Instant
	draw       func(n uint32) uint32
	refusal    *enmesh.Error
	shadow     bool
	recorder   enmesh.Recorder

	mu     sync.Mutex // guards what follows; held for a few additions
	window window
	free   enmesh.Instant // when the next call is sent in any case
}

// New makes a throttle, or refuses a Config that makes no sense.
func New(cfg Config, opts ...Option) (*Throttle, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	t := &Throttle{
		multiplier: cfg.Multiplier, overloaded: cfg.Overloaded, enough: cfg.MinRequests,
		width: enmesh.Instant(cfg.Window / parts), draw: rand.Uint32N,
		shadow: cfg.Shadow, recorder: cfg.Recorder,
	}
	if cfg.MinPerSecond > 0 {
		t.pace = enmesh.Instant(time.Second) / enmesh.Instant(cfg.MinPerSecond)
	}
	t.refusal = &enmesh.Error{
		Code: enmesh.Unavailable, Outcome: enmesh.Neutral, Unsent: true, Status: 503, Flag: enmesh.FlagOverflow,
		Policy: "throttle", RetryAfter: min(max(cfg.Window/parts, 100*time.Millisecond), 10*time.Second), Err: ErrThrottled,
	}
	for _, o := range opts {
		o(t)
	}
	return t, nil
}

// Admit counts the call, before it is sent, and lets it through, or refuses it.
func (t *Throttle) Admit(ctx context.Context, c *enmesh.Call) (enmesh.Token, error) {
	if token, ok := t.AdmitAt(c.Clock, enmesh.CriticalityOf(ctx)); ok {
		return token, nil
	}
	if !t.shadow {
		return enmesh.Token{}, t.refusal
	}
	if t.recorder != nil {
		t.recorder.Record(c, enmesh.Decision{Policy: "throttle", Action: enmesh.ActionRefuse, Shadow: true})
	}
	return enmesh.Token{N: passed}, nil
}

// AdmitAt is Admit of a call of that criticality at now; it reports false for a call that
// is refused, which has no end.
func (t *Throttle) AdmitAt(now enmesh.Instant, level enmesh.Criticality) (enmesh.Token, bool) {
	rank := level.Rank()
	t.mu.Lock()
	defer t.mu.Unlock()
	part := t.window.at(int64(now / t.width))
	share := t.share(rank)
	part.requests[rank]++
	t.window.total.requests[rank]++
	if share > 0 && t.hits(share) && !t.dueAt(now) {
		part.refused++
		t.window.total.refused++
		return enmesh.Token{}, false
	}
	return enmesh.Token{N: uint64(t.window.age)<<rankBits | uint64(rank)}, true
}

// A token is the part of the window that the call was made in, and its rank in the
// lowest bits; passed is a call that would have been refused.
const (
	rankBits = 2
	passed   = 1<<64 - 1
)

// share is how many of the calls of that rank are to be refused: the lowest are refused
// first, each as far as that is enough.
func (t *Throttle) share(rank int) float64 {
	total := &t.window.total
	if total.overloaded == 0 || total.answered() < t.enough {
		return 0
	}
	all := total.all()
	of := min(t.excess(total), t.excess(t.window.latest())) // a far side that has recovered is seen in the latest first
	refuse := of * all
	for lower := range rank {
		refuse -= float64(total.requests[lower])
	}
	if refuse <= 0 {
		return 0
	}
	return refuse / max(float64(total.requests[rank]), 1)
}

// excess is the share of calls that are too many (Beyer and others, "Site Reliability
// Engineering", 2016, chapter 21). Calls without an answer yet count as those that have
// one, or nobody could begin with many at once.
func (t *Throttle) excess(n *counts) float64 {
	all, accepted := n.all(), float64(n.accepted)
	pending := all - float64(n.refused) - float64(n.answered())
	if answered := n.answered(); answered > 0 {
		pending *= accepted / float64(answered)
	}
	return max(0, (all-t.multiplier*(accepted+pending))/(all+1))
}

// resolution is how finely a share is drawn.
const resolution = 1 << 24

func (t *Throttle) hits(share float64) bool {
	return share >= 1 || t.draw(resolution) < uint32(share*resolution)
}

// dueAt reports whether a call is sent in any case, so that there are some in each second.
func (t *Throttle) dueAt(now enmesh.Instant) bool {
	if t.pace == 0 || now < t.free {
		return false
	}
	t.free = now + t.pace
	return true
}

// Done counts how the far side took the call.
func (t *Throttle) Done(token enmesh.Token, r enmesh.Result) { t.settle(token, r.Err) }

func (t *Throttle) settle(token enmesh.Token, err error) {
	if token.N == passed {
		return
	}
	took := t.taken(err)
	age, rank := int64(token.N>>rankBits), token.N&(1<<rankBits-1)
	t.mu.Lock()
	defer t.mu.Unlock()
	part := t.window.of(age)
	if part == nil {
		return // its window is over
	}
	for _, n := range []*counts{part, &t.window.total} {
		switch took {
		case enmesh.Success:
			n.accepted++
		case enmesh.Failure:
			n.overloaded++
		case enmesh.Neutral:
			n.requests[rank]--
		}
	}
}

// taken is Success for a call that was accepted, Failure for one that the far side was too
// busy for, and Neutral for what says nothing about that.
func (t *Throttle) taken(err error) enmesh.Outcome {
	switch {
	case err == nil:
		return enmesh.Success
	case t.overloaded.Has(err):
		return enmesh.Failure
	}
	if e := enmesh.ErrorOf(err); e != nil && resilience.Answered(e) {
		return enmesh.Success
	}
	return enmesh.Neutral
}

// Share is the share of Critical calls that the throttle refuses, from 0 to 1, as things
// stood at the latest call.
func (t *Throttle) Share() float64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return min(t.share(enmesh.Critical.Rank()), 1)
}
