// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package retry_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/enmeshtest"
	"github.com/enmesh-go/enmesh/resilience/retry"
)

// limited is retries of 5xx, one at once, and the calls that share them.
func limited(t *testing.T, cfg retry.Config) func(ctx context.Context, after time.Duration, steps ...enmeshtest.Step) (sent int, err error) {
	t.Helper()
	limit, err := retry.NewLimit(1)
	if err != nil {
		t.Fatal(err)
	}
	cfg.On, cfg.Limit = mustOn(t, "5xx"), limit
	route := enmesh.Fixed(true, mustNew(t, cfg))
	return func(ctx context.Context, after time.Duration, steps ...enmeshtest.Step) (sent int, err error) {
		if len(steps) == 0 {
			far := http(503)
			far.RetryAfter = after
			steps = []enmeshtest.Step{enmeshtest.Answer(far), enmeshtest.Answer(nil)}
		}
		w := enmeshtest.NewWire(steps...)
		w.Call().Idempotent = true
		err = w.Do(ctx, route)
		w.Finish(nil)
		return w.Sent(), err
	}
}

// A retry is under way from its backoff on until it is answered; one more is not made, and
// the caller has the answer that there was.
func TestLimit_boundsRetriesAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		budget := &purse{left: 9}
		call := limited(t, retry.Config{Budget: budget})
		done := make(chan int)
		go func() {
			sent, err := call(t.Context(), time.Second)
			if err != nil {
				t.Errorf("the first one got %v", err)
			}
			done <- sent
		}()
		synctest.Wait()
		sent, err := call(t.Context(), time.Second)
		if e := enmesh.ErrorOf(err); sent != 1 || e == nil || e.Status != 503 || budget.taken != 1 {
			t.Errorf("while one waits for its turn: sent %d, got %v, %d taken from the budget; want its own 503, and nothing taken", sent, err, budget.taken)
		}
		if sent := <-done; sent != 2 {
			t.Errorf("the first one was sent %d times, want 2", sent)
		}
		if sent, err := call(t.Context(), 0); sent != 2 || err != nil {
			t.Errorf("after it: sent %d, got %v, want a retry", sent, err)
		}
	})
}

// Whatever becomes of a retry, it makes room.
func TestLimit_isGivenBack(t *testing.T) {
	far := http(503)
	for name, spoil := range map[string]func(t *testing.T, call func(context.Context, time.Duration, ...enmeshtest.Step) (int, error)){
		"cancelled in its backoff": func(t *testing.T, call func(context.Context, time.Duration, ...enmeshtest.Step) (int, error)) {
			ctx, cancel := context.WithCancel(t.Context())
			time.AfterFunc(100*time.Millisecond, cancel)
			if _, err := call(ctx, time.Second); !errors.Is(err, enmesh.ErrCanceled) {
				t.Errorf("got %v, want ErrCanceled", err)
			}
		},
		"failed again and again": func(t *testing.T, call func(context.Context, time.Duration, ...enmeshtest.Step) (int, error)) {
			if sent, err := call(t.Context(), 0, enmeshtest.Answer(far), enmeshtest.Answer(far), enmeshtest.Answer(far)); sent != 3 || err == nil {
				t.Errorf("sent %d, got %v, want 3 and an error", sent, err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				call := limited(t, retry.Config{})
				spoil(t, call)
				if sent, err := call(t.Context(), 0); sent != 2 || err != nil {
					t.Errorf("afterwards: sent %d, got %v, want a retry", sent, err)
				}
			})
		})
	}
	t.Run("refused by the budget", func(t *testing.T) {
		budget := &purse{}
		call := limited(t, retry.Config{Budget: budget})
		if sent, _ := call(t.Context(), 0); sent != 1 {
			t.Errorf("sent %d, want 1", sent)
		}
		budget.left = 1
		if sent, err := call(t.Context(), 0); sent != 2 || err != nil {
			t.Errorf("afterwards: sent %d, got %v, want a retry", sent, err)
		}
	})
	t.Run("panicked", func(t *testing.T) {
		limit, err := retry.NewLimit(1)
		if err != nil {
			t.Fatal(err)
		}
		spoilt := mustNew(t, retry.Config{On: mustOn(t, "5xx"), Limit: limit})
		for range 2 {
			func() {
				defer func() { _ = recover() }()
				n := 0
				w := enmeshtest.NewWire(enmeshtest.Answer(far))
				w.Call().Idempotent = true
				_ = w.Do(t.Context(), enmesh.Fixed(true, spoilt, func(next enmesh.Next) enmesh.Next {
					return func(ctx context.Context, c *enmesh.Call) error {
						n++
						if n == 2 {
							panic("in the second attempt")
						}
						return next(ctx, c)
					}
				}))
				t.Error("no second attempt was made")
			}()
		}
	})
}

func TestNewLimit_refusesNone(t *testing.T) {
	for _, n := range []int{0, -1} {
		if _, err := retry.NewLimit(n); err == nil {
			t.Errorf("a limit of %d was made", n)
		}
	}
}
