// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package breaker

import "github.com/enmesh-go/enmesh"

// tenths is how many parts Config.Interval has; the oldest is forgotten whole.
const tenths = 10

// window counts the calls within Config.Interval, and those of them that failed or were
// slow, in tenths from the beginning of the era.
type window struct {
	start enmesh.Instant
	until enmesh.Instant // the end of the newest part
	age   int64          // its number
	total counts
	parts [tenths]counts
}

type counts struct{ ended, failed, slow uint32 }

// clear begins a new era.
func (w *window) clear(now enmesh.Instant) { *w = window{start: now} }

// add counts a call that ended at now, in parts of a width.
func (w *window) add(now enmesh.Instant, failed, slow bool, width enmesh.Instant) {
	if now >= w.until {
		w.grow(int64(now-w.start)/int64(width), width)
	}
	one := counts{1, one(failed), one(slow)}
	w.total.add(one)
	w.parts[w.age%tenths].add(one)
}

func one(is bool) uint32 {
	if is {
		return 1
	}
	return 0
}

func (c *counts) add(n counts) {
	c.ended += n.ended
	c.failed += n.failed
	c.slow += n.slow
}

// grow forgets what is older than the window that ends with the part age.
func (w *window) grow(age int64, width enmesh.Instant) {
	if age-w.age >= tenths {
		*w = window{start: w.start, age: age}
	}
	for w.age < age {
		w.age++
		part := &w.parts[w.age%tenths]
		w.total.ended -= part.ended
		w.total.failed -= part.failed
		w.total.slow -= part.slow
		*part = counts{}
	}
	w.until = w.start + enmesh.Instant(w.age+1)*width
}

// over reports whether too many failed, or were slow, after a call that was so.
func (w *window) over(cfg Config, failed, slow bool) bool {
	if w.total.ended < cfg.MinRequests {
		return false
	}
	all := float64(w.total.ended)
	return failed && cfg.FailureRatio != 0 && float64(w.total.failed) >= cfg.FailureRatio*all ||
		slow && float64(w.total.slow) >= cfg.SlowRatio*all
}
