// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package limit

import (
	"math/bits"
	"sync"
	"time"

	"github.com/enmesh-go/enmesh"
)

// SlidingCounter admits up to Limit units in any span of Window, counting by slices of
// it: a few bytes a slice, whatever the Limit. With two slices or more it never admits
// above the Limit, and gives a unit back up to one slice late. With one slice it is the
// approximation from two windows (see [CounterConfig.Slices]). It is a gate. Neither
// admitting nor refusing allocates.
type SlidingCounter struct{ window }

// NewSlidingCounter makes the limit, or refuses a CounterConfig that makes no sense.
func NewSlidingCounter(cfg CounterConfig) (*SlidingCounter, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	return &SlidingCounter{newWindow(cfg.limiter(), cfg.Terms, quota{cfg.Limit, cfg.Window})}, nil
}

func (cfg CounterConfig) limiter() reserver {
	if cfg.Slices == 1 {
		return &single{rule: cfg.rule()}
	}
	width := (cfg.Window + time.Duration(cfg.Slices) - 1) / time.Duration(cfg.Slices)
	return &sliced{limit: int64(cfg.Limit), grid: newGrid(width), taken: make([]int64, cfg.Slices+1)}
}

// sliced counts what was taken in each slice: in the present one and in as many before it
// as make up a window. The oldest counts whole, though a part of it is over. What a call that
// is admitted changes stands in front, in one cache line with most of what it reads.
type sliced struct {
	mu   sync.Mutex     // guards edge, here, sum and all below
	edge enmesh.Instant // where the present slice ends
	here int64          // what was taken in it
	sum  int64          // of all slices

	shut  unit
	limit int64
	grid

	newest  int64    // the number of the present slice
	taken   []int64  // by the number of the slice, modulo how many there are; that of the present one may be old
	refused struct { // the latest refusal of this slice
		units, sum int64
		wait       time.Duration // counted from edge
	}
}

func (s *sliced) take(t enmesh.Instant, n int, _ bool) verdict {
	if v, known := s.shut.refuses(t, n); known {
		return v
	}
	s.mu.Lock()
	if begun := s.begun(); s.shut.booked(t, begun) {
		v := verdict{wait: s.soonest(int64(n), time.Duration(s.width))}
		if v.wait >= 0 {
			v.wait += begun.Sub(t)
		}
		s.mu.Unlock()
		return v
	}
	if t >= s.edge {
		s.turn(t)
	}
	rest := min(s.edge.Sub(t), time.Duration(s.width)) // an old reading counts as the slice's beginning
	v := s.admit(n, rest)
	if v.ok {
		s.shut.open()
	} else {
		s.shut.learn(s.edge.Add(-rest), n, v.wait)
	}
	s.mu.Unlock()
	return v
}

func (s *sliced) reserve(t enmesh.Instant, n int, patience time.Duration) (wait time.Duration, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	from := s.begun()
	if !s.shut.booked(t, from) {
		if t >= s.edge {
			s.turn(t)
		}
		t = max(t, s.begun())
		from = t
		s.shut.lapse(t)
	}
	if wait = s.soonest(int64(n), s.edge.Sub(from)); wait < 0 {
		return never, false
	}
	at := from.Add(wait)
	if wait = at.Sub(t); wait > patience {
		return wait, false
	}
	if at >= s.edge {
		s.turn(at)
	}
	s.here += int64(n)
	s.sum += int64(n)
	s.shut.book(t, wait)
	return wait, true
}

// begun is when the present slice began. What is taken ahead is for the beginning of one.
func (s *sliced) begun() enmesh.Instant { return s.edge.Add(-time.Duration(s.width)) }

// soonest is how long after a moment of the present slice there are n units, when it ends in
// rest: 0 when they are there, never when there cannot be as many.
func (s *sliced) soonest(n int64, rest time.Duration) time.Duration {
	if n <= s.limit-s.sum {
		return 0
	}
	return s.until(n, rest)
}

// admit counts n units in the present slice, which ends in rest, if there is room.
func (s *sliced) admit(n int, rest time.Duration) verdict {
	if int64(n) > s.limit-s.sum {
		return verdict{wait: s.until(int64(n), rest), left: int(s.limit - s.sum)}
	}
	s.here += int64(n)
	s.sum += int64(n)
	return verdict{ok: true, left: int(s.limit - s.sum), reset: rest + time.Duration(s.width*int64(len(s.taken)-1))}
}

