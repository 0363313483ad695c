// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package jwt

import (
	"context"
	"sync"
	"time"

	"github.com/enmesh-go/enmesh"
)

// watch ends a call whose answer runs on when its token expires. It is the Watcher of a gRPC
// stream, whose handler then waits for no message in vain.
type watch struct {
	a      *Authenticator
	ctx    context.Context //nolint:containedctx // of one call
	cancel context.CancelCauseFunc
	call   *enmesh.Call
	end    time.Time // by the wall clock
	timer  *time.Timer
	before enmesh.Watcher // whom to tell too

	mu   sync.Mutex // guards over, and the call while it is not
	over bool
}

func newWatch(ctx context.Context, c *enmesh.Call, a *Authenticator, v *verified) *watch {
	w := &watch{a: a, call: c, end: v.life.to}
	now := a.cfg.Now()
	if !now.Before(w.end) {
		w.end = w.end.Add(a.cfg.Leeway) // the caller's clock may be behind
	}
	w.ctx, w.cancel = context.WithCancelCause(ctx)
	if c.Kind != enmesh.Unary {
		w.before = c.Watch(w)
	}
	w.mu.Lock() // for the timer, which look sets again
	defer w.mu.Unlock()
	w.timer = time.AfterFunc(w.pause(now), w.look)
	return w
}

// pause is until the end, and no longer than the clock may be left unwatched: it may be set.
func (w *watch) pause(now time.Time) time.Duration {
	return max(min(w.end.Sub(now), w.a.cfg.StreamCheck), 0)
}

func (w *watch) run(next enmesh.Next) error {
	defer w.stop()
	err := next(w.ctx, w.call)
	if err == nil && context.Cause(w.ctx) == error(errStream) { //nolint:errorlint // this very error
		return errStream // the handler took the end for a plain one
	}
	return err
}

func (w *watch) stop() {
	w.mu.Lock()
	w.over = true
	w.mu.Unlock()
	w.timer.Stop()
	w.cancel(nil)
}

// look runs on the timer's goroutine.
func (w *watch) look() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.over {
		return
	}
	if now := w.a.cfg.Now(); now.Before(w.end) {
		w.timer.Reset(w.pause(now))
		return
	}
	if r := w.a.cfg.Recorder; r != nil {
		r.Record(w.call, enmesh.Decision{Policy: "jwt", Action: enmesh.ActionTimeout})
	}
	w.cancel(errStream)
}

// Moved tells whoever watched before.
func (w *watch) Moved() {
	if w.before != nil {
		w.before.Moved()
	}
}
