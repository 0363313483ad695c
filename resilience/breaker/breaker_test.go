// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package breaker_test

import (
	"context"
	"errors"
	"math"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sony/gobreaker/v2"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/enmeshtest"
	"github.com/enmesh-go/enmesh/resilience/breaker"
)

var (
	failed  = &enmesh.Error{Code: enmesh.Unavailable, Outcome: enmesh.Failure, Status: 503}
	neutral = &enmesh.Error{Code: enmesh.InvalidArgument, Outcome: enmesh.Neutral, Status: 400}
)

func mustNew(tb testing.TB, cfg breaker.Config) *breaker.Breaker {
	tb.Helper()
	b, err := breaker.New(cfg)
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

// end makes n calls through the breaker that end with err, and returns the last
// error.
func end(b *breaker.Breaker, n int, err error) (last error) {
	for range n {
		w := enmeshtest.NewWire(enmeshtest.Answer(err))
		last = w.Do(context.Background(), enmesh.Fixed(false, b.Middleware()))
		w.Finish(nil)
	}
	return last
}

func TestBreaker_trips(t *testing.T) {
	tests := []struct {
		name string
		cfg  breaker.Config
		run  func(b *breaker.Breaker)
		want breaker.State
	}{
		{"four in a row", breaker.Config{}, func(b *breaker.Breaker) { end(b, 4, failed) }, breaker.Closed},
		{"five in a row", breaker.Config{}, func(b *breaker.Breaker) { end(b, 5, failed) }, breaker.Open},
		{"a success between", breaker.Config{}, func(b *breaker.Breaker) { end(b, 4, failed); end(b, 1, nil); end(b, 4, failed) }, breaker.Closed},
		{"neutral between", breaker.Config{}, func(b *breaker.Breaker) { end(b, 4, failed); end(b, 9, neutral); end(b, 1, failed) }, breaker.Open},
		{"neutral alone", breaker.Config{}, func(b *breaker.Breaker) { end(b, 1000, neutral) }, breaker.Closed},
		{"cancelled alone", breaker.Config{}, func(b *breaker.Breaker) { end(b, 1000, enmesh.ErrCanceled) }, breaker.Closed},
		{"half of twenty", breaker.Config{FailureRatio: 0.5}, func(b *breaker.Breaker) { end(b, 10, nil); end(b, 10, failed) }, breaker.Open},
		{"half of nineteen", breaker.Config{FailureRatio: 0.5}, func(b *breaker.Breaker) { end(b, 9, nil); end(b, 10, failed) }, breaker.Closed},
		{"less than half", breaker.Config{FailureRatio: 0.5}, func(b *breaker.Breaker) { end(b, 21, nil); end(b, 20, failed) }, breaker.Closed},
		{"neutral does not dilute", breaker.Config{FailureRatio: 0.5, MinRequests: 10}, func(b *breaker.Breaker) { end(b, 100, neutral); end(b, 10, failed) }, breaker.Open},
		{"both", breaker.Config{FailureRatio: 0.9, ConsecutiveFailures: 3}, func(b *breaker.Breaker) { end(b, 30, nil); end(b, 3, failed) }, breaker.Open},
		{"the window has passed", breaker.Config{FailureRatio: 0.5, MinRequests: 4, Interval: time.Second}, func(b *breaker.Breaker) {
			end(b, 3, failed)
			time.Sleep(2 * time.Second)
			end(b, 3, failed)
		}, breaker.Closed},
		{"9 s without an Interval", breaker.Config{FailureRatio: 0.5}, func(b *breaker.Breaker) {
			end(b, 10, failed)
			time.Sleep(9 * time.Second)
			end(b, 10, failed)
		}, breaker.Open},
		{"10 s without an Interval", breaker.Config{FailureRatio: 0.5}, func(b *breaker.Breaker) {
			end(b, 10, failed)
			time.Sleep(10 * time.Second)
			end(b, 10, failed)
		}, breaker.Closed},
		{"in a row, 9 s between", breaker.Config{}, func(b *breaker.Breaker) { end(b, 4, failed); time.Sleep(9 * time.Second); end(b, 1, failed) }, breaker.Open},
		{"in a row, 10 s between", breaker.Config{}, func(b *breaker.Breaker) { end(b, 4, failed); time.Sleep(10 * time.Second); end(b, 1, failed) }, breaker.Closed},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := mustNew(t, tt.cfg)
				tt.run(b)
				if got := b.State(); got != tt.want {
					t.Errorf("breaker is %v, want %v", got, tt.want)
				}
			})
		})
	}
}