// turn makes the slice of t the present one, and drops those that are over.
func (s *sliced) turn(t enmesh.Instant) {
	s.taken[s.present()] = s.here
	number, elapsed := s.at(t)
	all := int64(len(s.taken))
	for i := max(s.newest+1, number-all+1); i <= number; i++ {
		s.sum -= s.taken[i%all]
		s.taken[i%all] = 0
	}
	s.newest = number
	s.here = s.taken[s.present()]
	s.edge = t.Add(time.Duration(s.width - elapsed))
	s.refused.units = 0
}

// until is how long it takes for n units to come free, when the present slice ends in
// rest.
func (s *sliced) until(n int64, rest time.Duration) time.Duration {
	if n > s.limit {
		return never
	}
	s.taken[s.present()] = s.here
	r := &s.refused
	if r.units != n || r.sum != s.sum {
		r.units, r.sum = n, s.sum
		r.wait = time.Duration(s.width * s.turns(n-(s.limit-s.sum)))
	}
	return rest + r.wait
}

// present is where in taken the present slice is.
func (s *sliced) present() int { return int(s.newest % int64(len(s.taken))) }

// turns is how many slices more have to end after the present one, for so many units to
// be dropped.
func (s *sliced) turns(missing int64) int64 {
	i := s.present()
	for n := int64(0); ; n++ {
		i++
		if i == len(s.taken) {
			i = 0
		}
		if missing -= s.taken[i]; missing <= 0 {
			return n
		}
	}
}

func (cfg CounterConfig) rule() *twoWindows {
	return &twoWindows{newGrid(cfg.Window), int64(cfg.Limit)}
}

// twoWindows is the approximation: the taken of the window before counts by the share of
// it that lies within the last width. Its state is the number of the present window, and
// the two counts in the halves of a word.
type twoWindows struct {
	grid
	limit int64
}

func (r *twoWindows) take(s *state, t enmesh.Instant, n int, look bool) verdict {
	number, elapsed := r.from(s.a, t)
	before, taken := r.counts(s, number)
	if !look && int64(n) <= r.limit-taken-before { // whatever the share
		s.a, s.b = number, before<<32|(taken+int64(n))
		return verdict{ok: true}
	}
	used := taken + share(before, r.width-elapsed, r.width)
	if int64(n) > r.limit-used {
		left := max(0, r.limit-used)
		return verdict{wait: r.until(int64(n), before, taken, elapsed), left: int(left)}
	}
	s.a, s.b = number, before<<32|(taken+int64(n))
	return verdict{ok: true, left: int(r.limit - used - int64(n)), reset: time.Duration(2*r.width - elapsed)}
}

// counts are what was taken in the window before number and in number itself.
func (r *twoWindows) counts(s *state, number int64) (before, taken int64) {
	switch number - s.a {
	case 0:
		return s.b >> 32, s.b & (1<<32 - 1)
	case 1:
		return s.b & (1<<32 - 1), 0
	}
	return 0, 0
}

// until is how long it takes for n units to come free.
func (r *twoWindows) until(n, before, taken, elapsed int64) time.Duration {
	if n > r.limit {
		return never
	}
	rest := r.width - elapsed
	if free := r.limit - taken - n; free >= 0 && before > 0 { // in this window: before has to count at most free
		return time.Duration(max(rest-shareInverse(free, before, r.width), 1))
	}
	free := r.limit - n // in the next one: taken is then before
	return time.Duration(rest + max(r.width-shareInverse(free, taken, r.width), 0))
}

// share is count*part/whole, rounded up; part is at most whole.
func share(count, part, whole int64) int64 {
	hi, lo := bits.Mul64(uint64(count), uint64(part))
	q, rem := bits.Div64(hi, lo, uint64(whole))
	if rem != 0 {
		q++
	}
	return int64(q)
}

// shareInverse is the longest part of whole of which count's share is at most free.
func shareInverse(free, count, whole int64) int64 {
	if free >= count {
		return whole
	}
	hi, lo := bits.Mul64(uint64(free), uint64(whole))
	q, _ := bits.Div64(hi, lo, uint64(count))
	return int64(q)
}

func (r *twoWindows) fresh(s *state, t enmesh.Instant) bool {
	return s.b == 0 || int64(t)+r.phase >= (s.a+2)*r.width
}
