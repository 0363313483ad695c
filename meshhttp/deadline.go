// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package meshhttp

import (
	"context"
	"strconv"
	"strings"
	"time"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/internal/slack"
)

// DefaultDeadlineHeader carries the time that a caller still has, in whole
// milliseconds. The name is Envoy's, so that a sidecar on either side reads and
// writes the same one.
const DefaultDeadlineHeader = "X-Envoy-Expected-Rq-Timeout-Ms"

// DefaultMaxDeadline is the longest time that a server believes a caller.
const DefaultMaxDeadline = 5 * time.Minute

// writeDeadline tells the far side how long the caller still waits.
func writeDeadline(ctx context.Context, h *headerView, name string, keep slack.Keeper) {
	if name == "" {
		return
	}
	deadline, ok := ctx.Deadline()
	if !ok {
		return
	}
	left := time.Until(deadline)
	ms := max((left - keep.Of(left)).Milliseconds(), 1)
	h.Set(name, strconv.FormatInt(ms, 10))
}

// readDeadline reads how long the caller waits: at most limit, zero or less when
// its time is over. It reports false when the value says nothing.
func readDeadline(value string, limit time.Duration) (time.Duration, bool) {
	value = strings.TrimSpace(value)
	digits, negative := strings.CutPrefix(value, "-")
	ms, ok := parseDigits(digits)
	switch {
	case !ok:
		return 0, false
	case negative:
		return 0, true
	case ms >= uint64(limit/time.Millisecond):
		return limit, true
	}
	return time.Duration(ms) * time.Millisecond, true
}

// announced is a context with the deadline that a caller announced. It bounds the
// time to the head of the answer, as the time limits of package timeout do, which
// the caller may have announced: what streams after the head goes on, until the
// caller itself hangs up. From then on there is no Deadline either.
type announced struct {
	context.Context //nolint:containedctx // it is a context
	cancel          context.CancelCauseFunc
	call            *enmesh.Call
	at              time.Time
	timer           *time.Timer
}

// announce bounds ctx by the value that the caller sent, or returns nil when that
// says nothing.
func announce(ctx context.Context, c *enmesh.Call, value string, limit time.Duration) *announced {
	left, ok := readDeadline(value, limit)
	if !ok {
		return nil
	}
	at := time.Now().Add(left)
	if tighter, ok := ctx.Deadline(); ok && tighter.Before(at) {
		return nil
	}
	a := &announced{call: c, at: at}
	c.Keep() // whoever has the context asks the Call
	a.Context, a.cancel = context.WithCancelCause(ctx)
	if left <= 0 {
		a.expire()
		return a
	}
	a.timer = time.AfterFunc(left, a.expire)
	return a
}

// expire ends the context, unless the answer has begun. The cause says that the
// deadline was the caller's own.
func (a *announced) expire() {
	if a.call.AnsweredAt() == 0 {
		a.cancel(enmesh.ErrDeadline)
	}
}

// end releases what the context holds.
func (a *announced) end() {
	if a.timer != nil {
		a.timer.Stop()
	}
	a.cancel(nil)
}

// Deadline is the announced one until the answer has begun.
func (a *announced) Deadline() (time.Time, bool) {
	if a.call.AnsweredAt() != 0 {
		return a.Context.Deadline()
	}
	return a.at, true
}

// Err is context.DeadlineExceeded once the deadline has passed. Contexts derived by
// the standard library say context.Canceled, with the same cause.
func (a *announced) Err() error {
	err := a.Context.Err()
	if err != nil && context.Cause(a.Context) == error(enmesh.ErrDeadline) { //nolint:errorlint // this very error
		return context.DeadlineExceeded
	}
	return err
}
