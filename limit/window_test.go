// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package limit_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/limit"
)

func TestFixedWindow_isAlignedToTheClock(t *testing.T) {
	w := must[*limit.FixedWindow](t)(limit.NewFixedWindow(limit.FixedConfig{Limit: 2, Window: time.Minute}))
	for i, tt := range []struct {
		after time.Duration // after the fortieth second of a minute
		n     int
		want  bool
	}{
		{0, 2, true},
		{0, 1, false},
		{20*time.Second - 1, 1, false},
		{20 * time.Second, 2, true}, // the next minute
		{19 * time.Second, 1, false},
		{79 * time.Second, 1, false},
		{80 * time.Second, 3, false},
		{80 * time.Second, 1, true},
	} {
		if got := w.AllowAt(aligned.Add(tt.after), tt.n); got != tt.want {
			t.Errorf("%d: %d units after %v: %v, want %v", i, tt.n, tt.after, got, tt.want)
		}
	}
}

// Whoever waits for a window has it when it has room, and nobody has more than it gives.
func TestWindows_wait(t *testing.T) {
	type waiter = func(ctx context.Context, n int) error
	for name, of := range map[string]func(t *testing.T) waiter{
		"FixedWindow": func(t *testing.T) waiter {
			return must[*limit.FixedWindow](t)(limit.NewFixedWindow(limit.FixedConfig{Limit: 2, Window: time.Minute})).Wait
		},
		"SlidingLog": func(t *testing.T) waiter {
			return must[*limit.SlidingLog](t)(limit.NewSlidingLog(limit.LogConfig{Limit: 2, Window: time.Minute})).Wait
		},
		"SlidingCounter": func(t *testing.T) waiter {
			return must[*limit.SlidingCounter](t)(limit.NewSlidingCounter(limit.CounterConfig{Limit: 2, Window: time.Minute})).Wait
		},
		"Keyed": func(t *testing.T) waiter {
			k := must[*limit.Keyed](t)(limit.NewKeyed(limit.KeyedConfig{By: limit.ByPath(), Each: limit.FixedConfig{Limit: 2, Window: time.Minute}}))
			return func(ctx context.Context, n int) error { return k.Wait(ctx, "a", n) }
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				wait := of(t)
				began := time.Now() // a full minute, by the bubble's clock
				var mu sync.Mutex
				var took []time.Duration
				var wg sync.WaitGroup
				for range 6 {
					wg.Go(func() {
						if err := wait(t.Context(), 1); err != nil {
							t.Error(err)
						}
						mu.Lock()
						defer mu.Unlock()
						took = append(took, time.Since(began))
					})
				}
				wg.Wait()
				t.Log(took)
				for i, d := range took { // in the order of their ends
					least, most := time.Duration(i/2)*time.Minute, time.Duration(i/2)*time.Minute
					if name == "SlidingCounter" { // it knows its past by slices of the window
						most += time.Duration(i/2) * 10 * time.Second
					}
					if d < least || d > most+time.Millisecond {
						t.Errorf("number %d of six has its unit after %v, want %v to %v", i+1, d, least, most)
					}
				}
				now := time.Now()
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				if err := wait(ctx, 2); !errors.Is(err, limit.ErrLimited) || time.Since(now) != 0 {
					t.Errorf("units after the deadline: %v after %v, want ErrLimited at once", err, time.Since(now))
				}
				ctx, stop := context.WithCancel(t.Context())
				time.AfterFunc(10*time.Millisecond, stop)
				if err := wait(ctx, 2); !errors.Is(err, context.Canceled) {
					t.Errorf("cancelled while waiting: %v, want context.Canceled", err)
				}
				if err := wait(t.Context(), 3); enmesh.ErrorOf(err).RetryAfter >= 0 {
					t.Errorf("more than the limit: %v, want a refusal for ever", err)
				}
				if err := wait(t.Context(), 0); err != nil {
					t.Errorf("no unit: %v", err)
				}
			})
		})
	}
}
