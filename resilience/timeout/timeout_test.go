// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package timeout_test

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/enmeshtest"
	"github.com/enmesh-go/enmesh/resilience/timeout"
)

// unary makes the call of w one that does not stream.
func unary(w *enmeshtest.Wire) *enmeshtest.Wire {
	w.Call().Protocol = enmesh.GRPC
	return w
}

// after is a step that answers success after d, or ends with its context.
func after(d time.Duration) enmeshtest.Step {
	return func(ctx context.Context, c *enmesh.Call) error {
		select {
		case <-time.After(d):
			return nil
		case <-ctx.Done():
			return c.EndOf(ctx)
		}
	}
}

func TestTimeout_conforms(t *testing.T) {
	for name, m := range map[string]enmesh.Middleware{
		"overall": timeout.Overall(10 * time.Second),
		"attempt": timeout.Attempt(500 * time.Millisecond),
		"none":    timeout.Overall(0),
		"both":    enmesh.Chain(timeout.Overall(10*time.Second), timeout.Attempt(time.Second/2)),
	} {
		t.Run(name, func(t *testing.T) {
			enmeshtest.TestMiddleware(t, func() enmesh.Middleware { return m })
		})
	}
}

func TestAttempt_endsWithItsOwnError(t *testing.T) {
	for name, setup := range map[string]func(*enmeshtest.Wire) *enmeshtest.Wire{
		"unary":   unary,
		"streams": func(w *enmeshtest.Wire) *enmeshtest.Wire { return w },
		"watch": func(w *enmeshtest.Wire) *enmeshtest.Wire {
			w.Call().Kind = enmesh.ServerStream
			return unary(w)
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := setup(enmeshtest.NewWire(enmeshtest.Hang()))
				begin := time.Now()
				err := w.Do(t.Context(), enmesh.Fixed(false, timeout.Attempt(time.Second)))
				e := enmesh.ErrorOf(err)
				if e == nil || e.Code != enmesh.DeadlineExceeded || e.Flag != enmesh.FlagTimeout ||
					e.Outcome != enmesh.Failure || e.Status != 504 {
					t.Errorf("got %#v, want DeadlineExceeded, 504, UT, failure", e)
				}
				if !errors.Is(err, timeout.ErrTimeout) || !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("got %v, want ErrTimeout and context.DeadlineExceeded", err)
				}
				if took := time.Since(begin); took != time.Second {
					t.Errorf("took %v, want 1s", took)
				}
			})
		})
	}
}

func TestTimeout_theTighterWins(t *testing.T) {
	const step = time.Second
	tests := []struct {
		name             string
		caller           time.Duration // 0: none
		overall, attempt time.Duration
		took             time.Duration
		policy           string
	}{
		{"the caller's", step, 2 * step, 3 * step, step, ""},
		{"the call's", 3 * step, step, 2 * step, step, "timeout"},
		{"the attempt's", 3 * step, 2 * step, step, step, "timeout"},
		{"the same: the caller's", step, step, step, step, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), tt.caller)
				defer cancel()
				w := unary(enmeshtest.NewWire(enmeshtest.Hang()))
				begin := time.Now()
				err := w.Do(ctx, enmesh.Fixed(false, timeout.Overall(tt.overall), timeout.Attempt(tt.attempt)))
				if took := time.Since(begin); took != tt.took {
					t.Errorf("took %v, want %v", took, tt.took)
				}
				if got := enmesh.ErrorOf(err).Policy; got != tt.policy {
					t.Errorf("ended by policy %q, want %q", got, tt.policy)
				}
			})
		})
	}
}

// look runs one attempt and hands its context to f.
func look(t *testing.T, w *enmeshtest.Wire, ms []enmesh.Middleware, f func(ctx context.Context, c *enmesh.Call)) {
	t.Helper()
	spy := func(next enmesh.Next) enmesh.Next {
		return func(ctx context.Context, c *enmesh.Call) error {
			f(ctx, c)
			return next(ctx, c)
		}
	}
	if err := w.Do(t.Context(), enmesh.Fixed(false, append(ms, spy)...)); err != nil {
		t.Fatal(err)
	}
	w.Finish(nil)
}

