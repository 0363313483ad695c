// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package retry_test

import (
	"context"
	"errors"
	"math"
	"testing"
	"testing/synctest"
	"time"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/enmeshtest"
	"github.com/enmesh-go/enmesh/resilience/retry"
)

// mustNew makes a retry that a test needs.
func mustNew(tb testing.TB, cfg retry.Config) enmesh.Middleware {
	tb.Helper()
	m, err := retry.New(cfg)
	if err != nil {
		tb.Fatal(err)
	}
	return m
}

func mustOn(tb testing.TB, s string) retry.On {
	tb.Helper()
	on, err := retry.ParseOn(s)
	if err != nil {
		tb.Fatal(err)
	}
	return on
}

// purse is a budget of a fixed size.
type purse struct{ left, taken, refunded int }

func (p *purse) Take() bool {
	if p.left == 0 {
		return false
	}
	p.left--
	p.taken++
	return true
}

func (p *purse) Refund() { p.left++; p.refunded++ }

// The errors that adapters make.
var (
	connect      = &enmesh.Error{Code: enmesh.Unavailable, Outcome: enmesh.Failure, Unsent: true, Flag: enmesh.FlagConnectFailure}
	refused      = &enmesh.Error{Code: enmesh.Unavailable, Outcome: enmesh.Failure, Unsent: true, Flag: enmesh.FlagConnectionEnded}
	errNoHost    = &enmesh.Error{Code: enmesh.Unavailable, Outcome: enmesh.Failure, Unsent: true, Flag: enmesh.FlagNoHealthy, Policy: "balance"}
	errNoCluster = &enmesh.Error{Code: enmesh.Unavailable, Outcome: enmesh.Failure, Unsent: true, Status: 503, Flag: enmesh.FlagNoCluster, Policy: "balance"}
	reset        = &enmesh.Error{Code: enmesh.Unavailable, Outcome: enmesh.Failure, Flag: enmesh.FlagConnectionEnded}
	slow         = &enmesh.Error{Code: enmesh.DeadlineExceeded, Outcome: enmesh.Failure, Status: 504, Flag: enmesh.FlagTimeout, Policy: "timeout"}
	open         = &enmesh.Error{Code: enmesh.Unavailable, Outcome: enmesh.Neutral, Unsent: true, Status: 503, Flag: enmesh.FlagOverflow, Policy: "breaker"}
	errForeign   = errors.New("foreign")
)

func http(status int) *enmesh.Error {
	code := enmesh.CodeOfStatus(status)
	return &enmesh.Error{Code: code, Outcome: enmesh.OutcomeOfCode(code), Status: status}
}

func grpc(code enmesh.Code) *enmesh.Error {
	return &enmesh.Error{Code: code, Outcome: enmesh.OutcomeOfCode(code)}
}

const istio = "connect-failure,refused-stream,unavailable,cancelled"

