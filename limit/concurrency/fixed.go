// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package concurrency

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/enmesh-go/enmesh"
)

// ErrFull is found in both of the package's own refusals.
var ErrFull = errors.New("too many calls at once")

var (
	// ErrOverflow refuses as a client's pool does: Unavailable, 503, UO, Neutral.
	ErrOverflow = &enmesh.Error{
		Code: enmesh.Unavailable, Outcome: enmesh.Neutral, Unsent: true,
		Status: 503, Flag: enmesh.FlagOverflow, Policy: "concurrency", Err: ErrFull,
	}
	// ErrExhausted refuses as a server does: ResourceExhausted, 429, RL, Neutral, and to be
	// asked again after DefaultRetryAfter.
	ErrExhausted = &enmesh.Error{
		Code: enmesh.ResourceExhausted, Outcome: enmesh.Neutral, Unsent: true,
		Status: 429, Flag: enmesh.FlagRateLimited, Policy: "concurrency", RetryAfter: DefaultRetryAfter, Err: ErrFull,
	}
)

// DefaultRetryAfter is when a server that has too many calls wants to be asked again: places
// are free as soon as calls end, which nobody knows, and most are shorter. It is the same for all,
// so that a refusal is free; clients that retry spread themselves, as package retry does. Over
// HTTP it reads 1 s, the least that Retry-After can say.
const DefaultRetryAfter = 100 * time.Millisecond

// Config is how many, and what the rest are told. It is comparable.
type Config struct {
	// Max is how many calls may run at once: 1 or more.
	Max int64
	// Refusal is the error of a call that is one too many. nil is ErrOverflow on a
	// client and ErrExhausted on a server. It should be Neutral and Unsent.
	Refusal *enmesh.Error
	// Status is the HTTP status of a refusal, in place of 503 on a client and 429 on a server;
	// gRPC's codes stay. 0 is that; else it is within 400 to 599, and there is no Refusal.
	Status int
	// RetryAfter is when a server's refusal wants the caller back. 0 is DefaultRetryAfter;
	// negative is never, which retries at every hop heed; above an hour, and beside a Refusal, it
	// is refused.
	RetryAfter time.Duration
	// Shares leaves room for what matters more. The zero Shares treats all alike.
	Shares Shares
}

// refusals is the refusal of each side.
func refusals(own *enmesh.Error, status int, after time.Duration) ([2]*enmesh.Error, error) {
	both := [2]*enmesh.Error{ErrOverflow, ErrExhausted}
	switch {
	case own != nil && (status != 0 || after != 0):
		return both, errors.New("concurrency: Status and RetryAfter are of the package's own refusals, and there is a Refusal")
	case own != nil:
		return [2]*enmesh.Error{own, own}, nil //nolint:nilerr // own is what calls are told
	case status != 0 && (status < 400 || status > 599):
		return both, fmt.Errorf("concurrency: Status %d is not within 400 to 599", status)
	case after > time.Hour:
		return both, fmt.Errorf("concurrency: RetryAfter %v is more than an hour", after)
	}
	for side, e := range both {
		said := *e
		if status != 0 {
			said.Status = status
		}
		if after != 0 && side == int(enmesh.Server) {
			said.RetryAfter = after
		}
		if said != *e {
			both[side] = &said
		}
	}
	return both, nil
}

// Fixed admits up to a fixed number of calls at once. A call is in flight until it
// has finished: body read, stream ended, handler returned. It is a gate; neither
// admitting nor refusing allocates or takes a lock.
type Fixed struct {
	inFlight atomic.Int64
	max      int64
	shares   byRank
	refusal  [2]*enmesh.Error // by enmesh.Side
}

// NewFixed makes the gate, or refuses a Config that makes no sense.
func NewFixed(cfg Config) (*Fixed, error) {
	if cfg.Max < 1 {
		return nil, fmt.Errorf("concurrency: Max %d is less than 1", cfg.Max)
	}
	shares, err := cfg.Shares.byRank()
	if err != nil {
		return nil, err
	}
	refusal, err := refusals(cfg.Refusal, cfg.Status, cfg.RetryAfter)
	if err != nil {
		return nil, err
	}
	return &Fixed{max: cfg.Max, shares: shares, refusal: refusal}, nil
}

// InFlight is how many calls run now.
func (f *Fixed) InFlight() int64 { return f.inFlight.Load() }

// Admit counts the call in flight, or refuses.
func (f *Fixed) Admit(ctx context.Context, c *enmesh.Call) (enmesh.Token, error) {
	limit := f.shares.share(ctx, f.max)
	for {
		n := f.inFlight.Load()
		if n >= limit {
			return enmesh.Token{}, f.refusal[c.Side]
		}
		if f.inFlight.CompareAndSwap(n, n+1) {
			return enmesh.Token{}, nil
		}
	}
}

// Done counts it no longer.
func (f *Fixed) Done(enmesh.Token, enmesh.Result) { f.inFlight.Add(-1) }
