// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package timeout

import (
	"context"
	"time"

	"github.com/enmesh-go/enmesh"
)

// Config is a limit that can be in shadow. It is comparable if its Recorder is.
type Config struct {
	// Limit is that of [Overall] or [Attempt], or the margin of [Margin]. Zero or less is none.
	Limit time.Duration
	// Shadow cuts nothing and tells nobody a deadline: it costs a reading of the clock, and
	// tells the Recorder of each call that took longer, when its head has come or it has failed.
	Shadow bool
	// Recorder is told of calls in shadow. nil is nobody.
	Recorder enmesh.Recorder
}

// Overall is [Overall] of the Limit.
func (cfg Config) Overall() enmesh.Middleware { return bound(cfg, "call") }

// Attempt is [Attempt] of the Limit.
func (cfg Config) Attempt() enmesh.Middleware { return bound(cfg, "attempt") }

// Margin is [Margin] of the Limit.
func (cfg Config) Margin() enmesh.Middleware {
	return func(next enmesh.Next) enmesh.Next {
		if cfg.Limit <= 0 {
			return next
		}
		return func(ctx context.Context, c *enmesh.Call) error {
			deadline, ok := ctx.Deadline()
			if !ok || c.Kind != enmesh.Unary {
				return next(ctx, c)
			}
			deadline = deadline.Add(-cfg.Limit)
			left := deadline.Sub(c.Clock.Time())
			switch {
			case cfg.Shadow:
				return cfg.watch(ctx, c, next, c.Clock.Add(left))
			case left <= 0:
				return enmesh.ErrDeadline
			}
			return newTerm(ctx, c, deadline, enmesh.ErrDeadline).run(next, left)
		}
	}
}

// watch makes the call as if there were no limit, and tells whether it would have been cut.
func (cfg *Config) watch(ctx context.Context, c *enmesh.Call, next enmesh.Next, end enmesh.Instant) error {
	begun := c.Clock
	err := next(ctx, c)
	at := enmesh.Now()
	if head := c.AnsweredAt(); c.Side == enmesh.Server && c.Streams() && head > begun {
		at = head // what streams after it is not cut
	}
	if at >= end && cfg.Recorder != nil {
		cfg.Recorder.Record(c, enmesh.Decision{Policy: "timeout", Action: enmesh.ActionTimeout, Shadow: true})
	}
	return err
}
