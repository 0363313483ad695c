// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

// Package quantile estimates quantiles of durations over a window of time that moves on,
// in bounded memory and without a lock on the way in: the median that a retry compares a
// deadline with, and the percentile after which a hedge is sent.
//
// Durations are counted in buckets that are a sixteenth of their octave wide, as in
// HdrHistogram (Tene) and DDSketch (Masson, Rim, Lee, VLDB 2019): every estimate is at
// least the true quantile and at most 1/16 above it, whatever the distribution. The window is five
// parts; the oldest is forgotten whole.
package quantile

import (
	"math"
	"math/bits"
	"sync"
	"sync/atomic"
	"time"
)

const (
	sub     = 16        // buckets in an octave
	subBits = 5         // bits of 2*sub-1
	longest = 1<<32 - 1 // microseconds, 71 minutes: longer counts as this
	buckets = (32-subBits)*sub + 2*sub
	parts   = 5
	fresh   = 100 // an estimate is used again for this part of the window
)

// Window counts durations. It is safe for concurrent use. Make one with [New].
type Window struct {
	width int64 // of a part, in nanoseconds
	parts [parts]part

	mu     sync.Mutex                  // guards the turn of a part to another age
	latest [2]atomic.Pointer[estimate] // of the two quantiles asked for last
}

// part has the durations of one part of the window.
type part struct {
	age    atomic.Int64 // which part of all time it is; 0: never used
	counts [buckets]atomic.Uint32
}

// estimate is what a walk over all buckets came to.
type estimate struct {
	at      int64
	q       float64
	value   time.Duration
	samples int
}

// New makes a Window of that length, which is more than 5 ns.
func New(length time.Duration) *Window {
	return &Window{width: max(int64(length)/parts, 1)}
}

// Add counts d at the instant at, in nanoseconds on a clock whose readings are positive.
// It does not allocate.
func (w *Window) Add(at int64, d time.Duration) {
	age := at / w.width
	p := &w.parts[age%parts]
	if p.age.Load() != age && !w.turn(p, age) {
		return // a whole window late
	}
	p.counts[bucketOf(d)].Add(1)
}

// turn empties a part for a new age, and reports false if it is newer already. One that
// adds to the old age at the same time may be counted in the new one.
func (w *Window) turn(p *part, age int64) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch was := p.age.Load(); {
	case was == age:
		return true
	case was > age:
		return false
	}
	for i := range p.counts {
		p.counts[i].Store(0)
	}
	p.age.Store(age)
	return true
}

// Quantile is the duration that a share q of those in the window does not exceed, and how
// many there are: 0 and 0 when there is none. It is worked out anew when the last estimate
// is a hundredth of the window old, and until twice enough durations are there; enough is how
// many the caller wants at least.
func (w *Window) Quantile(at int64, q float64, enough int) (d time.Duration, samples int) {
	slot := &w.latest[0]
	for i := range w.latest {
		e := w.latest[i].Load()
		if e != nil && e.q != q {
			continue
		}
		slot = &w.latest[i]
		if e != nil && at-e.at < w.width*parts/fresh && e.samples >= 2*enough {
			return e.value, e.samples
		}
		break
	}
	e := w.walk(at, q)
	slot.Store(e)
	return e.value, e.samples
}

func (w *Window) walk(at int64, q float64) *estimate {
	e := &estimate{at: at, q: q}
	now := at / w.width
	var counts [buckets]int
	for i := range w.parts {
		p := &w.parts[i]
		if age := p.age.Load(); age <= now-parts || age > now || age == 0 {
			continue
		}
		for b := range counts {
			n := int(p.counts[b].Load())
			counts[b] += n
			e.samples += n
		}
	}
	rank := max(int(math.Ceil(q*float64(e.samples))), 1)
	for b, n := range &counts {
		if rank -= n; rank <= 0 {
			e.value = edgeOf(b)
			break
		}
	}
	return e
}

// bucketOf is the bucket of d: its own for each of the first 32 microseconds, from there
// on 16 to an octave.
func bucketOf(d time.Duration) int {
	us := min(uint64(max(d.Microseconds(), 0)), longest)
	shift := max(bits.Len64(us)-subBits, 0)
	return shift*sub + int(us>>shift)
}

// edgeOf is where bucket b ends.
func edgeOf(b int) time.Duration {
	shift := max(b/sub-1, 0)
	return time.Duration(b-shift*sub+1) << shift * time.Microsecond
}
