// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package breaker_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/enmeshtest"
	"github.com/enmesh-go/enmesh/resilience/breaker"
)

func mustNewWith(tb testing.TB, cfg breaker.Config, opts ...breaker.Option) *breaker.Breaker {
	tb.Helper()
	b, err := breaker.New(cfg, opts...)
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

// O8: a callback calls back into the breaker. Nobody waits for ever, and the changes are
// told in their order, each once.
func TestScenarioO8_hooksCallTheBreaker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b *breaker.Breaker
		var told []string
		b = mustNewWith(t, breaker.Config{}, breaker.OnChange(func(c breaker.Change) {
			told = append(told, fmt.Sprintf("%v>%v", c.From, c.To))
			b.State()
			end(b, 1, nil) // a whole call
			if c.To == breaker.Open && len(told) == 1 {
				b.Reset() // tells of another change, after this one
				b.ForceOpen()
				b.Reset()
			}
		}))
		end(b, 5, failed)
		end(b, 5, failed)
		time.Sleep(breaker.DefaultOpenFor)
		end(b, 1, nil)
		want := []string{"closed>open", "open>closed", "closed>open", "open>closed", "closed>open", "open>half-open", "half-open>closed"}
		t.Logf("told: %v", told)
		if b.State() != breaker.Closed {
			t.Errorf("breaker is %v, want closed", b.State())
		}
		if !slices.Equal(told, want) {
			t.Errorf("told %v, want %v", told, want)
		}
	})
}

// The same with many goroutines at once: it ends, and the last that is told is the state.
func TestScenarioO8_hooksCallTheBreakerConcurrently(t *testing.T) {
	var b *breaker.Breaker
	var mu sync.Mutex
	var last breaker.Change
	n := 0
	b = mustNewWith(t, breaker.Config{OpenFor: time.Millisecond}, breaker.OnChange(func(c breaker.Change) {
		b.State()
		mu.Lock()
		defer mu.Unlock()
		if n > 0 && c.From != last.To {
			t.Errorf("told %v>%v after %v>%v", c.From, c.To, last.From, last.To)
		}
		last, n = c, n+1
	}))
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for j := range 300 {
				switch (i + j) % 7 {
				case 0:
					b.Reset()
				case 1:
					b.ForceOpen()
				case 2:
					b.ForceClosed()
				default:
					end(b, 5, failed)
				}
			}
		})
	}
	wg.Wait()
	b.ForceOpen()
	mu.Lock()
	defer mu.Unlock()
	t.Logf("%d changes told", n)
	if last.To != breaker.Open || n == 0 {
		t.Errorf("the last of %d changes told is to %v, want open", n, last.To)
	}
}

func TestBreaker_outlivesAHookThatPanics(t *testing.T) {
	calls := 0
	b := mustNewWith(t, breaker.Config{}, breaker.OnChange(func(breaker.Change) { calls++; panic("hook") }))
	if err := end(b, 5, failed); !errors.Is(err, failed) {
		t.Errorf("the call ends with %v, want its own error", err)
	}
	b.Reset()
	if calls != 2 || b.State() != breaker.Closed {
		t.Errorf("%d changes told, breaker %v; want 2 and closed", calls, b.State())
	}
}

func TestBreaker_canBeForced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := mustNew(t, breaker.Config{})
		b.ForceOpen()
		time.Sleep(time.Hour)
		if err := end(b, 1, nil); !errors.Is(err, breaker.ErrOpen) || b.State() != breaker.Open || !b.Forced() {
			t.Errorf("forced open: %v, %v, forced %v; want ErrOpen and open", err, b.State(), b.Forced())
		} else if e := enmesh.ErrorOf(err); e.RetryAfter != breaker.DefaultOpenFor {
			t.Errorf("RetryAfter is %v, want OpenFor", e.RetryAfter)
		}
		b.ForceClosed()
		if err := end(b, 100, failed); !errors.Is(err, failed) || b.State() != breaker.Closed || !b.Forced() {
			t.Errorf("forced closed: %v, %v; want it to stay closed", err, b.State())
		}
		b.Reset()
		end(b, 4, failed)
		if b.State() != breaker.Closed || b.Forced() {
			t.Errorf("after Reset: %v, forced %v; want closed, and nothing counted before", b.State(), b.Forced())
		}
		end(b, 1, failed)
		if b.State() != breaker.Open {
			t.Errorf("after Reset and five failures: %v, want open", b.State())
		}
	})
}

