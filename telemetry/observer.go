// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package telemetry

import (
	"context"

	"github.com/enmesh-go/enmesh"
)

// Observer hears how calls, or attempts, ended. Observe runs concurrently, where
// the call ends; it must not block, nor keep the Call. r.Call is never nil.
type Observer interface{ Observe(r enmesh.Result) }

// ObserverFunc is a function as an Observer.
type ObserverFunc func(r enmesh.Result)

// Observe calls f.
func (f ObserverFunc) Observe(r enmesh.Result) { f(r) }

// Calls is a middleware that tells every observer, in order, of each call that
// passes: once, at its true end (body read or closed, stream ended, handler
// returned, panic), with the final outcome. It stands above the retry. Nil
// observers are left out; without any it is no middleware at all.
func Calls(observers ...Observer) enmesh.Middleware {
	g := gateOf(observers)
	if g == nil {
		return enmesh.Chain()
	}
	return func(next enmesh.Next) enmesh.Next {
		return func(ctx context.Context, c *enmesh.Call) error {
			c.Defer(g, enmesh.Token{})
			return next(ctx, c)
		}
	}
}

// Attempts is a middleware that tells every observer of each attempt that passes:
// of one that failed at once, of one that answered when its answer has ended. It
// stands below the retry and above the pick. Nil observers are left out.
func Attempts(observers ...Observer) enmesh.Middleware {
	g := gateOf(observers)
	if g == nil {
		return enmesh.Chain()
	}
	return enmesh.Guard(g)
}

// gate is the hook that waits for an end and tells the observers.
type gate []Observer

func gateOf(observers []Observer) *gate {
	var g gate
	for _, o := range observers {
		if o != nil {
			g = append(g, o)
		}
	}
	if len(g) == 0 {
		return nil
	}
	return &g
}

// Admit admits everything: the observers hear of ends only.
func (g *gate) Admit(context.Context, *enmesh.Call) (enmesh.Token, error) {
	return enmesh.Token{}, nil
}

// Done tells the observers.
func (g *gate) Done(_ enmesh.Token, r enmesh.Result) {
	if r.Call == nil {
		return
	}
	for _, o := range *g {
		o.Observe(r)
	}
}