func TestBreaker_saysWhenToComeBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := mustNew(t, breaker.Config{OpenFor: 16 * time.Second})
		end(b, 5, failed)
		for _, tt := range []struct{ pause, want time.Duration }{
			{0, 16 * time.Second},
			{500 * time.Millisecond, 16 * time.Second},
			{500 * time.Millisecond, 15 * time.Second},
			{14 * time.Second, time.Second},
		} {
			time.Sleep(tt.pause)
			err := end(b, 1, nil)
			e := enmesh.ErrorOf(err)
			if !errors.Is(err, breaker.ErrOpen) || e.RetryAfter != tt.want {
				t.Errorf("got %v after %v, want ErrOpen after %v", err, e.RetryAfter, tt.want)
			}
			if e.Code != enmesh.Unavailable || e.Status != 503 || e.Flag != enmesh.FlagOverflow || e.Outcome != enmesh.Neutral || !e.Unsent {
				t.Errorf("refusal is %#v, want Unavailable, 503, UO, neutral, unsent", e)
			}
		}
	})
}

func TestBreaker_probesAfterCooldown(t *testing.T) {
	tests := []struct {
		name   string
		probes uint32
		run    func(b *breaker.Breaker)
		want   breaker.State
	}{
		{"success closes", 1, func(b *breaker.Breaker) { end(b, 1, nil) }, breaker.Closed},
		{"failure opens", 1, func(b *breaker.Breaker) { end(b, 1, failed) }, breaker.Open},
		{"neutral decides nothing", 1, func(b *breaker.Breaker) { end(b, 9, neutral) }, breaker.HalfOpen},
		{"neutral, then success", 1, func(b *breaker.Breaker) { end(b, 9, neutral); end(b, 1, nil) }, breaker.Closed},
		{"two of three", 3, func(b *breaker.Breaker) { end(b, 2, nil) }, breaker.HalfOpen},
		{"three of three", 3, func(b *breaker.Breaker) { end(b, 3, nil) }, breaker.Closed},
		{"the third fails", 3, func(b *breaker.Breaker) { end(b, 2, nil); end(b, 1, failed) }, breaker.Open},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := mustNew(t, breaker.Config{Probes: tt.probes})
				end(b, 5, failed)
				time.Sleep(breaker.DefaultOpenFor + time.Millisecond)
				tt.run(b)
				if got := b.State(); got != tt.want {
					t.Errorf("breaker is %v, want %v", got, tt.want)
				}
			})
		})
	}
}

func TestBreaker_countsStreamsAtTheirHead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := mustNew(t, breaker.Config{})
		end(b, 4, failed)
		w := enmeshtest.NewWire(enmeshtest.Answer(nil))
		_ = w.Do(t.Context(), enmesh.Fixed(false, b.Middleware())) // runs on
		end(b, 4, failed)
		if b.State() != breaker.Closed {
			t.Errorf("breaker is %v, want closed: a stream was answered between", b.State())
		}
		w.Finish(nil)
	})
}

func TestBreaker_refusesBadConfigs(t *testing.T) {
	for _, cfg := range []breaker.Config{
		{FailureRatio: -0.1}, {FailureRatio: 1.1}, {FailureRatio: math.NaN()}, {SlowRatio: 0.5}, {SlowAfter: time.Second, SlowRatio: 2},
		{SlowAfter: -1}, {SlowAfter: 2 * time.Hour}, {ProbeTimeout: -1}, {ProbeTimeout: 2 * time.Hour}, {Probes: 1001}, {Interval: -1}, {Interval: 2 * time.Hour}, {OpenFor: -1}, {OpenFor: 2 * time.Hour},
	} {
		if _, err := breaker.New(cfg); err == nil {
			t.Errorf("New(%+v) is accepted, want an error", cfg)
		}
	}
}