func TestBreaker_countsSlowCalls(t *testing.T) {
	slow := func(err error) enmeshtest.Step {
		return func(context.Context, *enmesh.Call) error { time.Sleep(time.Second); return err }
	}
	tests := []struct {
		name string
		cfg  breaker.Config
		fast int
		slow []error
		want breaker.State
	}{
		{"half of twenty", breaker.Config{}, 10, []error{nil, nil, nil, nil, nil, nil, nil, nil, nil, nil}, breaker.Open},
		{"too few", breaker.Config{}, 9, []error{nil, nil, nil, nil, nil, nil, nil, nil, nil, nil}, breaker.Closed},
		{"failures' time counts", breaker.Config{MinRequests: 2}, 0, []error{failed, failed}, breaker.Open},
		{"neutral does not", breaker.Config{MinRequests: 2}, 0, []error{neutral, neutral, enmesh.ErrCanceled}, breaker.Closed},
		{"beside failures in a row", breaker.Config{ConsecutiveFailures: 3, MinRequests: 100}, 0, []error{failed, failed, failed}, breaker.Open},
		{"all of two", breaker.Config{MinRequests: 2, SlowRatio: 1}, 1, []error{nil, nil, nil}, breaker.Closed},
		{"fast enough", breaker.Config{MinRequests: 2, SlowAfter: time.Second}, 0, []error{nil, nil, nil}, breaker.Closed},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				tt.cfg.Interval = time.Minute
				if tt.cfg.SlowAfter == 0 {
					tt.cfg.SlowAfter = 900 * time.Millisecond
				}
				b := mustNew(t, tt.cfg)
				end(b, tt.fast, nil)
				for _, err := range tt.slow {
					w := enmeshtest.NewWire(slow(err))
					_ = w.Do(t.Context(), enmesh.Fixed(false, b.Middleware()))
					w.Finish(nil)
				}
				if got := b.State(); got != tt.want {
					t.Errorf("breaker is %v, want %v", got, tt.want)
				}
			})
		})
	}
}

func TestBreaker_aSlowProbeDoesNotClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := mustNew(t, breaker.Config{SlowAfter: time.Second, ConsecutiveFailures: 1, ProbeTimeout: time.Minute})
		end(b, 1, failed)
		time.Sleep(breaker.DefaultOpenFor)
		w := enmeshtest.NewWire(func(context.Context, *enmesh.Call) error { time.Sleep(2 * time.Second); return nil })
		if err := w.Do(t.Context(), enmesh.Fixed(false, enmesh.Guard(b))); err != nil {
			t.Fatal(err)
		}
		w.Finish(nil)
		if b.State() != breaker.Open {
			t.Errorf("breaker is %v, want open", b.State())
		}
	})
}

func TestBreaker_inShadowRefusesNothing(t *testing.T) {
	for _, form := range []string{"config", "gate"} {
		t.Run(form, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := &enmeshtest.Recorder{}
				cfg := breaker.Config{Shadow: form == "config", Recorder: r}
				b := mustNew(t, cfg)
				m := b.Middleware()
				if form == "gate" {
					m = enmesh.Guard(enmesh.Shadow(b, "breaker", r))
				}
				call := func(err error) {
					w := enmeshtest.NewWire(enmeshtest.Answer(err))
					if got := w.Do(t.Context(), enmesh.Fixed(false, m)); !errors.Is(got, err) {
						t.Errorf("got %v, want %v", got, err)
					}
					w.Finish(nil)
				}
				for range 15 {
					call(failed)
				}
				if got := r.Decisions(); b.State() != breaker.Open || len(got) != 10 || got[0] != (enmesh.Decision{Policy: "breaker", Action: enmesh.ActionRefuse, Shadow: true}) {
					t.Errorf("breaker is %v after 5 failures and 10 more calls, recorded %v", b.State(), got)
				}
				time.Sleep(breaker.DefaultOpenFor)
				call(nil)
				if b.State() != breaker.Closed {
					t.Errorf("after a probe: %v, want closed", b.State())
				}
			})
		})
	}
}