func TestTimeout_tellsTheDeadlineOfUnaryCallsOnly(t *testing.T) {
	limit := []enmesh.Middleware{timeout.Overall(time.Minute)}
	look(t, unary(enmeshtest.NewWire()), limit, func(ctx context.Context, c *enmesh.Call) {
		deadline, ok := ctx.Deadline()
		if left := time.Until(deadline); !ok || left < 59*time.Second || left > time.Minute {
			t.Errorf("unary: deadline in %v, %v; want in a minute", left, ok)
		}
		if c.Expiry == nil || c.Expiry.Policy != "timeout" {
			t.Errorf("unary: expiry %v, want the policy's", c.Expiry)
		}
	})
	w := unary(enmeshtest.NewWire())
	w.Call().Kind = enmesh.Bidi
	look(t, w, limit, func(ctx context.Context, c *enmesh.Call) {
		if deadline, ok := ctx.Deadline(); ok || c.Expiry != nil {
			t.Errorf("stream: deadline %v, expiry %v; want none, since the far side would cut the stream", deadline, c.Expiry)
		}
	})
}

func TestTimeout_doesNotCutWhatRunsOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var body context.Context
		w := enmeshtest.NewWire(func(ctx context.Context, c *enmesh.Call) error {
			body = ctx
			return after(time.Second/2)(ctx, c)
		})
		if err := w.Do(t.Context(), enmesh.Fixed(false, timeout.Overall(2*time.Second), timeout.Attempt(time.Second))); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour)
		if err := body.Err(); err != nil {
			t.Errorf("after an hour the body's context is %v, want alive", err)
		}
		w.Finish(nil)
		if err := body.Err(); !errors.Is(err, context.Canceled) {
			t.Errorf("after the end the body's context is %v, want cancelled", err)
		}
	})
}

func TestTimeout_anErrorsBodyCanStillBeRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var body context.Context
		far := &enmesh.Error{Code: enmesh.Unavailable, Outcome: enmesh.Failure, Status: 503}
		w := enmeshtest.NewWire(func(ctx context.Context, c *enmesh.Call) error {
			body, c.Answer.Status = ctx, 503
			return far
		})
		alive := func(next enmesh.Next) enmesh.Next {
			return func(ctx context.Context, c *enmesh.Call) error {
				err := next(ctx, c)
				if body.Err() != nil {
					t.Errorf("the answer is held, but its context is %v", body.Err())
				}
				return err
			}
		}
		err := w.Do(t.Context(), enmesh.Fixed(false, alive, timeout.Attempt(time.Second)))
		if err != error(far) {
			t.Errorf("got %v, want the far side's error", err)
		}
		if body.Err() == nil {
			t.Error("the call has ended, but its context is alive")
		}
	})
}

func TestTimeout_hearsTheCaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(time.Second, func() { cancel(errors.New("had enough")) })
		w := enmeshtest.NewWire(enmeshtest.Hang())
		err := w.Do(ctx, enmesh.Fixed(false, timeout.Attempt(time.Minute)))
		if !errors.Is(err, enmesh.ErrCanceled) {
			t.Errorf("got %v, want ErrCanceled", err)
		}
	})
}

func TestTimeout_derivedContextsStartNoGoroutineAndKnowTheCause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		type key struct{}
		w := enmeshtest.NewWire(func(ctx context.Context, c *enmesh.Call) error {
			wrapped := context.WithValue(ctx, key{}, 1)
			before := runtime.NumGoroutine()
			derived, cancel := context.WithCancel(wrapped)
			defer cancel()
			if n := runtime.NumGoroutine(); n > before {
				t.Errorf("deriving a context started %d goroutines", n-before)
			}
			<-derived.Done()
			if got := enmesh.EndOf(derived); got == nil || got.Policy != "timeout" {
				t.Errorf("EndOf of a derived context is %v, want the policy's error", got)
			}
			if !errors.Is(wrapped.Err(), context.DeadlineExceeded) {
				t.Errorf("Err is %v, want DeadlineExceeded", wrapped.Err())
			}
			return c.EndOf(derived)
		})
		err := w.Do(t.Context(), enmesh.Fixed(false, timeout.Attempt(time.Second)))
		if !errors.Is(err, timeout.ErrTimeout) {
			t.Errorf("got %v, want ErrTimeout", err)
		}
	})
}