func TestRetry_whatIsTriedAgain(t *testing.T) {
	tests := []struct {
		name       string
		on         string // "" is the zero On
		strict     bool
		idempotent bool
		err        error
		header     string // of the answer
		again      bool
	}{
		{name: "503 is not in Istio's list", on: istio, idempotent: true, err: http(503)},
		{name: "503 listed", on: "503", idempotent: true, err: http(503), again: true},
		{name: "503 listed, POST", on: "503", err: http(503)},
		{name: "5xx", on: "5xx", idempotent: true, err: http(500), again: true},
		{name: "5xx is not 429", on: "5xx", idempotent: true, err: http(429)},
		{name: "5xx without an answer", on: "5xx", idempotent: true, err: reset, again: true},
		{name: "5xx, attempt timeout", on: "5xx", idempotent: true, err: slow, again: true},
		{name: "5xx is no gRPC code", on: "5xx", idempotent: true, err: grpc(enmesh.Unavailable)},
		{name: "gateway-error", on: "gateway-error", idempotent: true, err: http(502), again: true},
		{name: "gateway-error is not 500", on: "gateway-error", idempotent: true, err: http(500)},
		{name: "reset", on: "reset", idempotent: true, err: reset, again: true},
		{name: "reset, POST", on: "reset", err: reset},
		{name: "reset, POST that was not sent", on: "reset", err: refused, again: true},
		{name: "reset, attempt timeout, POST", on: "reset", err: slow},
		{name: "reset is no answer", on: "reset", idempotent: true, err: http(503)},
		{name: "reset-before-request", on: "reset-before-request", err: refused, again: true},
		{name: "reset-before-request, sent", on: "reset-before-request", idempotent: true, err: reset},
		{name: "connect-failure", on: "connect-failure", err: connect, again: true},
		{name: "connect-failure, no endpoint", on: "connect-failure", err: errNoHost},
		{name: "5xx, no endpoint", on: "5xx", idempotent: true, err: errNoHost},
		{name: "connect-failure is no refused stream", on: "connect-failure", err: refused},
		{name: "refused-stream", on: "refused-stream", err: refused, again: true},
		{name: "refused-stream is no connect failure", on: "refused-stream", err: connect},
		{name: "retriable-4xx", on: "retriable-4xx", idempotent: true, err: http(409), again: true},
		{name: "retriable-4xx is 409 alone", on: "retriable-4xx", idempotent: true, err: http(429)},
		{name: "envoy-ratelimited", on: "envoy-ratelimited", idempotent: true, err: http(429), header: "X-Envoy-Ratelimited", again: true},
		{name: "rate-limited, not listed", on: "429", idempotent: true, err: http(429), header: "X-Envoy-Ratelimited"},
		{name: "overloaded", on: "5xx", idempotent: true, err: http(503), header: "X-Envoy-Overloaded"},
		{name: "retriable-status-codes alone", on: "retriable-status-codes", idempotent: true, err: http(503)},
		{name: "a listed code is consent", on: istio, err: grpc(enmesh.Unavailable), again: true},
		{name: "a listed code is no consent when strict", on: istio, strict: true, err: grpc(enmesh.Unavailable)},
		{name: "strict, idempotent", on: istio, strict: true, idempotent: true, err: grpc(enmesh.Unavailable), again: true},
		{name: "a default code is no consent", err: grpc(enmesh.Unavailable)},
		{name: "a default code, idempotent", idempotent: true, err: grpc(enmesh.Unavailable), again: true},
		{name: "the default, connect failure", err: connect, again: true},
		{name: "a code that is not listed", on: istio, idempotent: true, err: grpc(enmesh.Internal)},
		{name: "unavailable, lost connection", on: istio, idempotent: true, err: reset, again: true},
		{name: "unavailable, lost connection, POST", on: istio, err: reset},
		{name: "deadline-exceeded, attempt timeout", on: "deadline-exceeded", idempotent: true, err: slow, again: true},
		{name: "deadline-exceeded, attempt timeout, POST", on: "deadline-exceeded", err: slow},
		{name: "unavailable is no 503", on: "unavailable", idempotent: true, err: http(503)},
		{name: "a refusal", on: "5xx,unavailable,503,reset", idempotent: true, err: open},
		{name: "an unknown destination", on: "5xx,unavailable,503,connect-failure", idempotent: true, err: errNoCluster},
		{name: "a foreign error", on: "5xx,reset", idempotent: true, err: errForeign},
		{name: "the caller cancelled", on: "cancelled,reset,5xx", err: enmesh.ErrCanceled},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := enmeshtest.NewWire(func(_ context.Context, c *enmesh.Call) error {
					if tt.header != "" {
						c.Answer.Header = enmeshtest.Header{tt.header: {"true"}}
					}
					return tt.err
				}, enmeshtest.Answer(nil))
				w.Call().Idempotent = tt.idempotent
				cfg := retry.Config{On: mustOn(t, tt.on), Strict: tt.strict}
				err := w.Do(t.Context(), enmesh.Fixed(true, mustNew(t, cfg)))
				if got := w.Sent() == 2; got != tt.again {
					t.Errorf("sent %d times, want again: %v", w.Sent(), tt.again)
				}
				if !tt.again && err != tt.err {
					t.Errorf("got %v, want the attempt's own error", err)
				}
				w.Finish(nil)
			})
		})
	}
}

