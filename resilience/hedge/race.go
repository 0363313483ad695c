// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package hedge

import (
	"context"
	"time"

	"github.com/enmesh-go/enmesh"
)

// race is one call and its attempts at once. It runs on the call's own goroutine, and each
// attempt, a fork of the call, on one of its own.
type race struct {
	h      *hedger
	ctx    context.Context //nolint:containedctx // a race is one call
	call   *enmesh.Call
	next   enmesh.Next
	ended  chan *arm // those whose next has returned
	arms   []*arm    // all that were started
	open   int       // those under way
	barred bool      // the far side wants no more attempts
}

// start begins an attempt, or returns nil when the call cannot be forked.
func (r *race) start() *arm {
	ctx, cancel := context.WithCancelCause(r.ctx)
	ctx, fork, err := r.call.Fork(ctx)
	if err != nil {
		cancel(nil)
		return nil
	}
	a := &arm{call: fork, cancel: cancel, begun: enmesh.Now(), first: len(r.arms) == 0}
	r.arms = append(r.arms, a)
	r.open++
	go a.run(ctx, r.next, r.ended)
	return a
}

// run waits for the attempts, and hedges whenever the delay has passed.
func (r *race) run(delay time.Duration) error {
	timer := time.NewTimer(delay)
	defer timer.Stop()
	var failed *arm // what the call ends with when no other attempt does better
	for {
		select {
		case <-timer.C:
			if r.hedge() {
				timer.Reset(delay)
			}
		case a := <-r.ended:
			r.open--
			r.heed(a, timer)
			if a.final() {
				if failed != nil {
					failed.drop()
				}
				return r.win(a)
			}
			if failed, a = better(failed, a); a != nil {
				a.drop()
			}
			if r.open == 0 {
				return r.win(failed)
			}
		}
	}
}

// better is the one of two failed attempts that the call ends with, the first attempt if
// it is one of them, and the other, or nil.
func better(failed, a *arm) (keep, drop *arm) {
	switch {
	case failed == nil:
		return a, nil
	case a.first:
		return a, failed
	}
	return failed, a
}

// hedge begins one more attempt if everything speaks for it, and reports whether there may be
// yet another.
func (r *race) hedge() bool {
	h := r.h
	if r.barred || len(r.arms) > h.MaxHedges || r.ctx.Err() != nil || !h.fits(r.ctx) {
		return false
	}
	if !h.take() {
		h.record(r.call, enmesh.ActionRefuse)
		return false
	}
	if r.start() == nil {
		h.refund()
		return false
	}
	h.record(r.call, enmesh.ActionHedge)
	return len(r.arms) <= h.MaxHedges
}

// heed learns from an attempt that has ended: how long a first one took, and what the far
// side wishes of further ones (gRFC A6: none, or when the next may come).
func (r *race) heed(a *arm, timer *time.Timer) {
	if a.err == nil {
		if a.first {
			r.h.learn(a.call, a.begun)
		}
		return
	}
	e := enmesh.ErrorOf(a.err)
	switch {
	case e == nil:
	case e.RetryAfter < 0:
		r.barred = true
	case e.RetryAfter > 0 && len(r.arms) <= r.h.MaxHedges:
		timer.Reset(e.RetryAfter)
	}
}

// win makes a's answer the call's. What is still under way is cancelled and waited for,
// since it may read the request, which is the caller's again when the call returns.
func (r *race) win(a *arm) error {
	for _, other := range r.arms {
		if other != a {
			other.cancel(enmesh.ErrLost)
		}
	}
	for ; r.open > 0; r.open-- {
		lost := <-r.ended
		if lost.first && r.ctx.Err() == nil {
			now := enmesh.Now() // it would have taken longer yet
			r.h.took.Add(int64(now), now.Sub(lost.begun))
		}
		lost.drop()
	}
	c := r.call
	c.Adopt(a.call)
	if c.Streams() && (a.err == nil || c.Answer.Status != 0) {
		c.Defer(a, enmesh.Token{})
	} else {
		a.cancel(nil)
	}
	return a.err
}
