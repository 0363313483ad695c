// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package limit_test

import (
	"sync"
	"testing"
	"time"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/limit"
)

// reserver is what limits have in which places can be taken ahead.
type reserver interface {
	AllowAt(t enmesh.Instant, n int) bool
	ReserveAt(t enmesh.Instant, n int, patience time.Duration) (time.Duration, bool)
}

// windows are the limits that count by windows, of 2 units in 10 s.
func windows(t testing.TB) map[string]reserver {
	return map[string]reserver{
		"FixedWindow":    must[*limit.FixedWindow](t)(limit.NewFixedWindow(limit.FixedConfig{Limit: 2, Window: 10 * time.Second})),
		"SlidingLog":     must[*limit.SlidingLog](t)(limit.NewSlidingLog(limit.LogConfig{Limit: 2, Window: 10 * time.Second})),
		"SlidingCounter": must[*limit.SlidingCounter](t)(limit.NewSlidingCounter(limit.CounterConfig{Limit: 2, Window: 10 * time.Second, Slices: 10})),
		"two windows":    must[*limit.SlidingCounter](t)(limit.NewSlidingCounter(limit.CounterConfig{Limit: 2, Window: 10 * time.Second, Slices: 1})),
	}
}

func TestWindows_reserve(t *testing.T) {
	for name, w := range windows(t) {
		for i, tt := range []struct {
			after, patience time.Duration
			n               int
			wait            map[string]time.Duration // "": of all others
			ok              bool
		}{
			{0, 0, 0, nil, true},
			{0, 0, 2, nil, true},
			{0, 5 * time.Second, 1, map[string]time.Duration{"": 10 * time.Second, "SlidingCounter": 11 * time.Second, "two windows": 15 * time.Second}, false},
			{0, time.Minute, 3, map[string]time.Duration{"": -1}, false},
			{time.Second, time.Minute, 1, map[string]time.Duration{"": 9 * time.Second, "SlidingCounter": 10 * time.Second, "two windows": 14 * time.Second}, true},
			{2 * time.Second, time.Minute, 1, map[string]time.Duration{"": 8 * time.Second, "SlidingCounter": 9 * time.Second, "two windows": 18 * time.Second}, true},
		} {
			want, own := tt.wait[name]
			if !own {
				want = tt.wait[""]
			}
			wait, ok := w.ReserveAt(aligned.Add(tt.after), tt.n, tt.patience)
			if ok != tt.ok || wait != want && (want >= 0 || wait >= 0) {
				t.Errorf("%s, %d: %d units after %v with patience for %v: %v and %v, want %v and %v", name, i, tt.n, tt.after, tt.patience, wait, ok, want, tt.ok)
			}
		}
		if w.AllowAt(aligned.Add(9*time.Second), 1) {
			t.Errorf("%s: a unit is had before those who have a place", name)
		}
		if !w.AllowAt(aligned.Add(time.Minute), 2) {
			t.Errorf("%s: no unit is had long after the last place", name)
		}
	}
}

// Many that take places at once get no more of them than there are.
func TestWindows_reserveTogether(t *testing.T) {
	const workers, each = 8, 25
	for name, w := range windows(t) {
		var mu sync.Mutex
		at := map[time.Duration]int{}
		var wait sync.WaitGroup
		for range workers {
			wait.Go(func() {
				for range each {
					d, ok := w.ReserveAt(aligned, 1, 24*time.Hour)
					mu.Lock()
					at[d]++
					mu.Unlock()
					if !ok {
						t.Errorf("%s: no place in a day", name)
					}
				}
			})
		}
		wait.Wait()
		total := 0
		for d, n := range at {
			total += n
			if n > 2 {
				t.Errorf("%s: %d places after %v, want 2 at most", name, n, d)
			}
		}
		if total != workers*each {
			t.Errorf("%s: %d places, want %d", name, total, workers*each)
		}
	}
}

