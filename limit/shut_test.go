// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package limit

import (
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/enmesh-go/enmesh"
)

// shutters are limits that refuse without their lock, each with what opens it.
func shutters(units int) map[string]func() (limiter, *unit) {
	const window = 100 * time.Millisecond
	lone := func(r rule) func() (limiter, *unit) {
		return func() (limiter, *unit) { s := &single{rule: r}; return s, &s.shut }
	}
	return map[string]func() (limiter, *unit){
		"token bucket": func() (limiter, *unit) {
			b, _ := NewTokenBucket(Config{Rate: float64(10 * units), Burst: units})
			return &b.bucket, &b.shut
		},
		"sliding log": func() (limiter, *unit) {
			l := newLog(units, window)
			return l, &l.shut
		},
		"sliding counter": func() (limiter, *unit) {
			s := CounterConfig{Limit: units, Window: window, Slices: 5}.limiter().(*sliced)
			return s, &s.shut
		},
		"fixed window": lone(FixedConfig{Limit: units, Window: window}.rule()),
		"two windows":  lone(CounterConfig{Limit: units, Window: window}.rule()),
		"one of keys":  lone(&bucketRule{rate: float64(10 * units), burst: float64(units)}),
	}
}

// clock is a time that goes on by up to 5 ms at each reading. Some readings are old.
type clock struct {
	random *rand.Rand
	now    enmesh.Instant
	old    float64 // how many
}

func (c *clock) read() enmesh.Instant {
	if c.random.Float64() < c.old {
		return c.now.Add(-time.Duration(c.random.Int64N(int64(50 * time.Millisecond))))
	}
	c.now = c.now.Add(time.Duration(c.random.Int64N(int64(5 * time.Millisecond))))
	return c.now
}

// What is refused without the lock is what the limit itself would refuse, and for as long.
func TestShut_saysWhatTheLimitWouldSay(t *testing.T) {
	for name, build := range shutters(7) {
		c := clock{rand.New(rand.NewPCG(1, 2)), enmesh.Instant(time.Hour), 0.1}
		l, _ := build()
		control, door := build()
		shortcuts := 0
		for i := range 50_000 {
			at, n, look := c.read(), 1, i%5 == 0
			if c.random.IntN(4) == 0 {
				n = 1 + c.random.IntN(8)
			}
			if _, known := door.refuses(at, n); known {
				shortcuts++
			}
			door.open()
			got, want := l.take(at, n, look), control.take(at, n, look)
			if late := got.wait - want.wait; late >= -1 && late <= c.now.Sub(at)+1 {
				got.wait = want.wait // counted from the old reading instead of the latest; fractions are rounded
			}
			if got != want {
				t.Fatalf("%s: call %d of %d units: %+v, want %+v", name, i, n, got, want)
			}
		}
		if shortcuts < 1000 {
			t.Errorf("%s: %d calls met a closed door: nothing is shown", name, shortcuts)
		}
	}
}

// So for a leaky bucket, whatever the patience, and when turns are given back.
func TestShut_saysWhatALeakyBucketWouldSay(t *testing.T) {
	for _, cfg := range []LeakyConfig{{Rate: 300, Queue: 4}, {Rate: 300, Queue: -1}, {Rate: 300, Queue: 1000, MaxWait: 20 * time.Millisecond}} {
		c := clock{rand.New(rand.NewPCG(3, 4)), enmesh.Instant(time.Hour), 0}
		b, err := NewLeakyBucket(cfg)
		if err != nil {
			t.Fatal(err)
		}
		control, _ := NewLeakyBucket(cfg)
		shortcuts := 0
		for i := range 50_000 {
			at, n := c.read(), 1+c.random.IntN(2)
			patience := time.Duration(c.random.Int64N(int64(30*time.Millisecond))) - 2*time.Millisecond
			if b.tooLate(at, max(0, patience)) > 0 {
				shortcuts++
			}
			control.turn.open()
			got, ok := b.ReserveAt(at, n, patience)
			want, wantOK := control.ReserveAt(at, n, patience)
			if near := got - want; ok != wantOK || near < -1 || near > 1 {
				t.Fatalf("%+v: call %d: %v and %v, want %v and %v", cfg, i, got, ok, want, wantOK)
			}
			if ok && want > 0 && c.random.IntN(10) == 0 {
				gone := turn{at.Add(want), n}
				b.leave(gone)
				control.leave(gone)
			}
		}
		if shortcuts < 1000 {
			t.Errorf("%+v: %d calls met a closed door: nothing is shown", cfg, shortcuts)
		}
	}
}

// Many that ask at once get what one would get: nothing more, and no limit stays closed.
func TestShut_manyAskAtOnce(t *testing.T) {
	const units, windows, asks = 7, 100, 1000 // in 100 ms each
	for name, build := range shutters(units) {
		l, _ := build()
		var now, admitted atomic.Int64
		now.Store(int64(time.Hour))
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				for range windows * asks / 4 {
					if l.take(enmesh.Instant(now.Add(int64(100*time.Millisecond/asks))), 1, false).ok {
						admitted.Add(1)
					}
				}
			})
		}
		wg.Wait()
		if got := admitted.Load(); got < units*windows*8/10 || got > units*(windows+2) {
			t.Errorf("%s: %d units in %d windows, want about %d", name, got, windows, units*windows)
		}
	}
}
