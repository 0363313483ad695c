// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package enmesh

import "context"

// Next performs a call, or hands it to what lies further in. It returns nil when
// the far side answered with success; the answer's body or stream may still be
// running (see [Call.Defer]). It returns an error when the far side, or a policy,
// said no: that attempt is over for every gate, even if the error's body can
// still be read outside. [CodeOf] and [OutcomeOf] read the error.
type Next func(ctx context.Context, c *Call) error

// Middleware wraps Next. It is called once, when a route is built; the Next it
// returns is called concurrently and keeps no state of one call. It may call next
// several times in sequence (see [Call.Again]), or at once (see [Call.Fork]).
type Middleware func(next Next) Next

// Chain composes middleware; the first is outermost. Nil entries are left out, and
// Chain() calls straight through.
func Chain(ms ...Middleware) Middleware {
	return func(next Next) Next {
		for i := len(ms) - 1; i >= 0; i-- {
			if ms[i] != nil {
				next = ms[i](next)
			}
		}
		return next
	}
}

// Send is the innermost Next of every chain: it asks the adapter to put the call
// on the wire, and then holds the reading of the clock that the attempt's gates
// share. Everything that differs from call to call is on the Call, so that a chain
// is built once per route.
func Send(ctx context.Context, c *Call) error {
	err := c.wire.Send(ctx, c)
	if at := Instant(c.answered.Load()); at > c.Clock {
		c.Clock = at
	} else {
		c.Clock = Now()
	}
	return err
}
