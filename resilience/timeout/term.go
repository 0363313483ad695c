// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package timeout

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/enmesh-go/enmesh"
)

// The states of a term. Whoever leaves running first, timer or chain, decides.
const (
	running uint32 = iota
	settled        // next has returned in time
	expired        // the limit passed first
)

// term is the context of one bounded call.
//
// It rests on a context of the standard library, so that contexts derived from it,
// also through foreign wrappers, join that one's children and start no goroutine.
// Its timer is its own: it can be stopped when the head of a stream has come,
// which context.WithTimeout cannot, and it is used again, which makes the term
// cheaper than context.WithTimeoutCause.
//
// When the limit has passed, Err is context.DeadlineExceeded and context.Cause the
// policy's *enmesh.Error, or enmesh.ErrStandstill where the process stood still meanwhile. A context derived by the standard library has that cause
// too, but its Err is context.Canceled.
type term struct {
	context.Context //nolint:containedctx // the term is a context
	cancel          context.CancelCauseFunc
	deadline        time.Time
	expiry          *enmesh.Error
	call            *enmesh.Call
	timer           *timer
	state           atomic.Uint32
	visible         bool // the deadline may be told to the far side
	spares          bool // an answer that has begun is left to run on
}

func newTerm(parent context.Context, c *enmesh.Call, deadline time.Time, expiry *enmesh.Error) *term {
	ctx, cancel := context.WithCancelCause(parent)
	t := &term{
		Context: ctx, cancel: cancel,
		deadline: deadline, expiry: expiry, call: c,
		visible: c.Kind == enmesh.Unary,
		spares:  c.Side == enmesh.Server && c.Streams(),
	}
	if t.spares {
		c.Keep() // for expire, which may just have begun when the call ends
	}
	return t
}

// Deadline is the limit's end, except for streams: the limit bounds their head
// alone, and a deadline that the far side were told would bound the whole.
func (t *term) Deadline() (time.Time, bool) {
	if t.visible {
		return t.deadline, true
	}
	return t.Context.Deadline()
}

// Err is context.DeadlineExceeded once the limit has passed.
func (t *term) Err() error {
	err := t.Context.Err()
	if err == nil {
		return nil
	}
	cause := context.Cause(t.Context)
	if cause == error(t.expiry) || cause == error(enmesh.ErrStandstill) { //nolint:errorlint // these very errors
		return context.DeadlineExceeded
	}
	return err
}

func (t *term) arm(limit time.Duration) {
	t.timer = newTimer(t.call.Clock)
	t.timer.start(t, limit)
}

// settle stops the timer and reports whether it had not run out.
func (t *term) settle() bool {
	t.timer.stop()
	t.timer = nil
	return t.state.CompareAndSwap(running, settled)
}

// expire runs on the timer's goroutine. A server's answer that has begun to stream
// goes on; a client's chain says itself when the head has come, since a retry may
// have thrown away the head that came first.
func (t *term) expire() {
	if t.spares && t.call.AnsweredAt() != 0 {
		return
	}
	if !t.state.CompareAndSwap(running, expired) {
		return
	}
	if enmesh.Standstill(t.deadline, time.Now()) {
		t.cancel(enmesh.ErrStandstill) // nobody's fault but this process's
		return
	}
	t.cancel(t.expiry)
}
