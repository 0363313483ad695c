// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"time"

	"github.com/go-kratos/aegis/circuitbreaker/sre"
	"github.com/go-kratos/aegis/ratelimit"
	"github.com/go-kratos/aegis/ratelimit/bbr"
	"github.com/sony/gobreaker/v2"
	zerobreaker "github.com/zeromicro/go-zero/core/breaker"
	"github.com/zeromicro/go-zero/core/load"
	"github.com/zeromicro/go-zero/core/syncx"
	uber "go.uber.org/ratelimit"
	"golang.org/x/time/rate"
)

func gobreakerTwoStep(refuse bool) func() (*subject, error) {
	return func() (*subject, error) {
		b := gobreaker.NewTwoStepCircuitBreaker[struct{}](gobreaker.Settings{
			Interval: 10 * time.Second, BucketPeriod: time.Second, Timeout: time.Hour,
			ReadyToTrip: func(gobreaker.Counts) bool { return refuse },
		})
		if done, err := b.Allow(); err == nil {
			done(overloaded)
		}
		return ask(func() bool {
			done, err := b.Allow()
			if err != nil {
				return false
			}
			done(nil)
			return true
		}), nil
	}
}

// kratosBreaker marks what it refuses as failed, as kratos's middleware does.
func kratosBreaker(refuse bool) func() (*subject, error) {
	return func() (*subject, error) {
		b := sre.NewBreaker()
		end := b.MarkSuccess
		if refuse {
			end = b.MarkFailed
			for range 5000 {
				end()
			}
		}
		return ask(func() bool {
			ok := b.Allow() == nil
			if ok || refuse {
				end()
			}
			return ok
		}), nil
	}
}

func goZeroBreaker(refuse bool) func() (*subject, error) {
	return func() (*subject, error) {
		b := zerobreaker.NewBreaker()
		call := func() bool {
			p, err := b.Allow()
			switch {
			case err != nil:
				return false
			case refuse:
				p.Reject("overloaded")
			default:
				p.Accept()
			}
			return true
		}
		for range 5000 {
			call()
		}
		return ask(call), nil
	}
}

func timeRate(refuse bool) func() (*subject, error) {
	return func() (*subject, error) {
		l := rate.NewLimiter(many, many)
		if refuse {
			l = rate.NewLimiter(0.001, 1)
		}
		l.Allow()
		return ask(l.Allow), nil
	}
}

// uberTake never waits: a thousand million calls a second are not made.
func uberTake() (*subject, error) {
	l := uber.New(many)
	return ask(func() bool { l.Take(); return true }), nil
}

func goZeroLimit(refuse bool) func() (*subject, error) {
	return func() (*subject, error) {
		l := syncx.NewLimit(1000)
		for full := !refuse; !full; {
			full = !l.TryBorrow()
		}
		return ask(func() bool { return l.TryBorrow() && l.Return() == nil }), nil
	}
}

// never is a load, in thousandths of the processor, that nothing reaches.
const never = 1001

func goZeroShedder() (*subject, error) {
	s := load.NewAdaptiveShedder(load.WithCpuThreshold(never))
	return ask(func() bool {
		p, err := s.Allow()
		if err != nil {
			return false
		}
		p.Pass()
		return true
	}), nil
}

func kratosBBR() (*subject, error) {
	l := bbr.NewLimiter(bbr.WithCPUThreshold(never))
	return ask(func() bool {
		done, err := l.Allow()
		if err != nil {
			return false
		}
		done(ratelimit.DoneInfo{})
		return true
	}), nil
}
