// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package throttle_test

import (
	"context"
	"errors"
	"math"
	"testing"
	"testing/synctest"
	"time"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/enmeshtest"
	"github.com/enmesh-go/enmesh/resilience"
	"github.com/enmesh-go/enmesh/resilience/throttle"
)

func always(uint32) uint32 { return 0 }

// saying makes n calls that the far side ends with err, and returns how many were sent.
func saying(t *testing.T, m enmesh.Middleware, n int, err error) (sent int, last error) {
	t.Helper()
	for range n {
		w := enmeshtest.NewWire(enmeshtest.Answer(err))
		last = w.Do(t.Context(), enmesh.Fixed(false, m))
		w.Finish(nil)
		sent += w.Sent()
	}
	return sent, last
}

func TestThrottle_countsWhatSaysOverloaded(t *testing.T) {
	tests := []struct {
		name    string
		on      string
		err     error
		refuses bool
	}{
		{"503", "", overloaded, true},
		{"429", "", &enmesh.Error{Code: enmesh.ResourceExhausted, Outcome: enmesh.Failure, Status: 429}, true},
		{"gRPC UNAVAILABLE", "", &enmesh.Error{Code: enmesh.Unavailable, Outcome: enmesh.Failure}, true},
		{"500", "", &enmesh.Error{Code: enmesh.Internal, Outcome: enmesh.Failure, Status: 500}, false},
		{"404", "", &enmesh.Error{Code: enmesh.NotFound, Outcome: enmesh.Neutral, Status: 404}, false},
		{"a refusal of our own", "", &enmesh.Error{Code: enmesh.Unavailable, Outcome: enmesh.Neutral, Status: 503, Policy: "breaker"}, false},
		{"a failed connect", "", &enmesh.Error{Code: enmesh.Unavailable, Outcome: enmesh.Failure, Flag: enmesh.FlagConnectFailure}, false},
		{"cancelled", "", enmesh.ErrCanceled, false},
		{"foreign", "", errors.New("foreign"), false},
		{"500 when listed", "500", &enmesh.Error{Code: enmesh.Internal, Outcome: enmesh.Failure, Status: 500}, true},
		{"503 when not listed", "500", overloaded, false},
		{"no answer when listed", "no-answer", &enmesh.Error{Code: enmesh.Unavailable, Outcome: enmesh.Failure, Flag: enmesh.FlagConnectFailure}, true},
		{"success", "", nil, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cfg := throttle.Config{MinPerSecond: -1, Overloaded: resilience.MustOn(tt.on)}
				th := mustNew(t, cfg, throttle.Draw(always))
				sent, err := saying(t, th.Middleware(), 100, tt.err)
				if refused := sent < 100; refused != tt.refuses {
					t.Errorf("%d of 100 calls sent, want some refused: %v", sent, tt.refuses)
				}
				if !tt.refuses {
					return
				}
				if sent != throttle.DefaultMinRequests {
					t.Errorf("%d sent, want the first %d and no more", sent, throttle.DefaultMinRequests)
				}
				e := enmesh.ErrorOf(err)
				if !errors.Is(err, throttle.ErrThrottled) || e.Code != enmesh.Unavailable || e.Status != 503 || e.Flag != enmesh.FlagOverflow ||
					e.Outcome != enmesh.Neutral || !e.Unsent || e.RetryAfter != 6*time.Second {
					t.Errorf("refusal is %#v, want Unavailable, 503, UO, neutral, unsent, after 6s", e)
				}
			})
		})
	}
}

func TestThrottle_sendsSomeInAnyCase(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		th := mustNew(t, throttle.Config{MinPerSecond: 2}, throttle.Draw(always))
		saying(t, th.Middleware(), 100, overloaded)
		sent := 0
		for range 100 {
			time.Sleep(100 * time.Millisecond)
			n, _ := saying(t, th.Middleware(), 1, overloaded)
			sent += n
		}
		if sent < 19 || sent > 21 {
			t.Errorf("%d calls sent within 10 s, want 2 a second", sent)
		}
	})
}

// Many calls may begin at once: those without an answer do not count against the far side.
func TestThrottle_bearsABurst(t *testing.T) {
	th := mustNew(t, throttle.Config{MinPerSecond: -1}, throttle.Draw(always))
	now := enmesh.Now()
	var tokens []enmesh.Token
	for i := range 10_000 {
		token, ok := th.AdmitAt(now, enmesh.Critical)
		if !ok {
			t.Fatalf("call %d of a burst is refused", i)
		}
		tokens = append(tokens, token)
	}
	for _, token := range tokens {
		th.Done(token, enmesh.Result{})
	}
	if got := th.Share(); got != 0 {
		t.Errorf("the share refused is %v, want 0", got)
	}
}

