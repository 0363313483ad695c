// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package fault

import (
	"context"
	"errors"
	"math/rand/v2"
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
// A delayed call waits before it goes further in; if its context ends meanwhile, it
// fails with what ended it. An aborted call goes no further: it ends with an
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
	i.reply, i.abort = i.answer()
	return func(next enmesh.Next) enmesh.Next {
		if cfg.idle() {
			return next
		}
		return func(ctx context.Context, c *enmesh.Call) error {
			if i.hits(i.DelayPPM) {
				slept := sleep(ctx, i.Delay)
				c.Tick()
				if !slept {
					return c.EndOf(ctx)
				}
			}
			if i.hits(i.AbortPPM) {
				return c.SetReply(i.reply, i.abort)
			}
			return next(ctx, c)
		}
	}, nil
}

// injector is what all calls of one middleware share.
type injector struct {
	Config
	draw  func(n uint32) uint32
	reply *enmesh.Reply
	abort *enmesh.Error // nil: the abort is a success
}

// hits draws, unless the share is nothing or all.
func (i *injector) hits(ppm uint32) bool {
	return ppm >= Million || ppm > 0 && i.draw(Million) < ppm
}

// answer builds what every aborted call is answered with.
func (i *injector) answer() (*enmesh.Reply, *enmesh.Error) {
	status, code := i.AbortStatus, enmesh.GRPCCodeOfStatus(i.AbortStatus)
	if i.HasAbortCode {
		status, code = enmesh.StatusOfCode(i.AbortCode), i.AbortCode
	}
	reply := &enmesh.Reply{Status: status}
	if !i.HasAbortCode && status < 400 {
		return reply, nil
	}
	reply.Header = map[string][]string{"Content-Type": {"text/plain; charset=utf-8"}}
	reply.Body = []byte(abortBody)
	return reply, &enmesh.Error{
		Code:    code,
		Outcome: enmesh.Neutral,
		Unsent:  true,
		Status:  status,
		Flag:    enmesh.FlagFaultInjected,
		Policy:  "fault",
		Err:     ErrAborted,
	}
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
