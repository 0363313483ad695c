// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package limit

import (
	"sync/atomic"
	"time"

	"github.com/enmesh-go/enmesh"
)

// shut is the latest refusal of a limit, which holds until a known time, whatever is asked
// for meanwhile: a call until then is refused without the limit's lock, by memory that is
// read and not written, so that saying no costs no more on many processors than on one.
// What lets something through sooner, or moves the limit's time past the refusal, opens it.
// How long such a call has to wait counts from its own reading of the clock, which the limit
// does not get to see.
type shut struct {
	from  atomic.Int64 // the Instant of the refusal; both are written under the limit's lock
	until atomic.Int64 // the Instant at which it ends; 0 when there is none
}

// rest is for how long the refusal holds at t, 0 or less when there is none. A reading from
// before the refusal gets none: how long it would have to wait counts from the latest.
func (s *shut) rest(t enmesh.Instant) time.Duration {
	if rest := s.until.Load() - int64(t); rest > 0 && int64(t) >= s.from.Load() {
		return time.Duration(rest)
	}
	return 0
}

// close notes that nothing goes from at until at plus rest.
func (s *shut) close(at enmesh.Instant, rest time.Duration) {
	until := int64(at.Add(rest))
	if s.until.Load() == until {
		return
	}
	s.from.Store(int64(at))
	s.until.Store(until)
}

func (s *shut) open() {
	if s.until.Load() != 0 {
		s.until.Store(0)
	}
}

// unit is shut for limits that a call of one unit asks: where it does not pass, nothing is
// left, and what costs more does not pass either, but later.
type unit struct{ shut }

// refuses is the verdict on n units at t, if it is known.
func (s *unit) refuses(t enmesh.Instant, n int) (verdict, bool) {
	rest := s.rest(t)
	return verdict{wait: rest}, rest > 0 && n == 1
}

// learn notes that the limit has refused n units; at is the latest that was asked for. The
// caller holds the limit's lock.
func (s *unit) learn(at enmesh.Instant, n int, wait time.Duration) {
	switch {
	case n == 1:
		s.close(at, wait)
	case int64(at) >= s.until.Load():
		s.open()
	}
}
