// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package limit_test

import (
	"testing"
	"time"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/limit"
)

// event is a call that went: after is counted from aligned.
type event struct {
	after time.Duration
	units int64
}

// model is a slow limit: it looks at every event there ever was, in whole numbers.
type model interface {
	// room is how much more than n units there is, in some unit of which unit are one: less
	// than 0 is no room. The events are in order, none after t.
	room(events []event, t time.Duration, n int64) (room, unit int64)
}

// drive runs a limit and its model by the same bytes: each is a call of one to four units
// in its lower two bits, and in the rest how many steps go by before it. Where the model is
// nearer to the edge than blur of a unit, it takes the limit's word. Of a refusal it asks
// that the call would pass after RetryAfter, and not after a tenth less and 2 ms.
func drive(t *testing.T, build func(limit.Terms) gate, m model, step time.Duration, blur float64, ops []byte) {
	t.Helper()
	n := 0
	g := build(limit.Terms{CostBy: limit.CostOf(func(*enmesh.Call) int { return n })})
	var events []event
	now := time.Duration(0)
	for i, op := range ops {
		now += time.Duration(op>>2) * step
		n = 1 + int(op&3)
		e := refusal(g, &enmesh.Call{Clock: aligned.Add(now)})
		room, unit := m.room(events, now, int64(n))
		if near := float64(room) / float64(unit); (near < -blur && e == nil) || (near > blur && e != nil) {
			t.Fatalf("call %d of %d units after %v: %v, and the model has room for %v more", i, n, now, e, near)
		}
		switch {
		case e == nil:
			events = append(events, event{now, int64(n)})
		case e.RetryAfter > 0:
			late, _ := m.room(events, now+e.RetryAfter, int64(n))
			if near := float64(late) / float64(unit); near < -blur {
				t.Fatalf("call %d of %d units after %v: no room after the %v it was told", i, n, now, e.RetryAfter)
			}
			early := e.RetryAfter*9/10 - 2*time.Millisecond
			if soon, _ := m.room(events, now+early, int64(n)); early > 0 && float64(soon)/float64(unit) > blur {
				t.Fatalf("call %d of %d units after %v: room after %v, and it was told %v", i, n, now, early, e.RetryAfter)
			}
		case room >= 0:
			t.Fatalf("call %d of %d units is refused for ever", i, n)
		}
	}
}

// bucketModel is a token bucket, in billionths of a token.
type bucketModel struct{ rate, burst int64 }

func (m bucketModel) room(events []event, t time.Duration, n int64) (room, unit int64) {
	const token = int64(time.Second)
	level, at := m.burst*token, time.Duration(0)
	for _, e := range events {
		level = min(m.burst*token, level+int64(e.after-at)*m.rate)
		level, at = max(0, level-e.units*token), e.after
	}
	return min(m.burst*token, level+int64(t-at)*m.rate) - n*token, token
}

// logModel is the sliding window as it is defined.
type logModel struct {
	limit  int64
	window time.Duration
}

func (m logModel) room(events []event, t time.Duration, n int64) (room, unit int64) {
	room = m.limit - n
	for _, e := range events {
		if t-e.after < m.window {
			room -= e.units
		}
	}
	return room, 1
}

// slicedModel counts the slice that t is in and as many before it as make up the window.
type slicedModel struct {
	limit, slices int64
	width         time.Duration
}

func (m slicedModel) room(events []event, t time.Duration, n int64) (room, unit int64) {
	room = m.limit - n
	for _, e := range events {
		if m.slice(t)-m.slice(e.after) <= m.slices {
			room -= e.units
		}
	}
	return room, 1
}

// slice is counted from 40 s before aligned, an hour's beginning.
func (m slicedModel) slice(t time.Duration) int64 { return int64((t + 40*time.Second) / m.width) }

// twoModel is the approximation from two windows, in billionths of a unit.
type twoModel struct{ limit int64 }

func (m twoModel) room(events []event, t time.Duration, n int64) (room, unit int64) {
	const window = int64(time.Second)
	of := func(t time.Duration) int64 { return int64(t+40*time.Second) / window }
	rest := window - int64(t+40*time.Second)%window
	room = (m.limit - n) * window
	for _, e := range events {
		switch of(t) - of(e.after) {
		case 0:
			room -= e.units * window
		case 1:
			room -= e.units * rest
		}
	}
	return room, window
}

// fixedModel counts the window that t is in.
type fixedModel struct{ limit int64 }