func TestRetry_lastErrorIsStillTheAnswersOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		far := http(503)
		w := enmeshtest.NewWire(enmeshtest.Answer(http(503)), enmeshtest.Answer(http(503)), enmeshtest.Answer(far))
		w.Call().Idempotent = true
		err := w.Do(t.Context(), enmesh.Fixed(true, mustNew(t, retry.Config{On: mustOn(t, "5xx")})))
		if !errors.Is(err, far) {
			t.Errorf("got %v, want the last attempt's error in it", err)
		}
		e := enmesh.ErrorOf(err)
		if e.Flag != enmesh.FlagRetriesExhausted || e.Status != 503 || e.Outcome != enmesh.Failure || e.Policy != "" {
			t.Errorf("got %#v, want 503, URX, failure, of the far side", e)
		}
		if far.Flag != "" || far.Err != nil {
			t.Errorf("the far side's error was written: %#v", far)
		}
		if w.Sent() != 3 || w.Discarded() != 2 {
			t.Errorf("sent %d, dropped %d answers; want 3 and 2", w.Sent(), w.Discarded())
		}
	})
}

// As in Envoy, the flag of the last attempt stands before URX.
func TestRetry_exhaustedKeepsTheCausesFlag(t *testing.T) {
	answer := func(flag enmesh.Flag) *enmesh.Error {
		return &enmesh.Error{Code: enmesh.Unavailable, Outcome: enmesh.Failure, Unsent: true, Flag: flag, Policy: "balance"}
	}
	for _, tt := range []struct{ cause, want enmesh.Flag }{
		{"", "URX"},
		{enmesh.FlagConnectFailure, "UF,URX"},
		{enmesh.FlagConnectionEnded, "UC,URX"},
		{enmesh.FlagTimeout, "UT,URX"},
		{enmesh.FlagRetriesExhausted, "URX"},
		{"UF,URX", "UF,URX"},
		{"XX", "XX,URX"},
	} {
		t.Run(string(tt.cause), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				step := enmeshtest.Answer(answer(tt.cause))
				err := enmeshtest.NewWire(step, step).Do(t.Context(),
					enmesh.Fixed(true, mustNew(t, retry.Config{MaxAttempts: 2, On: mustOn(t, "reset,connect-failure")})))
				e := enmesh.ErrorOf(err)
				if e.Flag != tt.want || !e.Flag.Has(enmesh.FlagRetriesExhausted) || e.Policy != "retry" {
					t.Errorf("flag %q of %q, want %q of retry", e.Flag, e.Policy, tt.want)
				}
			})
		})
	}
}

// A retry inside a retry: the outer one goes by the cause, which the inner one's
// URX does not hide, and says URX once.
func TestRetry_goesByTheCauseOfAnInnerRetry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		again := mustNew(t, retry.Config{MaxAttempts: 2, On: mustOn(t, "connect-failure")})
		w := enmeshtest.NewWire(enmeshtest.Answer(connect), enmeshtest.Answer(connect), enmeshtest.Answer(connect), enmeshtest.Answer(connect))
		err := w.Do(t.Context(), enmesh.Fixed(true, again, again))
		if e := enmesh.ErrorOf(err); e.Flag != "UF,URX" || w.Sent() != 4 || !errors.Is(err, connect) {
			t.Errorf("got %v after %d attempts, want UF,URX after 4", err, w.Sent())
		}
	})
}

