// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"time"

	"github.com/failsafe-go/failsafe-go"
	"github.com/failsafe-go/failsafe-go/adaptivelimiter"
	"github.com/failsafe-go/failsafe-go/adaptivethrottler"
	"github.com/failsafe-go/failsafe-go/bulkhead"
	"github.com/failsafe-go/failsafe-go/circuitbreaker"
	"github.com/failsafe-go/failsafe-go/hedgepolicy"
	"github.com/failsafe-go/failsafe-go/ratelimiter"
	"github.com/failsafe-go/failsafe-go/retrypolicy"
)

func failsafeBreaker(refuse bool) func() (*subject, error) {
	return func() (*subject, error) {
		b := circuitbreaker.NewBuilder[any]().WithFailureRateThreshold(0.5, 20, 10*time.Second).WithDelay(time.Hour).Build()
		if refuse {
			b.Open()
		}
		return ask(func() bool {
			if !b.TryAcquirePermit() {
				return false
			}
			b.RecordSuccess()
			return true
		}), nil
	}
}

func failsafeBursty(refuse bool) func() (*subject, error) {
	return func() (*subject, error) {
		l := ratelimiter.NewBursty[any](many, time.Second)
		if refuse {
			l = ratelimiter.NewBursty[any](1, time.Hour)
		}
		l.TryAcquirePermit()
		return ask(l.TryAcquirePermit), nil
	}
}

func failsafeSmooth() (*subject, error) {
	l := ratelimiter.NewSmoothWithMaxRate[any](time.Nanosecond)
	return ask(func() bool { return l.TryReservePermit(time.Microsecond) >= 0 }), nil
}

func failsafeBulkhead(refuse bool) func() (*subject, error) {
	return func() (*subject, error) {
		b := bulkhead.New[any](1000)
		for full := !refuse; !full; {
			full = !b.TryAcquirePermit()
		}
		return ask(func() bool {
			if !b.TryAcquirePermit() {
				return false
			}
			b.ReleasePermit()
			return true
		}), nil
	}
}

func failsafeAdaptive(refuse bool) func() (*subject, error) {
	return func() (*subject, error) {
		l := adaptivelimiter.NewWithDefaults[any]()
		for refuse {
			if _, ok := l.TryAcquirePermit(); !ok {
				break
			}
		}
		return ask(func() bool {
			p, ok := l.TryAcquirePermit()
			if ok {
				p.Record()
			}
			return ok
		}), nil
	}
}

func failsafeRetry() (*subject, error) {
	e := failsafe.With[any](retrypolicy.NewWithDefaults[any]())
	f := func() error { return nil }
	return ask(func() bool { return e.Run(f) == nil }), nil
}

func failsafeHedge() (*subject, error) {
	e := failsafe.With[any](hedgepolicy.NewWithDelay[any](time.Hour))
	f := func() error { return nil }
	return ask(func() bool { return e.Run(f) == nil }), nil
}

// failsafeThrottler refuses nearly all when everything fails.
func failsafeThrottler(refuse bool) func() (*subject, error) {
	return func() (*subject, error) {
		t := adaptivethrottler.NewBuilder[any]().WithFailureRateThreshold(0.5, 20, time.Hour).WithMaxRejectionRate(1).Build()
		end := t.RecordSuccess
		if refuse {
			end = t.RecordFailure
			for range 5000 {
				end()
			}
		}
		return ask(func() bool {
			if !t.TryAcquirePermit() {
				return false
			}
			end()
			return true
		}), nil
	}
}