// A server's handler that has begun its answer is left alone; one that has not is
// told.
func TestTimeout_onAServer(t *testing.T) {
	for _, tt := range []struct {
		name     string
		answered bool
	}{{"streaming", true}, {"silent", false}} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var keeper *enmesh.Carrier
				w := enmeshtest.NewWire(func(ctx context.Context, c *enmesh.Call) error {
					keeper = enmesh.CarrierOf(ctx)
					if tt.answered {
						keeper.Answered(enmesh.Now())
					}
					return after(time.Hour)(ctx, c)
				})
				w.Call().Side = enmesh.Server
				err := w.Do(t.Context(), enmesh.Fixed(false, timeout.Overall(time.Second)))
				if got, want := err == nil, tt.answered; got != want {
					t.Errorf("handler ended with %v", err)
				}
				w.Finish(nil)
				if keeper.Reusable() {
					t.Error("the record may be used again, and the timer may still look at it")
				}
			})
		})
	}
}

// The far side answers at the very moment that the limit passes, many times over:
// whoever is first, the error and the context agree.
func TestTimeout_answerRacesTheLimit(t *testing.T) {
	r := enmesh.Fixed(false, timeout.Attempt(2*time.Millisecond))
	var wg sync.WaitGroup
	var mu sync.Mutex
	ends := map[enmesh.Code]int{}
	for i := range 8 {
		wg.Go(func() {
			for n := range 40 {
				var body context.Context
				w := enmeshtest.NewWire(func(ctx context.Context, c *enmesh.Call) error {
					body = ctx
					wait := time.NewTimer(2*time.Millisecond + time.Duration(n-20)*10*time.Microsecond)
					defer wait.Stop()
					select {
					case <-wait.C:
						return nil
					case <-ctx.Done():
						return c.EndOf(ctx)
					}
				})
				if i%2 == 0 {
					unary(w)
				}
				err := w.Do(context.Background(), r)
				if err == nil && i%2 == 1 && body.Err() != nil {
					t.Errorf("success, but what runs on is cut: %v", body.Err())
				}
				if err != nil && !errors.Is(err, timeout.ErrTimeout) {
					t.Errorf("got %v, want ErrTimeout", err)
				}
				w.Finish(nil)
				mu.Lock()
				ends[enmesh.CodeOf(err)]++
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	t.Log(ends)
}

// A margin is kept back from the caller's deadline, which stays the caller's.
func TestMargin_keepsBackOfTheCallersTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		margin := timeout.Margin(100 * time.Millisecond)
		for _, tt := range []struct {
			limit, took time.Duration
			sent        int
		}{{time.Second, 900 * time.Millisecond, 1}, {100 * time.Millisecond, 0, 0}, {50 * time.Millisecond, 0, 0}} {
			ctx, cancel := context.WithTimeout(t.Context(), tt.limit)
			w := unary(enmeshtest.NewWire(enmeshtest.Hang()))
			begun := time.Now()
			err := w.Do(ctx, enmesh.Fixed(false, margin))
			if !errors.Is(err, enmesh.ErrDeadline) || time.Since(begun) != tt.took || w.Sent() != tt.sent {
				t.Errorf("of %v: %v after %v, sent %d; want the caller's deadline after %v, sent %d", tt.limit, err, time.Since(begun), w.Sent(), tt.took, tt.sent)
			}
			cancel()
		}
		look(t, unary(enmeshtest.NewWire()), []enmesh.Middleware{margin}, func(ctx context.Context, c *enmesh.Call) {
			if _, ok := ctx.Deadline(); ok || c.Expiry != nil {
				t.Error("a call without a deadline got one")
			}
		})
	})
}

// A timer that is seconds late says that this process stood still, not that the far side was slow.
func TestTimeout_aStandstillIsNobodysFault(t *testing.T) {
	now := time.Now()
	for late, want := range map[time.Duration]bool{0: false, time.Second: false, 1100 * time.Millisecond: true} {
		if got := enmesh.Standstill(now, now.Add(late)); got != want {
			t.Errorf("%v late is a standstill: %v", late, got)
		}
	}
	if e := enmesh.ErrStandstill; e.Outcome != enmesh.Neutral || !errors.Is(e, context.DeadlineExceeded) {
		t.Errorf("%#v", e)
	}
}
