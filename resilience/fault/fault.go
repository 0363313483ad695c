// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package fault

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"time"

	"github.com/enmesh-go/enmesh"
)

// ErrAborted is found in the error of every injected abort.
var ErrAborted = errors.New("injected abort")

// abortBody is what an aborted HTTP call is answered with.
const abortBody = "fault: injected abort\n"

// Option changes how New makes a middleware.
type Option func(*injector)

// Draw has the shares drawn by f, which returns a number from 0 to below n and is
// called concurrently. The default is math/rand/v2.
func Draw(f func(n uint32) uint32) Option { return func(i *injector) { i.draw = f } }

// New makes the middleware, or refuses a Config that makes no sense.
//
// A delayed call waits before it goes further in, and has the flag DI whatever becomes of
// it; if its context ends meanwhile, it fails with what ended it. An aborted call goes no further: it ends with an
// *enmesh.Error that is Neutral, has the flag FI and is [ErrAborted], and the caller
// sees the status as if the far side had sent it.
func New(cfg Config, opts ...Option) (enmesh.Middleware, error) {
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	i := &injector{Config: cfg, draw: rand.Uint32N}
	for _, o := range opts {
		o(i)
	}
	i.fixed = cfg.abort()
	return func(next enmesh.Next) enmesh.Next {
		if cfg.idle() {
			return next
		}
		return func(ctx context.Context, c *enmesh.Call) error {
			if i.Header != "" && !i.concerns(c) {
				return next(ctx, c)
			}
			return i.run(ctx, c, next)
		}
	}, nil
}

// injector is what all calls of one middleware share.
type injector struct {
	Config
	draw   func(n uint32) uint32
	fixed  abort
	active atomic.Int64
}

// run draws the faults of a call and makes it suffer them.
func (i *injector) run(ctx context.Context, c *enmesh.Call, next enmesh.Next) error {
	delay, abort := i.plan(c)
	if delay > 0 && i.begin(c, enmesh.ActionDelay) {
		c.MarkDelayed()
		slept := i.sleep(ctx, delay)
		c.Tick()
		if !slept {
			return c.EndOf(ctx)
		}
	}
	if abort.reply != nil && i.begin(c, enmesh.ActionReplace) {
		i.active.Add(-1)
		return c.SetReply(abort.reply, abort.err)
	}
	return next(ctx, c)
}

// plan is what a call has to suffer; the delay is drawn first.
func (i *injector) plan(c *enmesh.Call) (delay time.Duration, a abort) {
	asked := wish{delay: i.Delay, delayPPM: i.DelayPPM, abort: i.fixed, abortPPM: i.AbortPPM}
	if i.FromHeaders && c.Header != nil {
		asked.read(c.Header, i.longest())
	}
	if asked.delay > 0 && i.hits(asked.delayPPM) {
		delay = asked.delay
	}
	if asked.abort.reply != nil && i.hits(asked.abortPPM) {
		a = asked.abort
	}
	return delay, a
}

// begin takes a place among the faults that are active, unless there is none, or nothing
// is to be done.
func (i *injector) begin(c *enmesh.Call, what enmesh.Action) bool {
	if i.Shadow {
		if i.Recorder != nil {
			i.Recorder.Record(c, enmesh.Decision{Policy: "fault", Action: what, Shadow: true})
		}
		return false
	}
	if n := i.active.Add(1); i.MaxActive > 0 && n > int64(i.MaxActive) {
		i.active.Add(-1)
		return false
	}
	return true
}

// hits draws, unless the share is nothing or all.
func (i *injector) hits(ppm uint32) bool {
	return ppm >= Million || ppm > 0 && i.draw(Million) < ppm
}

// sleep waits, and reports false if ctx ended first. The fault is no longer active then,
// panic or not.
func (i *injector) sleep(ctx context.Context, wait time.Duration) bool {
	defer i.active.Add(-1)
	return sleep(ctx, wait)
}

// concerns reports whether the call has the header that faults are for.
func (i *injector) concerns(c *enmesh.Call) bool {
	if c.Header == nil {
		return false
	}
	values := c.Header.Values(i.Header)
	return len(values) > 0 && (i.HeaderValue == "" || slices.Contains(values, i.HeaderValue))
}

// sleep waits, and reports false if ctx ended first.
func sleep(ctx context.Context, wait time.Duration) bool {
	t := time.NewTimer(wait)
	defer t.Stop()
	select {
	case <-t.C:
		return ctx.Err() == nil
	case <-ctx.Done():
		return false
	}
}
