// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package meshgrpc

import (
	"context"
	"time"

	"github.com/enmesh-go/enmesh"
)

// DefaultMaxDeadline is the longest time that a server believes a caller.
const DefaultMaxDeadline = 5 * time.Minute

// believe is ctx with at most the longest deadline that the server believes; cancel is nil
// where ctx is as it was.
func (s *Server) believe(ctx context.Context) (_ context.Context, cancel context.CancelFunc) {
	at, ok := ctx.Deadline()
	if !ok {
		return ctx, nil
	}
	now := time.Now()
	if at.Sub(now) <= s.maxDeadline {
		return ctx, nil
	}
	return context.WithDeadlineCause(ctx, now.Add(s.maxDeadline), enmesh.ErrDeadline)
}

// hurried is a context whose deadline is told to the far side, and is a little earlier than
// that of the call. It has no timer of its own: the call ends by the later one.
type hurried struct {
	context.Context //nolint:containedctx // it is a context
	at              time.Time
}

// Deadline is what the far side is told.
func (h *hurried) Deadline() (time.Time, bool) { return h.at, true }

// hurried is ctx as an attempt is sent with it.
func (x *exchange) hurried(ctx context.Context) context.Context {
	at, ok := ctx.Deadline()
	if !ok || x.slack.Off() {
		return ctx
	}
	return &hurried{ctx, at.Add(-x.slack.Of(at.Sub(x.Call.Clock.Time())))}
}

// leastTime is the least that a server is told: with less left, nothing is sent.
const leastTime = time.Millisecond

// spent is whose the deadline is that leaves an attempt no time; nil: there is time.
func (x *exchange) spent(ctx context.Context) *enmesh.Error {
	at, ok := ctx.Deadline()
	if !ok {
		return nil
	}
	now := x.Call.Clock.Time()
	left := at.Sub(now)
	return spent(at, now, left-x.slack.Of(left), x.Call.Expiry)
}

// spentAt is spent when a pick has found an endpoint, which may have taken a while; at is
// what the server would be told.
func spentAt(k *enmesh.Carrier, s sink, at time.Time, now enmesh.Instant) *enmesh.Error {
	expiry := k.Call.Expiry
	if a, ok := s.(*attempt); ok {
		expiry = a.expiry
	}
	return spent(at, now.Time(), at.Sub(now.Time()), expiry)
}

func spent(at, now time.Time, left time.Duration, expiry *enmesh.Error) *enmesh.Error {
	switch {
	case left >= leastTime:
		return nil
	case enmesh.Standstill(at, now):
		return enmesh.ErrStandstill
	case expiry != nil:
		return expiry
	}
	return enmesh.ErrDeadline
}