// driveReserve runs a limit and its model by the same bytes: each is one to four units in its
// lower two bits, in the third whether they are reserved or just asked for, in the fourth
// whether with much patience, and in the rest how many steps go by before it. A place is the
// soonest that there is after all that were given, and who has none comes after them.
func driveReserve(t *testing.T, w reserver, m model, most int64, step time.Duration, blur float64, ops []byte) {
	t.Helper()
	var events []event
	now, last := time.Duration(0), time.Duration(0)
	near := func(at time.Duration, n int64) float64 {
		room, unit := m.room(events, at, n)
		return float64(room) / float64(unit)
	}
	for i, op := range ops {
		now += time.Duration(op>>4) * step
		n := int64(1 + op&3)
		if op&4 == 0 {
			got := w.AllowAt(aligned.Add(now), int(n))
			if room := near(now, n); got && (now < last || room < -blur) || !got && now >= last && room > blur {
				t.Fatalf("call %d of %d units after %v: %v, and the model has room for %v more, all places given out until %v", i, n, now, got, room, last)
			}
			if got {
				events, last = append(events, event{now, n}), max(last, now)
			}
			continue
		}
		patience := step
		if op&8 != 0 {
			patience = time.Hour
		}
		wait, ok := w.ReserveAt(aligned.Add(now), int(n), patience)
		at := now + wait
		switch {
		case n > most:
			if ok || wait >= 0 {
				t.Fatalf("call %d of %d units: %v and %v, want a refusal for ever", i, n, wait, ok)
			}
			continue
		case ok != (wait <= patience) || at < last || near(at, n) < -blur:
			t.Fatalf("call %d of %d units after %v: %v with patience for %v and a place after %v; the model has room for %v more then, and places are given out until %v",
				i, n, now, ok, patience, at, near(at, n), last)
		case at-2 > max(now, last) && near(at-2, n) > blur:
			t.Fatalf("call %d of %d units after %v: a place after %v, and the model has room before", i, n, now, at)
		case ok:
			events, last = append(events, event{at, n}), at
		}
	}
}

func FuzzReserve(f *testing.F) {
	f.Add(uint8(3), uint8(5), []byte{0x0c, 0x0c, 0x0c, 0x04, 0x00, 0x1c, 0x2d, 0x3e, 0xff, 0x00, 0xf0, 0x0c})
	f.Add(uint8(1), uint8(1), []byte{0x0c, 0x1c, 0x00, 0x10, 0x0d, 0x04, 0x34, 0xf0, 0x0c, 0x0c})
	f.Add(uint8(9), uint8(20), []byte{0x0f, 0x0f, 0x0f, 0x0f, 0x0f, 0x13, 0x13, 0xff, 0xff, 0xf0, 0xf0, 0xf0, 0xf0, 0x0c, 0x00})
	f.Fuzz(func(t *testing.T, most, width uint8, ops []byte) {
		if most == 0 || width == 0 || len(ops) > mostOps {
			return
		}
		limits, n := int64(most), int(most)
		span := time.Duration(width) * 50 * time.Millisecond
		log := must[*limit.SlidingLog](t)(limit.NewSlidingLog(limit.LogConfig{Limit: n, Window: span}))
		driveReserve(t, log, logModel{limits, span}, limits, 10*time.Millisecond, 0, ops)
		fixed := must[*limit.FixedWindow](t)(limit.NewFixedWindow(limit.FixedConfig{Limit: n, Window: time.Second}))
		driveReserve(t, fixed, fixedModel{limits}, limits, 70*time.Millisecond, 0, ops)
		slices := int64(2 + width%30)
		part := 8 * time.Millisecond // an hour is a whole number of them
		counter := must[*limit.SlidingCounter](t)(limit.NewSlidingCounter(limit.CounterConfig{Limit: n, Slices: int(slices), Window: part * time.Duration(slices)}))
		driveReserve(t, counter, slicedModel{limits, slices, part}, limits, 3*time.Millisecond, 0, ops)
		two := must[*limit.SlidingCounter](t)(limit.NewSlidingCounter(limit.CounterConfig{Limit: n, Slices: 1, Window: time.Second}))
		driveReserve(t, two, twoModel{limits}, limits, 70*time.Millisecond, 0, ops)
	})
}
