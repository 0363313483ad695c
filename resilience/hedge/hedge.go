// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package hedge

import (
	"context"
	"time"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/internal/quantile"
)

// New makes the middleware, or refuses a Config that makes no sense.
//
// The route that it stands in says Resends, so that adapters keep what a replay needs.
func New(cfg Config) (enmesh.Middleware, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	h := &hedger{Config: cfg, took: quantile.New(cfg.Window)}
	return func(next enmesh.Next) enmesh.Next {
		return func(ctx context.Context, c *enmesh.Call) error {
			if !h.hedgeable(c) {
				return next(ctx, c)
			}
			return h.call(ctx, c, next)
		}
	}, nil
}

// hedger is what all calls of one middleware share.
type hedger struct {
	Config
	took *quantile.Window // how long first attempts take
}

// hedgeable: it may be done twice, and its adapter can have two attempts at once.
func (h *hedger) hedgeable(c *enmesh.Call) bool {
	return (h.Idempotent || c.Repeatable(nil)) && (c.Kind == enmesh.Unary || c.Kind == enmesh.ServerStream) && c.Replayable()
}

func (h *hedger) call(ctx context.Context, c *enmesh.Call, next enmesh.Next) error {
	delay, ok := h.delay()
	if ok && !h.Shadow {
		r := race{h: h, ctx: ctx, call: c, next: next, ended: make(chan *arm, 1+h.MaxHedges)}
		if r.start() != nil {
			return r.run(delay)
		}
	}
	begun := c.Clock
	err := next(ctx, c)
	if err == nil {
		took := h.learn(c, begun)
		if ok && h.Shadow && took >= delay {
			h.record(c, enmesh.ActionHedge)
		}
	}
	return err
}

// delay is the wait before a hedge; false: it is not known yet.
func (h *hedger) delay() (time.Duration, bool) {
	if h.Percentile != 0 {
		if d, n := h.took.Quantile(int64(enmesh.Now()), h.Percentile, h.MinSamples); n >= h.MinSamples {
			return d, true
		}
	}
	return h.Delay, h.Delay != 0
}

// learn counts a first attempt that was answered.
func (h *hedger) learn(c *enmesh.Call, begun enmesh.Instant) time.Duration {
	at := c.AnsweredAt()
	if at == 0 {
		at = enmesh.Now()
	}
	took := at.Sub(begun)
	h.took.Add(int64(at), took)
	return took
}

// fits reports whether ctx leaves time for an attempt as long as half of the first ones take;
// as long as too few are known, for any.
func (h *hedger) fits(ctx context.Context) bool {
	deadline, ok := ctx.Deadline()
	if !ok {
		return true
	}
	now := enmesh.Now()
	left := deadline.Sub(now.Time())
	median, n := h.took.Quantile(int64(now), 0.5, h.MinSamples)
	return left > 0 && (n < h.MinSamples || left >= median)
}

func (h *hedger) take() bool { return h.Budget == nil || h.Budget.Take() }

func (h *hedger) refund() {
	if h.Budget != nil {
		h.Budget.Refund()
	}
}

func (h *hedger) record(c *enmesh.Call, a enmesh.Action) {
	if h.Recorder != nil {
		h.Recorder.Record(c, enmesh.Decision{Policy: "hedge", Action: a, Shadow: h.Shadow})
	}
}