func TestRetry_leavesTheErrorAlone(t *testing.T) {
	far := http(503)
	tests := []struct {
		name  string
		cfg   retry.Config
		steps []enmeshtest.Step
		want  error
		sent  int
	}{
		{"one attempt allowed", retry.Config{MaxAttempts: 1}, []enmeshtest.Step{enmeshtest.Answer(far)}, far, 1},
		{"the last is not retriable", retry.Config{}, []enmeshtest.Step{enmeshtest.Answer(http(503)), enmeshtest.Answer(http(503)), enmeshtest.Answer(open)}, open, 3},
		{"budget empty", retry.Config{Budget: &purse{}}, []enmeshtest.Step{enmeshtest.Answer(far)}, far, 1},
		{"budget empty at the second", retry.Config{Budget: &purse{left: 1}}, []enmeshtest.Step{enmeshtest.Answer(http(503)), enmeshtest.Answer(far)}, far, 2},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := enmeshtest.NewWire(tt.steps...)
				w.Call().Idempotent = true
				tt.cfg.On = mustOn(t, "5xx")
				if err := w.Do(t.Context(), enmesh.Fixed(true, mustNew(t, tt.cfg))); err != tt.want {
					t.Errorf("got %v, want %v itself", err, tt.want)
				}
				if w.Sent() != tt.sent || w.Discarded() != tt.sent-1 {
					t.Errorf("sent %d, dropped %d answers; want %d, %d", w.Sent(), w.Discarded(), tt.sent, tt.sent-1)
				}
			})
		})
	}
}

func TestRetry_keepsTheAnswerWhenTheBackoffDoesNotFit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		far := http(503)
		far.RetryAfter = time.Minute
		budget := &purse{left: 9}
		w := enmeshtest.NewWire(enmeshtest.Answer(far))
		w.Call().Idempotent = true
		cfg := retry.Config{On: mustOn(t, "5xx"), MaxBackoff: time.Minute, Budget: budget}
		err := w.Do(ctx, enmesh.Fixed(true, mustNew(t, cfg)))
		if err != error(far) || w.Discarded() != 0 || budget.taken != 0 {
			t.Errorf("got %v, dropped %d, budget %+v; want the answer kept and nothing taken", err, w.Discarded(), budget)
		}
	})
}

func TestRetry_honoursPushback(t *testing.T) {
	tests := []struct {
		name     string
		after    time.Duration
		sent     int
		min, max time.Duration // waited
	}{
		{"do not", -1, 1, 0, 0},
		{"a wish", 700 * time.Millisecond, 2, 700 * time.Millisecond, 725 * time.Millisecond},
		{"absurd", 99999 * time.Second, 2, 2500 * time.Millisecond, 2525 * time.Millisecond},
		{"none", 0, 2, 0, 25 * time.Millisecond},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				far := http(503)
				far.RetryAfter = tt.after
				w := enmeshtest.NewWire(enmeshtest.Answer(far), enmeshtest.Answer(nil))
				w.Call().Idempotent = true
				begin := time.Now()
				_ = w.Do(t.Context(), enmesh.Fixed(true, mustNew(t, retry.Config{On: mustOn(t, "5xx")})))
				if waited := time.Since(begin); w.Sent() != tt.sent || waited < tt.min || waited > tt.max {
					t.Errorf("sent %d after %v, want %d after %v to %v", w.Sent(), waited, tt.sent, tt.min, tt.max)
				}
				w.Finish(nil)
			})
		})
	}
}

func TestRetry_refundsWhatItDoesNotUse(t *testing.T) {
	t.Run("cancelled in the backoff", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			time.AfterFunc(time.Second, cancel)
			far := http(503)
			far.RetryAfter = 2 * time.Second
			budget := &purse{left: 1}
			w := enmeshtest.NewWire(enmeshtest.Answer(far))
			w.Call().Idempotent = true
			err := w.Do(ctx, enmesh.Fixed(true, mustNew(t, retry.Config{On: mustOn(t, "5xx"), Budget: budget})))
			if !errors.Is(err, enmesh.ErrCanceled) || budget.left != 1 || budget.refunded != 1 {
				t.Errorf("got %v, budget %+v; want ErrCanceled and one refund", err, budget)
			}
		})
	})
	t.Run("cannot be sent again", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			budget := &purse{left: 1}
			far := http(503)
			w := enmeshtest.NewWire(enmeshtest.Answer(far))
			w.Once, w.Call().Idempotent = true, true
			err := w.Do(t.Context(), enmesh.Fixed(true, mustNew(t, retry.Config{On: mustOn(t, "5xx"), Budget: budget})))
			if err != error(far) || budget.left != 1 || w.Discarded() != 0 {
				t.Errorf("got %v, budget %+v; want the answer kept and nothing spent", err, budget)
			}
		})
	})
}

