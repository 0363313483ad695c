// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package timeout

import (
	"context"
	"time"

	"github.com/enmesh-go/enmesh"
)

// Overall bounds the whole call, retries and the waits between them included:
// Istio's timeout. It stands outside a retry. A limit of zero or less is none.
func Overall(limit time.Duration) enmesh.Middleware { return Config{Limit: limit}.Overall() }

// Attempt bounds one attempt: Istio's perTryTimeout. It stands inside a retry. A
// limit of zero or less is none.
func Attempt(limit time.Duration) enmesh.Middleware { return Config{Limit: limit}.Attempt() }

// Margin keeps back a little of the time that the caller gave: the context further in ends
// so much earlier than the caller's deadline, so that the answer of a far side that was just in time,
// or its refusal, still arrives, and so that what a hop takes on the way is not work for nobody. A call
// with less left than that is refused unsent. Whose time runs out so is told that the deadline was its own: enmesh.ErrDeadline.
//
// It stands outermost of the timeouts, on a client, and bounds unary calls and HTTP
// requests that have a deadline. A margin of zero or less is none.
func Margin(margin time.Duration) enmesh.Middleware { return Config{Limit: margin}.Margin() }

func bound(cfg Config, what string) enmesh.Middleware {
	limit, expiry := cfg.Limit, expiryOf(cfg.Limit, what)
	return func(next enmesh.Next) enmesh.Next {
		if limit <= 0 {
			return next
		}
		return func(ctx context.Context, c *enmesh.Call) error {
			end := c.Clock.Add(limit)
			if tighter, ok := ctx.Deadline(); ok && !end.Time().Before(tighter) {
				return next(ctx, c)
			}
			if cfg.Shadow {
				return cfg.watch(ctx, c, next, end)
			}
			return newTerm(ctx, c, end.Time(), expiry).run(next, limit)
		}
	}
}

// run makes the call within the term.
func (t *term) run(next enmesh.Next, limit time.Duration) error {
	c := t.call
	before := c.Expiry
	if t.visible && t.expiry != enmesh.ErrDeadline { // the caller's own has no owner
		c.Expiry = t.expiry
	}
	t.arm(limit)
	defer t.onPanic()
	err := next(t, c)
	late := !t.settle()
	if t.visible {
		c.Expiry = before
	}
	if late && err == nil && c.Side == enmesh.Client && c.Streams() && c.ReplyFor(nil) == nil {
		err = t.expiry // the head came, but what follows is cut already
	}
	t.leave(err)
	return err
}

// leave ends the context: at once when nothing can run on, else with the call. What
// runs on is a stream, or a body, be it that of an error.
func (t *term) leave(err error) {
	c := t.call
	if c.Streams() && (err == nil || c.Answer.Status != 0) {
		c.Defer((*ending)(t), enmesh.Token{})
		return
	}
	t.cancel(nil)
}

// onPanic ends the context when next did not return.
func (t *term) onPanic() {
	if t.state.Load() != running {
		return
	}
	t.settle()
	t.cancel(nil)
}

// ending is a term as a gate that waits for the end of the call.
type ending term

// Admit is never called: an ending is only ever deferred.
func (*ending) Admit(context.Context, *enmesh.Call) (enmesh.Token, error) {
	return enmesh.Token{}, nil
}

// Done ends the context.
func (e *ending) Done(enmesh.Token, enmesh.Result) { e.cancel(nil) }
