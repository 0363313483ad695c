// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package limit

import (
	"context"
	"time"

	"github.com/enmesh-go/enmesh"
)

// verdict is what a limit says to a call, and how it stands afterwards.
type verdict struct {
	ok    bool
	wait  time.Duration // of a refusal: when it would pass; never where it cannot
	left  int           // units that could be taken now; of a refusal, or if asked for
	reset time.Duration // until the limit is as at the start; not of a refusal, and if asked for
}

// limiter is one algorithm with its state. It is safe for concurrent use.
type limiter interface {
	// take takes n units, 1 or more, at t, or none. Where t lies before a time that was
	// asked for already, it counts as that one. look: left and reset are wanted.
	take(t enmesh.Instant, n int, look bool) verdict
}

// voice is how a limit asks and answers calls: its terms, refusals and headers.
type voice struct {
	terms    Terms
	refusals *refusals
	headers  *headers // nil: none are written
}

// quota is how much the limit gives in which time, for the headers.
type quota struct {
	units  int
	window time.Duration
}

func newVoice(terms Terms, q quota) voice {
	return voice{terms: terms, refusals: newRefusals("limit", terms.Status), headers: newHeaders(terms, q)}
}

// gate is what the limits that never wait have in common.
type gate struct {
	voice
	limiter limiter
}

func newGate(l limiter, terms Terms, q quota) gate { return gate{newVoice(terms, q), l} }

// Allow is AllowAt now, for one unit.
func (g *gate) Allow() bool { return g.AllowAt(enmesh.Now(), 1) }

// AllowAt takes n units at t, or reports false when there are not as many and takes
// none. n of 0 or less is always allowed. Calls share readings of the clock, so that t may
// lie before one that was asked for already; then it counts as that one.
func (g *gate) AllowAt(t enmesh.Instant, n int) bool {
	return n <= 0 || g.limiter.take(t, n, false).ok
}

// Wait takes n units, and waits until there are as many. No place is kept meanwhile: whoever
// asks first when units are free has them, and the others wait on. It fails at once, taking
// none, when that would be after the deadline of ctx, with a refusal as Admit's; and with the
// cause when ctx ends before.
func (g *gate) Wait(ctx context.Context, n int) error {
	return g.refusals.wait(ctx, n, func(t enmesh.Instant) verdict { return g.limiter.take(t, n, false) })
}

// wait takes n units when they are there.
func (r *refusals) wait(ctx context.Context, n int, take func(enmesh.Instant) verdict) error {
	if n <= 0 {
		return nil
	}
	for {
		said := take(enmesh.Now())
		switch {
		case said.ok:
			return nil
		case said.wait < 0 || said.wait > patienceOf(ctx):
			return r.after(said.wait)
		}
		if err := sleep(ctx, max(said.wait, time.Microsecond)); err != nil {
			return err
		}
	}
}

// Admit takes what the call costs, by the reading of the clock that it carries, or
// refuses. A refusal says after which time the call would pass.
func (g *gate) Admit(_ context.Context, c *enmesh.Call) (enmesh.Token, error) {
	if e := g.admit(c); e != nil {
		return enmesh.Token{}, e
	}
	return enmesh.Token{}, nil
}

func (g *gate) admit(c *enmesh.Call) *enmesh.Error {
	n := g.terms.cost(c)
	if n <= 0 {
		return nil
	}
	return g.answer(c, g.limiter.take(c.Clock, n, g.headers.always(c)))
}

// answer makes of a verdict what the call gets to see.
func (v *voice) answer(c *enmesh.Call, said verdict) *enmesh.Error {
	if said.ok {
		if v.headers.always(c) {
			v.headers.write(c, said.left, said.reset)
		}
		return nil
	}
	e := v.refusals.after(said.wait)
	if v.headers.wanted(c) {
		v.headers.write(c, said.left, max(e.RetryAfter, 0))
	}
	return e
}

// Done does nothing: what was taken stays taken.
func (g *gate) Done(enmesh.Token, enmesh.Result) {}

// Middleware is the limit for a route's chain. Other than enmesh.Guard of it, it waits
// for no end, of which the limit would make nothing.
func (g *gate) Middleware() enmesh.Middleware { return middleware(g.admit) }

func middleware(admit func(*enmesh.Call) *enmesh.Error) enmesh.Middleware {
	return func(next enmesh.Next) enmesh.Next {
		return func(ctx context.Context, c *enmesh.Call) error {
			if e := admit(c); e != nil {
				return e
			}
			return next(ctx, c)
		}
	}
}
