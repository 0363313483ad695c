// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package limit_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/limit"
)

// The load of O13: five times the limit for half a minute, from 64 goroutines.
const (
	o13Rate    = 1000
	o13Burst   = 100
	o13Offered = 5000
	o13Callers = 64
)

// o13Last is how long: half a minute, less where every step costs ten times as much.
var o13Last = map[bool]time.Duration{false: 30 * time.Second, true: 10 * time.Second}[raceEnabled]

// flood asks g as fast as O13 says, beginning phase after a window began, and gives when
// calls went. The callers of one round ask at one time, each from its own goroutine.
func flood(g gate, phase time.Duration) []time.Duration {
	var mu sync.Mutex
	var went []time.Duration
	for asked := 0; ; asked += o13Callers {
		after := time.Duration(asked) * time.Second / o13Offered
		if after >= o13Last {
			return went
		}
		var wg sync.WaitGroup
		for range o13Callers {
			wg.Go(func() {
				if g.AllowAt(aligned.Add(phase+after), 1) {
					mu.Lock()
					went = append(went, after)
					mu.Unlock()
				}
			})
		}
		wg.Wait()
	}
}

// fullest is how many of went, which is in order, lie in one window.
func fullest(went []time.Duration, window time.Duration) int {
	most, first := 0, 0
	for i, at := range went {
		for at-went[first] >= window {
			first++
		}
		most = max(most, i-first+1)
	}
	return most
}

// TestScenarioO13_limitsAreExact: 1000 a second are allowed and 5000 asked for, for 30 s
// from 64 goroutines. A token bucket admits its rate and its burst within a hundredth.
// Sliding windows let at most 1.05 times the limit through in any second, wherever in a
// window the load begins. The control is the fixed window, which lets through twice the
// limit where two meet, and the approximation from two windows, which does not see how the
// calls of the window before were spread.
func TestScenarioO13_limitsAreExact(t *testing.T) {
	terms := limit.Terms{}
	bucket := limit.Config{Rate: o13Rate, Burst: o13Burst}
	log := limit.LogConfig{Limit: o13Rate, Window: time.Second, Terms: terms}
	counter := limit.CounterConfig{Limit: o13Rate, Window: time.Second}
	two := counter
	two.Slices = 1
	worst := map[string]float64{}
	for _, phase := range []time.Duration{0, 800 * time.Millisecond, 900 * time.Millisecond} {
		for name, g := range map[string]gate{
			"token bucket":    must[*limit.TokenBucket](t)(limit.NewTokenBucket(bucket)),
			"keyed bucket":    keyed(t, bucket),
			"sliding log":     must[*limit.SlidingLog](t)(limit.NewSlidingLog(log)),
			"sliding counter": must[*limit.SlidingCounter](t)(limit.NewSlidingCounter(counter)),
			"two windows":     must[*limit.SlidingCounter](t)(limit.NewSlidingCounter(two)),
			"fixed window":    must[*limit.FixedWindow](t)(limit.NewFixedWindow(limit.FixedConfig{Limit: o13Rate, Window: time.Second})),
		} {
			went := flood(g, phase)
			slices.Sort(went)
			share := float64(len(went)) / (o13Rate * o13Last.Seconds())
			full := float64(fullest(went, time.Second)) / o13Rate
			worst[name] = max(worst[name], full)
			t.Logf("%-15s begun at %5v: %d admitted, %.4f of the rate; at most %.3f of the limit in a second", name, phase, len(went), share, full)
			if exact := 1 + o13Burst/(o13Rate*o13Last.Seconds()); name == "token bucket" || name == "keyed bucket" {
				if share < exact*0.99 || share > exact*1.01 {
					t.Errorf("%s: %.4f of the rate, want %.4f within a hundredth", name, share, exact)
				}
				continue
			}
			most := 1.05
			if name == "fixed window" || name == "two windows" { // the flood touches one window more than it lasts
				most = 1.01 + 1/o13Last.Seconds()
			}
			if share < 0.94 || share > most {
				t.Errorf("%s: %.4f of the rate, want 0.94 to %.2f", name, share, most)
			}
		}
	}
	for _, name := range []string{"sliding log", "sliding counter"} {
		if worst[name] > 1.05 {
			t.Errorf("%s: %.3f of the limit in a second, want at most 1.05", name, worst[name])
		}
	}
	if worst["fixed window"] < 1.9 {
		t.Errorf("the control, a fixed window, is at %.3f of the limit: the load shows nothing", worst["fixed window"])
	}
}

// TestScenarioO14_nothingQueuesToDie: calls with 200 ms to live come twice as fast as they
// flow out. Who could not go in time is refused in the same instant, and of those that
// queue none dies there. The control is a queue that does not ask, in which most do.
func TestScenarioO14_nothingQueuesToDie(t *testing.T) {
	const rate, offered, life, last = 100, 200, 200 * time.Millisecond, 10 * time.Second
	type outcome struct {
		went, refused, died int
		slowest             time.Duration // refusal
	}
	run := func(t *testing.T, b *limit.LeakyBucket, blind bool) (o outcome) {
		var mu sync.Mutex
		var wg sync.WaitGroup
		for range int(last.Seconds() * offered) {
			wg.Go(func() {
				ctx, cancel := context.WithTimeout(t.Context(), life)
				defer cancel()
				began := time.Now()
				err := wait(ctx, b, blind)
				took := time.Since(began)
				mu.Lock()
				defer mu.Unlock()
				switch {
				case err == nil:
					o.went++
				case errors.Is(err, limit.ErrLimited):
					o.refused++
					o.slowest = max(o.slowest, took)
				default:
					o.died++
				}
			})
			time.Sleep(time.Second / offered)
		}
		wg.Wait()
		return o
	}
	synctest.Test(t, func(t *testing.T) {
		cfg := limit.LeakyConfig{Rate: rate, Queue: 1000, MaxWait: time.Minute}
		ours := run(t, mustLeaky(t, cfg), false)
		control := run(t, mustLeaky(t, cfg), true)
		t.Logf("ours: %d went, %d were refused after at most %v, %d died in the queue", ours.went, ours.refused, ours.slowest, ours.died)
		t.Logf("a queue that does not ask: %d went, %d were refused, %d died in it", control.went, control.refused, control.died)
		if ours.died != 0 || ours.slowest > time.Millisecond {
			t.Errorf("%d died in the queue and the slowest refusal took %v, want 0 and at most 1ms", ours.died, ours.slowest)
		}
		if want := rate * int(last.Seconds()); ours.went < want*99/100 {
			t.Errorf("%d went, want %d: the outflow is not used", ours.went, want)
		}
		if control.died < control.went {
			t.Errorf("the control lost %d and served %d: the load shows nothing", control.died, control.went)
		}
	})
}

// wait is b.Wait, or one that looks at its deadline only as it waits, and whose place in
// the queue stays taken.
func wait(ctx context.Context, b *limit.LeakyBucket, blind bool) error {
	if !blind {
		return b.Wait(ctx, 1)
	}
	d, ok := b.ReserveAt(enmesh.Now(), 1, time.Hour)
	if !ok {
		return limit.ErrLimited
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
