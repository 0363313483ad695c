// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"time"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/resilience"
	"github.com/enmesh-go/enmesh/resilience/breaker"
	"github.com/enmesh-go/enmesh/resilience/retry"
	"github.com/enmesh-go/enmesh/resilience/throttle"
)

// overloaded is what a far side answers that is to be left alone.
var overloaded = &enmesh.Error{Code: enmesh.Unavailable, Outcome: enmesh.Failure, Status: 503}

func succeed(context.Context, *enmesh.Call) error { return nil }

func overload(context.Context, *enmesh.Call) error { return overloaded }

// chained is a call through a middleware, with a reading of the clock if it asks for one.
func chained(m enmesh.Middleware, far enmesh.Next, reads bool) *subject {
	next := m(far)
	return &subject{worker: func() loop {
		ctx, c := context.Background(), &enmesh.Call{Clock: enmesh.Now()}
		return repeat(func() bool {
			if reads {
				c.Clock = enmesh.Now()
			}
			return next(ctx, c) == nil
		})
	}}
}

func ourBreaker(refuse bool, share float64) func() (*subject, error) {
	return func() (*subject, error) {
		b, err := breaker.New(breaker.Config{FailureRatio: share, OpenFor: time.Hour})
		if err != nil {
			return nil, err
		}
		if refuse {
			trip(b.Middleware()(overload), 5)
		}
		return chained(b.Middleware(), succeed, true), nil
	}
}

// trip has so many calls fail.
func trip(next enmesh.Next, n int) {
	for range n {
		_ = next(context.Background(), &enmesh.Call{Clock: enmesh.Now()})
	}
}

// ourThrottle refuses all but what the book's formula lets through by chance.
func ourThrottle(refuse bool) func() (*subject, error) {
	return func() (*subject, error) {
		far := succeed
		if refuse {
			far = overload
		}
		t, err := throttle.New(throttle.Config{MinPerSecond: -1, Window: time.Hour})
		if err != nil {
			return nil, err
		}
		if refuse {
			trip(t.Middleware()(far), 5000)
		}
		return chained(t.Middleware(), far, true), nil
	}
}

func ourRetry() (*subject, error) {
	m, err := retry.New(retry.Config{})
	if err != nil {
		return nil, err
	}
	return chained(m, succeed, false), nil
}

func ourDeposit() (*subject, error) {
	b, err := resilience.NewBudget(resilience.BudgetConfig{})
	if err != nil {
		return nil, err
	}
	return ask(func() bool { b.Deposit(); return true }), nil
}

// ourTake finds nothing to take.
func ourTake() (*subject, error) {
	b, err := resilience.NewBudget(resilience.BudgetConfig{MinPerSecond: -1})
	if err != nil {
		return nil, err
	}
	return ask(b.Take), nil
}
