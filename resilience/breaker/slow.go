// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package breaker

import "github.com/enmesh-go/enmesh"

// tenths is how many parts Config.Interval has; the oldest is forgotten whole.
const tenths = 10

// slowWindow counts the calls within Config.Interval, and those of them that were slow,
// as gobreaker counts successes and failures: in tenths from the beginning of the era.
type slowWindow struct {
	start enmesh.Instant
	age   int64 // of the newest part
	total counts
	parts [tenths]counts
}

type counts struct{ ended, slow uint32 }

// clear begins a new era.
func (w *slowWindow) clear(now enmesh.Instant) { *w = slowWindow{start: now} }

// add counts a call that ended at now; it returns slow.
func (w *slowWindow) add(now enmesh.Instant, slow bool, width enmesh.Instant) bool {
	w.grow(int64(now-w.start) / int64(width))
	part := &w.parts[w.age%tenths]
	part.ended++
	w.total.ended++
	if slow {
		part.slow++
		w.total.slow++
	}
	return slow
}

// grow forgets what is older than the window that ends with the part age.
func (w *slowWindow) grow(age int64) {
	if age-w.age >= tenths {
		*w = slowWindow{start: w.start, age: age}
		return
	}
	for w.age < age {
		w.age++
		part := &w.parts[w.age%tenths]
		w.total.ended -= part.ended
		w.total.slow -= part.slow
		*part = counts{}
	}
}

// over reports whether too many were slow.
func (w *slowWindow) over(cfg Config) bool {
	return w.total.ended >= cfg.MinRequests && float64(w.total.slow) >= cfg.SlowRatio*float64(w.total.ended)
}
