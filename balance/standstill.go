// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package balance

import (
	"slices"
	"sync/atomic"
	"time"

	"github.com/enmesh-go/enmesh"
)

// standstill knows when this process stood still: stopped, starved of its processors, in
// a long collection. What calls took over such a time says nothing about who answered
// them, and every endpoint would look as slow as the slowest.
//
// While calls end, a timer beats every pulse; one that comes late has been kept from
// running, and the calls' goroutines with it. A few beats after the last call it stops.
type standstill struct {
	beat  atomic.Int64 // an Instant: the last beat; 0: it does not beat
	used  atomic.Bool  // a call has ended since
	idle  int          // beats without a call; the timer's
	timer *time.Timer
	spans atomic.Pointer[[]span] // the last standstills, immutable
}

// span is a time in which nothing ran.
type span struct{ from, to enmesh.Instant }

const (
	pulse     = 20 * time.Millisecond
	lateness  = 10 * time.Millisecond // of a beat that is not worth a word
	idleBeats = 3
	keptSpans = 4
)

func newStandstill() *standstill {
	s := new(standstill)
	s.timer = time.AfterFunc(time.Hour, s.tick)
	s.timer.Stop()
	return s
}

// touch says that a call has ended.
func (s *standstill) touch() {
	if s.used.Load() { // which is usual, and takes no cache line from others
		return
	}
	s.used.Store(true)
	s.start()
}

// start begins to beat, unless it does.
func (s *standstill) start() {
	if s.beat.Load() == 0 && s.beat.CompareAndSwap(0, int64(enmesh.Now())) {
		s.timer.Reset(pulse)
	}
}

// tick is a beat.
func (s *standstill) tick() {
	now := enmesh.Now()
	if late := s.late(now); late.to != 0 {
		s.keep(late)
	}
	if s.used.Swap(false) {
		s.idle = 0
	} else {
		s.idle++
	}
	if s.idle < idleBeats {
		s.beat.Store(int64(now))
		s.timer.Reset(pulse)
		return
	}
	s.idle = 0
	s.beat.Store(0)
	if s.used.Load() { // by a call that ended a moment ago, and saw it beat
		s.start()
	}
}

// late is the time until now in which a beat was due, if that is worth a word.
func (s *standstill) late(now enmesh.Instant) span {
	beat := enmesh.Instant(s.beat.Load())
	due := beat.Add(pulse)
	if beat == 0 || now.Sub(due) <= lateness {
		return span{}
	}
	return span{due, now}
}

// keep notes a standstill. Only the timer does.
func (s *standstill) keep(late span) {
	var kept []span
	if p := s.spans.Load(); p != nil {
		kept = slices.Clone((*p)[max(0, len(*p)-keptSpans+1):])
	}
	kept = append(kept, late)
	s.spans.Store(&kept)
}

// lost is how much of the time from one moment to another, which is over, the process
// stood still.
func (s *standstill) lost(from, to enmesh.Instant) time.Duration {
	now := enmesh.Now()
	if now < to {
		return 0 // it is of another clock
	}
	late := s.late(now) // before the spans are read, in which it may be meanwhile
	sum := late.within(from, to)
	if p := s.spans.Load(); p != nil {
		for _, one := range *p {
			if one.from != late.from {
				sum += one.within(from, to)
			}
		}
	}
	return sum
}

// within is how much of s is between two moments.
func (s span) within(from, to enmesh.Instant) time.Duration {
	return max(0, min(s.to, to).Sub(max(s.from, from)))
}