// The n-th wait is uniform in [0, (2^n-1)*base), cut at the maximum.
func TestRetry_backoffIsFullJitter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const rounds, retries = 400, 6
		var most [retries]time.Duration
		var sum [retries]time.Duration
		m := mustNew(t, retry.Config{MaxAttempts: retries + 1, On: mustOn(t, "5xx")})
		for range rounds {
			var last time.Time
			n := -1
			w := enmeshtest.NewWire(func(context.Context, *enmesh.Call) error {
				if n >= 0 {
					waited := time.Since(last)
					most[n] = max(most[n], waited)
					sum[n] += waited
				}
				n, last = n+1, time.Now()
				return http(503)
			})
			w.Call().Idempotent = true
			_ = w.Do(t.Context(), enmesh.Fixed(true, m))
		}
		for i := range retries {
			ceiling := min(time.Duration(math.Pow(2, float64(i+1))-1)*25*time.Millisecond, 250*time.Millisecond)
			mean := sum[i] / rounds
			if most[i] > ceiling || most[i] < ceiling*9/10 || mean < ceiling*4/10 || mean > ceiling*6/10 {
				t.Errorf("retry %d waited %v on average, %v at most; want uniform below %v", i+1, mean, most[i], ceiling)
			}
		}
	})
}

func TestRetry_refusesBadConfigs(t *testing.T) {
	for _, cfg := range []retry.Config{
		{MaxAttempts: -1},
		{MaxAttempts: 101},
		{BaseBackoff: -1},
		{BaseBackoff: 2 * time.Hour},
		{BaseBackoff: time.Second, MaxBackoff: time.Millisecond},
		{MaxBackoff: 25 * time.Hour},
	} {
		if _, err := retry.New(cfg); err == nil {
			t.Errorf("New(%+v) is accepted, want an error", cfg)
		}
	}
}

func TestRetry_conforms(t *testing.T) {
	enmeshtest.TestMiddleware(t, func() enmesh.Middleware {
		return mustNew(t, retry.Config{MaxAttempts: 4, On: mustOn(t, "5xx,reset,unavailable")})
	})
}

func TestRetry_costsNothingWhenAllIsWell(t *testing.T) {
	next := mustNew(t, retry.Config{})(func(context.Context, *enmesh.Call) error { return nil })
	c, ctx := &enmesh.Call{}, context.Background()
	if n := testing.AllocsPerRun(1000, func() { _ = next(ctx, c) }); n != 0 {
		t.Errorf("a call that succeeds costs %v allocations, want 0", n)
	}
}

func BenchmarkRetry_success(b *testing.B) {
	next := mustNew(b, retry.Config{})(func(context.Context, *enmesh.Call) error { return nil })
	c, ctx := &enmesh.Call{}, context.Background()
	b.ReportAllocs()
	for b.Loop() {
		_ = next(ctx, c)
	}
}

func BenchmarkRetry_notRetriable(b *testing.B) {
	w := enmeshtest.NewWire()
	_ = w.Do(context.Background(), enmesh.Fixed(true))
	far := http(404)
	next := mustNew(b, retry.Config{On: mustOn(b, "5xx")})(func(context.Context, *enmesh.Call) error { return far })
	ctx := context.Background()
	b.ReportAllocs()
	for b.Loop() {
		_ = next(ctx, w.Call())
	}
}
