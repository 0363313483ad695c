// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package breaker

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/sony/gobreaker/v2"

	"github.com/enmesh-go/enmesh"
)

// ErrOpen is found in every refusal of a breaker, open or half-open. The refusal is
// an *enmesh.Error: Unavailable, 503, UO, Neutral, with the time after which a probe
// may go as RetryAfter.
var ErrOpen = errors.New("the circuit is open")

// What the state machine is told of an ending.
var (
	errFailure = errors.New("breaker: failure")
	errNeutral = errors.New("breaker: neutral")
)

// steps is how finely RetryAfter divides Config.OpenFor: each step is one refusal,
// built once.
const steps = 16

// Breaker refuses calls to a far side that only fails. It is a gate; see
// [Breaker.Middleware] for the form that stands in a route's chain. The state
// machine is sony/gobreaker's two-step breaker. It costs one allocation per call,
// and none per refusal.
type Breaker struct {
	machine  *gobreaker.TwoStepCircuitBreaker[struct{}]
	openFor  time.Duration
	refusals [steps]*enmesh.Error // the n-th says n+1 steps
	probes   probes
	halfOpen atomic.Bool
	reopens  atomic.Int64 // an Instant: when an open breaker lets probes through
}

// New makes a breaker that is closed, or refuses a Config that makes no sense.
func New(cfg Config) (*Breaker, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	b := &Breaker{openFor: cfg.OpenFor}
	for i := range b.refusals {
		b.refusals[i] = refusal(cfg.OpenFor * time.Duration(i+1) / steps)
	}
	b.machine = gobreaker.NewTwoStepCircuitBreaker[struct{}](gobreaker.Settings{
		MaxRequests:   cfg.Probes,
		Interval:      cfg.Interval,
		BucketPeriod:  cfg.Interval / 10,
		Timeout:       cfg.OpenFor,
		ReadyToTrip:   cfg.trips,
		OnStateChange: func(_ string, _, to gobreaker.State) { b.changed(to) },
		IsExcluded:    func(err error) bool { return err == errNeutral }, //nolint:errorlint // only verdict makes it
	})
	return b, nil
}

// trips reports whether the counts of a closed breaker call for opening it.
func (cfg Config) trips(n gobreaker.Counts) bool {
	if cfg.ConsecutiveFailures != 0 && n.ConsecutiveFailures >= cfg.ConsecutiveFailures {
		return true
	}
	ended := n.TotalSuccesses + n.TotalFailures
	return cfg.FailureRatio != 0 && ended >= cfg.MinRequests &&
		float64(n.TotalFailures) >= cfg.FailureRatio*float64(ended)
}

// changed runs under the machine's lock.
func (b *Breaker) changed(to gobreaker.State) {
	b.halfOpen.Store(to == gobreaker.StateHalfOpen)
	if to == gobreaker.StateOpen {
		b.reopens.Store(int64(enmesh.Now().Add(b.openFor)))
	}
}

// State is what the breaker does with calls now.
func (b *Breaker) State() State { return stateOf(b.machine.State()) }

// Admit lets the call through, or refuses it.
func (b *Breaker) Admit(_ context.Context, c *enmesh.Call) (enmesh.Token, error) {
	done, err := b.machine.Allow()
	if err != nil && b.probes.expire(c.Clock, b.openFor) {
		done, err = b.machine.Allow()
	}
	if err != nil {
		return enmesh.Token{}, b.refuse(c.Clock)
	}
	if b.halfOpen.Load() {
		done = b.probes.add(done, c.Clock)
	}
	return enmesh.Token{F: done}, nil
}

// Done counts the ending: a Failure against the far side, a Success for it, and
// what is Neutral not at all.
func (b *Breaker) Done(t enmesh.Token, r enmesh.Result) { t.F(verdict(r.Outcome)) }

func verdict(o enmesh.Outcome) error {
	switch o {
	case enmesh.Success:
		return nil
	case enmesh.Failure:
		return errFailure
	}
	return errNeutral
}

// refuse is the refusal that says how long the breaker stays open, rounded up.
func (b *Breaker) refuse(now enmesh.Instant) error {
	left := enmesh.Instant(b.reopens.Load()).Sub(now)
	n := int((left - 1) * steps / b.openFor)
	return b.refusals[min(max(n, 0), steps-1)]
}

func refusal(after time.Duration) *enmesh.Error {
	return &enmesh.Error{
		Code:       enmesh.Unavailable,
		Outcome:    enmesh.Neutral,
		Unsent:     true,
		Status:     503,
		Flag:       enmesh.FlagOverflow,
		Policy:     "breaker",
		RetryAfter: after,
		Err:        ErrOpen,
	}
}