func TestThrottle_inShadowRefusesNothing(t *testing.T) {
	for _, form := range []string{"config", "gate"} {
		t.Run(form, func(t *testing.T) {
			r := &enmeshtest.Recorder{}
			th := mustNew(t, throttle.Config{MinPerSecond: -1, Shadow: form == "config", Recorder: r}, throttle.Draw(always))
			m := th.Middleware()
			if form == "gate" {
				m = enmesh.Guard(enmesh.Shadow(th, "throttle", r))
			}
			sent, err := saying(t, m, 100, overloaded)
			if sent != 100 || !errors.Is(err, overloaded) {
				t.Errorf("%d of 100 sent, the last ends with %v; want all, and the far side's error", sent, err)
			}
			if got := r.Decisions(); len(got) != 80 || got[0] != (enmesh.Decision{Policy: "throttle", Action: enmesh.ActionRefuse, Shadow: true}) {
				t.Errorf("recorded %d decisions, want 80 refusals in shadow", len(got))
			}
		})
	}
}

func TestThrottle_refusesBadConfigs(t *testing.T) {
	for _, cfg := range []throttle.Config{
		{Multiplier: 1}, {Multiplier: -2}, {Multiplier: 101}, {Multiplier: math.NaN()},
		{Window: -1}, {Window: time.Millisecond}, {Window: 2 * time.Hour}, {MinPerSecond: 1001},
	} {
		if _, err := throttle.New(cfg); err == nil {
			t.Errorf("New(%+v) is accepted, want an error", cfg)
		}
	}
}

func TestThrottle_conforms(t *testing.T) {
	for _, busy := range []bool{false, true} {
		build := func() *throttle.Throttle {
			th := mustNew(t, throttle.Config{MinRequests: 1}, throttle.Draw(always))
			for range 10 {
				if token, ok := th.AdmitAt(enmesh.Now(), enmesh.Critical); ok && busy {
					th.Done(token, enmesh.Result{Err: overloaded})
				}
			}
			return th
		}
		t.Run("gate", func(t *testing.T) { enmeshtest.TestGate(t, func() enmesh.Gate { return build() }) })
		t.Run("middleware", func(t *testing.T) {
			enmeshtest.TestMiddleware(t, func() enmesh.Middleware { return build().Middleware() })
		})
	}
}

// busy is a throttle that refuses everything.
func busy(tb testing.TB) *throttle.Throttle {
	tb.Helper()
	th := mustNew(tb, throttle.Config{MinPerSecond: -1, Window: time.Hour}, throttle.Draw(always))
	now := enmesh.Now()
	for range 100 {
		if token, ok := th.AdmitAt(now, enmesh.Critical); ok {
			th.Done(token, enmesh.Result{Err: overloaded})
		}
	}
	return th
}

func TestThrottle_allocatesNothing(t *testing.T) {
	for name, th := range map[string]*throttle.Throttle{"allowed": mustNew(t, throttle.Config{}), "refused": busy(t)} {
		next := th.Middleware()(func(context.Context, *enmesh.Call) error { return nil })
		c := &enmesh.Call{Clock: enmesh.Now()}
		if n := testing.AllocsPerRun(1000, func() { _ = next(context.Background(), c) }); n != 0 {
			t.Errorf("a call that is %s allocates %v times, want 0", name, n)
		}
	}
}

func BenchmarkThrottle(b *testing.B) {
	for name, build := range map[string]func() *throttle.Throttle{
		"allowed": func() *throttle.Throttle { return mustNew(b, throttle.Config{}) },
		"refused": func() *throttle.Throttle { return busy(b) },
	} {
		next := build().Middleware()(func(context.Context, *enmesh.Call) error { return nil })
		ctx := context.Background()
		b.Run(name+"/serial", func(b *testing.B) {
			c := &enmesh.Call{Clock: enmesh.Now()}
			b.ReportAllocs()
			for b.Loop() {
				_ = next(ctx, c)
			}
		})
		b.Run(name+"/parallel", func(b *testing.B) {
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				c := &enmesh.Call{Clock: enmesh.Now()}
				for pb.Next() {
					_ = next(ctx, c)
				}
			})
		})
	}
}
