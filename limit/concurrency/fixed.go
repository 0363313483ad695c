// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package concurrency

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

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
	// ErrExhausted refuses as a server does: ResourceExhausted, 429, RL, Neutral.
	ErrExhausted = &enmesh.Error{
		Code: enmesh.ResourceExhausted, Outcome: enmesh.Neutral, Unsent: true,
		Status: 429, Flag: enmesh.FlagRateLimited, Policy: "concurrency", Err: ErrFull,
	}
)

// Config is how many, and what the rest are told. It is comparable.
type Config struct {
	// Max is how many calls may run at once: 1 or more.
	Max int64
	// Refusal is the error of a call that is one too many. nil is ErrOverflow on a
	// client and ErrExhausted on a server. It should be Neutral and Unsent.
	Refusal *enmesh.Error
	// Shares leaves room for what matters more. The zero Shares treats all alike.
	Shares Shares
}

// refusals is the refusal of each side.
func refusals(own *enmesh.Error) [2]*enmesh.Error {
	if own != nil {
		return [2]*enmesh.Error{own, own}
	}
	return [2]*enmesh.Error{ErrOverflow, ErrExhausted}
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
	return &Fixed{max: cfg.Max, shares: shares, refusal: refusals(cfg.Refusal)}, nil
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
