// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package enmeshtest

import (
	"context"

	"github.com/enmesh-go/enmesh"
)

// Race is a middleware that sends every call arms times at once, adopts the first
// that answers, and drops the rest: the harshest thing that stands above a policy.
// It is for tests; package hedge is for use.
func Race(arms int) enmesh.Middleware {
	return func(next enmesh.Next) enmesh.Next {
		return func(ctx context.Context, c *enmesh.Call) error { return race(ctx, c, next, arms) }
	}
}

// arm is one of the attempts of a race.
type arm struct {
	call   *enmesh.Call
	cancel context.CancelCauseFunc
	err    error
}

func race(ctx context.Context, c *enmesh.Call, next enmesh.Next, arms int) error {
	ended := make(chan *arm, arms)
	var started []*arm
	for range arms {
		actx, cancel := context.WithCancelCause(ctx)
		fctx, fork, err := c.Fork(actx)
		if err != nil {
			cancel(nil)
			continue
		}
		a := &arm{call: fork, cancel: cancel}
		started = append(started, a)
		go func() {
			a.err = enmesh.ErrPanic // what is left when next panics or exits
			defer func() { _ = recover(); ended <- a }()
			a.err = next(fctx, fork)
		}()
	}
	if len(started) == 0 {
		return next(ctx, c)
	}
	var winner *arm
	for range started {
		a := <-ended
		if winner == nil && (a.err == nil || a == started[len(started)-1]) {
			winner = a
			for _, other := range started {
				if other != a {
					other.cancel(enmesh.ErrLost)
				}
			}
			continue
		}
		a.call.Drop(enmesh.ErrLost)
		a.cancel(nil)
	}
	if winner == nil {
		return enmesh.ErrLost
	}
	c.Adopt(winner.call)
	c.OnFinish(func(enmesh.Result) { winner.cancel(nil) })
	return winner.err
}