func (m fixedModel) room(events []event, t time.Duration, n int64) (room, unit int64) {
	room = m.limit - n
	for _, e := range events {
		if t/time.Second == e.after/time.Second { // aligned begins a second
			room -= e.units
		}
	}
	return room, 1
}

// seeds are what every target begins with.
func seeds(f *testing.F) {
	f.Helper()
	f.Add(uint8(10), uint8(5), []byte{0, 0, 0, 0, 0, 0, 4, 8, 12, 0, 0, 255, 3, 3, 3})
	f.Add(uint8(1), uint8(1), []byte{0, 1, 2, 3, 255, 255, 255, 0, 0})
	f.Add(uint8(200), uint8(3), []byte{3, 3, 3, 3, 7, 11, 15, 19, 23, 27, 31, 35, 39, 255, 254, 253, 252, 0, 0, 0})
	f.Add(uint8(7), uint8(20), []byte{80, 80, 80, 80, 80, 80, 80, 0, 0, 0, 0, 200, 200, 200, 200, 0, 0, 0, 0, 40, 40, 40})
}

const mostOps = 400

func FuzzTokenBucket(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, rate, burst uint8, ops []byte) {
		if rate == 0 || burst == 0 || len(ops) > mostOps {
			return
		}
		cfg := limit.Config{Rate: float64(rate), Burst: int(burst)}
		m := bucketModel{int64(rate), int64(burst)}
		step := time.Second / 100
		with := func(terms limit.Terms) limit.Config { c := cfg; c.Terms = terms; return c }
		drive(t, func(terms limit.Terms) gate { return must[*limit.TokenBucket](t)(limit.NewTokenBucket(with(terms))) }, m, step, 1e-5, ops)
		drive(t, func(terms limit.Terms) gate { return keyed(t, with(terms)) }, m, step, 1e-3, ops)
	})
}

func FuzzSlidingLog(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, most, width uint8, ops []byte) {
		if most == 0 || width == 0 || len(ops) > mostOps {
			return
		}
		cfg := limit.LogConfig{Limit: int(most), Window: time.Duration(width) * 50 * time.Millisecond}
		build := func(terms limit.Terms) gate {
			c := cfg
			c.Terms = terms
			return must[*limit.SlidingLog](t)(limit.NewSlidingLog(c))
		}
		drive(t, build, logModel{int64(most), cfg.Window}, 10*time.Millisecond, 0, ops)
	})
}

func FuzzSlidingCounter(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, most, slices uint8, ops []byte) {
		if most == 0 || len(ops) > mostOps {
			return
		}
		slices = 2 + slices%30
		width := 8 * time.Millisecond // an hour is a whole number of them
		cfg := limit.CounterConfig{Limit: int(most), Slices: int(slices), Window: width * time.Duration(slices)}
		build := func(terms limit.Terms) gate {
			c := cfg
			c.Terms = terms
			return must[*limit.SlidingCounter](t)(limit.NewSlidingCounter(c))
		}
		drive(t, build, slicedModel{int64(most), int64(slices), width}, 3*time.Millisecond, 0, ops)
	})
}

func FuzzTwoWindows(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, most, step uint8, ops []byte) {
		if most == 0 || step == 0 || len(ops) > mostOps {
			return
		}
		with := func(terms limit.Terms) limit.CounterConfig {
			return limit.CounterConfig{Limit: int(most), Window: time.Second, Slices: 1, Terms: terms}
		}
		pace := time.Duration(step) * time.Millisecond / 3
		drive(t, func(terms limit.Terms) gate {
			return must[*limit.SlidingCounter](t)(limit.NewSlidingCounter(with(terms)))
		}, twoModel{int64(most)}, pace, 0, ops)
		drive(t, func(terms limit.Terms) gate { return keyed(t, with(terms)) }, twoModel{int64(most)}, pace, 0, ops)
	})
}

func FuzzFixedWindow(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, most, step uint8, ops []byte) {
		if most == 0 || step == 0 || len(ops) > mostOps {
			return
		}
		with := func(terms limit.Terms) limit.FixedConfig {
			return limit.FixedConfig{Limit: int(most), Window: time.Second, Terms: terms}
		}
		pace := time.Duration(step) * time.Millisecond / 2
		drive(t, func(terms limit.Terms) gate { return must[*limit.FixedWindow](t)(limit.NewFixedWindow(with(terms))) }, fixedModel{int64(most)}, pace, 0, ops)
		drive(t, func(terms limit.Terms) gate { return keyed(t, with(terms)) }, fixedModel{int64(most)}, pace, 0, ops)
	})
}
