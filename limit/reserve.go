// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package limit

import (
	"time"

	"github.com/enmesh-go/enmesh"
)

// reserver is a limiter in which places can be taken ahead. Its time is then that of the last
// place, and it is shut until then: whoever comes now comes after whoever has a place (see
// shut.booked).
type reserver interface {
	limiter
	// reserve takes n units, 1 or more, at the soonest time from t on at which there are as
	// many, and says how long that is. Where it is longer than patience it takes none and
	// reports false; never where there cannot be as many.
	reserve(t enmesh.Instant, n int, patience time.Duration) (wait time.Duration, ok bool)
}

// window is what limits have in common that count what went in a window of time.
type window struct {
	gate
	places reserver
}

func newWindow(l reserver, terms Terms, q quota) window { return window{newGate(l, terms, q), l} }

// ReserveAt takes n units at t, also those that are yet to come free, and says how long the
// caller has to wait for them: 0 when they are there. Where he would wait longer than
// patience, or n is more than Limit, it takes none and reports false; wait is then how long
// he would have, negative for ever. n of 0 or less is there at once.
//
// Places are given out in the order in which they are asked for: until the time of the last,
// nobody else gets a unit. They count at the time that they are for, whether the caller comes
// or not.
func (w *window) ReserveAt(t enmesh.Instant, n int, patience time.Duration) (wait time.Duration, ok bool) {
	if n <= 0 {
		return 0, true
	}
	return w.places.reserve(t, n, max(patience, 0))
}

// booked reports whether a limiter whose time is latest has come there by a place that was
// taken ahead, and t lies before it. Refusals close a limiter until after its time, and what
// asks at their end opens or closes it anew, so that the two are the same for no other reason.
// The caller holds the limit's lock.
func (s *shut) booked(t, latest enmesh.Instant) bool {
	return t < latest && s.until.Load() == int64(latest)
}

// book shuts a limiter until the time of a place, to which it was brought: t plus wait.
func (s *shut) book(t enmesh.Instant, wait time.Duration) {
	if wait > 0 {
		s.close(t, wait)
	} else {
		s.open()
	}
}

// lapse opens what was shut until t or before.
func (s *shut) lapse(t enmesh.Instant) {
	if s.until.Load() <= int64(t) {
		s.open()
	}
}