func TestBreaker_conforms(t *testing.T) {
	t.Run("gate", func(t *testing.T) {
		enmeshtest.TestGate(t, func() enmesh.Gate { return mustNew(t, breaker.Config{ConsecutiveFailures: 2}) })
	})
	t.Run("middleware", func(t *testing.T) {
		enmeshtest.TestMiddleware(t, func() enmesh.Middleware { return mustNew(t, breaker.Config{ConsecutiveFailures: 2}).Middleware() })
	})
	t.Run("half-open", func(t *testing.T) {
		enmeshtest.TestMiddleware(t, func() enmesh.Middleware {
			b := mustNew(t, breaker.Config{})
			end(b, 5, failed)
			time.Sleep(breaker.DefaultOpenFor + time.Millisecond)
			return enmesh.Guard(b)
		})
	})
}

func TestBreaker_allocatesNothing(t *testing.T) {
	for name, fails := range map[string]int{"allowed": 0, "refused": 5} {
		b := mustNew(t, breaker.Config{OpenFor: time.Hour, SlowAfter: time.Second, ConsecutiveFailures: 5})
		end(b, fails, failed)
		for form, m := range map[string]enmesh.Middleware{"middleware": b.Middleware(), "gate": enmesh.Guard(b)} {
			next := m(func(context.Context, *enmesh.Call) error { return nil })
			c := &enmesh.Call{Clock: enmesh.Now(), Protocol: enmesh.GRPC}
			if n := testing.AllocsPerRun(1000, func() { _ = next(context.Background(), c) }); n != 0 {
				t.Errorf("a call that is %s costs %v allocations as %s, want 0", name, n, form)
			}
		}
	}
}

// The benchmark beside gobreaker's own two steps, which is what a Breaker is compared with.
func BenchmarkBreaker(b *testing.B) {
	plain := func(open bool) func(context.Context, *enmesh.Call) error {
		two := gobreaker.NewTwoStepCircuitBreaker[struct{}](gobreaker.Settings{
			Interval: breaker.DefaultInterval, BucketPeriod: breaker.DefaultInterval / 10, Timeout: time.Hour,
			ReadyToTrip: func(gobreaker.Counts) bool { return open },
		})
		if done, err := two.Allow(); err == nil {
			done(failed)
		}
		return func(context.Context, *enmesh.Call) error {
			done, err := two.Allow()
			if err == nil {
				done(nil)
			}
			return err
		}
	}
	ours := func(cfg breaker.Config, open bool) func(context.Context, *enmesh.Call) error {
		cfg.OpenFor = time.Hour
		trip := mustNew(b, cfg)
		if open {
			end(trip, 5, failed)
		}
		return trip.Middleware()(func(context.Context, *enmesh.Call) error { return nil })
	}
	ctx := context.Background()
	for _, m := range []struct {
		name string
		next func(context.Context, *enmesh.Call) error
	}{
		{"closed", ours(breaker.Config{FailureRatio: 0.5}, false)}, {"closed in a row", ours(breaker.Config{}, false)}, {"closed gobreaker", plain(false)}, {"open", ours(breaker.Config{}, true)}, {"open gobreaker", plain(true)},
	} {
		b.Run(m.name+"/serial", func(b *testing.B) {
			c := &enmesh.Call{Clock: enmesh.Now()}
			b.ReportAllocs()
			for b.Loop() {
				_ = m.next(ctx, c)
			}
		})
		b.Run(m.name+"/parallel", func(b *testing.B) {
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				c := &enmesh.Call{Clock: enmesh.Now()}
				for pb.Next() {
					_ = m.next(ctx, c)
				}
			})
		})
	}
}
