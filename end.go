// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package enmesh

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// defaultPatience is how long an attempt without a timeout of its own may take
// before a caller's deadline that ends it counts against the endpoint.
const defaultPatience = time.Second

// deadlineSlack is how near to the context's deadline a DEADLINE_EXCEEDED from the
// far side still is that deadline's own: the far side enforces the deadline it was
// told, and its timer may fire first.
const deadlineSlack = 50 * time.Millisecond

// standstill is how late a timer may fire before it is the process that stood still (it was
// stopped, or its machine was) and not the far side. What came meanwhile is not yet read.
const standstill = time.Second

// ErrStandstill is the end of an attempt whose time passed while this very process stood
// still: it says nothing about the far side, so it is Neutral. It is context.DeadlineExceeded.
var ErrStandstill = &Error{
	Code: DeadlineExceeded, Outcome: Neutral, Status: 504, Flag: FlagTimeout,
	Err: fmt.Errorf("enmesh: the process stood still: %w", context.DeadlineExceeded),
}

// Standstill reports whether now is so late for a timer that was due at deadline, more than
// a second, that the process stood still. A policy whose own deadline has passed so
// ends the attempt with [ErrStandstill] as the cause in place of its own error.
func Standstill(deadline, now time.Time) bool { return now.Sub(deadline) > standstill }

// EndOf explains why ctx ended, or returns nil while it has not. A policy that
// sets a deadline or cancels an attempt gives its *Error as the context's cause,
// and that is returned; every other ending is the caller's own.
func EndOf(ctx context.Context) *Error {
	err := ctx.Err()
	if err == nil {
		return nil
	}
	if e := ErrorOf(context.Cause(ctx)); e != nil {
		return e
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return ErrDeadline
	}
	return ErrCanceled
}

// EndOf is [EndOf] for the present attempt of c: the caller's own deadline is
// [ErrDeadline] when it left the attempt less than the route's attempt timeout
// (1 s when the route has none), and [ErrSlow] when the attempt had that long and
// got no answer.
func (c *Call) EndOf(ctx context.Context) *Error {
	e := EndOf(ctx)
	if e != ErrDeadline {
		return e
	}
	now := Now()
	if deadline, ok := ctx.Deadline(); ok && Standstill(deadline, now.Time()) {
		return ErrDeadline
	}
	return c.ownDeadline(now)
}

// ownDeadline tells a caller that gave too little time from an endpoint that had
// enough, at the instant now.
func (c *Call) ownDeadline(now Instant) *Error {
	patience := defaultPatience
	if c.Route != nil && c.Route.AttemptTimeout > 0 {
		patience = c.Route.AttemptTimeout
	}
	if c.picked != 0 && now.Sub(c.picked) >= patience {
		return ErrSlow
	}
	return ErrDeadline
}

// DeadlineOwner says whose deadline a DEADLINE_EXCEEDED of the far side was. Within
// 50 ms of the context's deadline it is that deadline's: of the policy named by
// [Call.Expiry], else the caller's own. It returns nil when the far side ran out
// of time by itself, and when ctx has no deadline.
func (c *Call) DeadlineOwner(ctx context.Context) *Error {
	if e := c.EndOf(ctx); e != nil {
		return e
	}
	deadline, ok := ctx.Deadline()
	left := time.Until(deadline)
	switch {
	case !ok || left > deadlineSlack:
		return nil
	case left < -standstill:
		return ErrStandstill
	}
	if c.Expiry != nil {
		return c.Expiry
	}
	return c.ownDeadline(Now().Add(deadlineSlack))
}
