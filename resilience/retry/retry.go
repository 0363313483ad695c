// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package retry

import (
	"context"
	"time"

	"github.com/enmesh-go/enmesh"
)

// New makes the middleware, or refuses a Config that makes no sense.
//
// The route that it stands in says Resends, so that adapters keep what a replay
// needs.
func New(cfg Config) (enmesh.Middleware, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	r := &retrier{Config: cfg, pace: newPace()}
	return func(next enmesh.Next) enmesh.Next {
		return func(ctx context.Context, c *enmesh.Call) error {
			begun := c.Clock
			err := next(ctx, c)
			switch {
			case err == nil:
				r.pace.learn(c, begun)
				return nil
			case r.Shadow:
				r.pretend(ctx, c, err)
				return err
			}
			return r.again(ctx, c, next, err)
		}
	}, nil
}

// retrier is what all calls of one middleware share.
type retrier struct {
	Config
	pace pace
}

// again makes further attempts until one succeeds or nothing speaks for another.
func (r *retrier) again(ctx context.Context, c *enmesh.Call, next enmesh.Next, err error) error {
	for made := 1; ; made++ {
		if !r.may(ctx, c, err) {
			return err
		}
		if made == r.MaxAttempts {
			return exhausted(made, err)
		}
		wait := r.wait(made, enmesh.ErrorOf(err))
		if !r.pace.fits(ctx, wait) {
			return err
		}
		if !r.take() {
			r.record(c, enmesh.ActionRefuse)
			c.DiscourageRetry() // so many are tried again already
			return err
		}
		if !c.Again() { // drops the answer: nothing may stop the attempt after this but ctx
			r.refund()
			return err
		}
		slept := sleep(ctx, wait)
		c.Tick()
		if !slept {
			r.refund()
			return c.EndOf(ctx)
		}
		r.record(c, enmesh.ActionRetry)
		begun := c.Clock
		if err = r.attempt(ctx, c, next); err == nil {
			r.pace.learn(c, begun)
			return nil
		}
	}
}

// attempt makes a retry that was taken.
func (r *retrier) attempt(ctx context.Context, c *enmesh.Call, next enmesh.Next) error {
	defer r.Limit.leave()
	return next(ctx, c)
}

// pretend tells of the first retry that would have been made after err. The budget is
// asked and gets back what it gave.
func (r *retrier) pretend(ctx context.Context, c *enmesh.Call, err error) {
	if r.MaxAttempts == 1 || !r.may(ctx, c, err) || !r.pace.fits(ctx, r.wait(1, enmesh.ErrorOf(err))) {
		return
	}
	if !r.take() {
		r.record(c, enmesh.ActionRefuse)
		return
	}
	r.refund()
	r.record(c, enmesh.ActionRetry)
}

func (r *retrier) record(c *enmesh.Call, a enmesh.Action) {
	if r.Recorder != nil {
		r.Recorder.Record(c, enmesh.Decision{Policy: "retry", Action: a, Shadow: r.Shadow})
	}
}

// may reports whether the policy and the call allow another attempt after err.
func (r *retrier) may(ctx context.Context, c *enmesh.Call, err error) bool {
	e := enmesh.ErrorOf(err)
	if e == nil || e.RetryAfter < 0 || ctx.Err() != nil || !c.Replayable() {
		return false
	}
	if !r.On.wants(c, e) {
		return false
	}
	return c.Repeatable(err) || !r.Strict && r.On.consents(e)
}

// take asks for one retry; what it is given is given back by attempt or by refund.
func (r *retrier) take() bool {
	switch {
	case !r.Limit.enter():
		return false
	case r.Budget == nil || r.Budget.Take():
		return true
	}
	r.Limit.leave()
	return false
}

func (r *retrier) refund() {
	r.Limit.leave()
	if r.Budget != nil {
		r.Budget.Refund()
	}
}

// exhausted is err as the error of the last attempt that policy allows, if there
// was more than one. The error itself is not written, since it may be shared, and
// errors.Is still finds it, so that its answer is handed out.
func exhausted(made int, err error) error {
	if made == 1 {
		return err
	}
	last := *enmesh.ErrorOf(err)
	if last.Policy != "" {
		last.Policy = "retry"
	}
	last.Flag, last.Err = withExhausted(last.Flag), err
	return &last
}

// sleep waits, and reports false if ctx ended first.
func sleep(ctx context.Context, wait time.Duration) bool {
	if wait <= 0 {
		return ctx.Err() == nil
	}
	t := time.NewTimer(wait)
	defer t.Stop()
	select {
	case <-t.C:
		return ctx.Err() == nil
	case <-ctx.Done():
		return false
	}
}
