// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package concurrency

import (
	"time"

	"github.com/enmesh-go/enmesh"
)

// law is an algorithm. It is asked under the lock of its control.
type law interface {
	// next is the limit after a window.
	next(limit float64, w window) float64
	// rebases reports whether it wants to know the latency of a far side with nothing queued.
	rebases() bool
	// rebase tells it that latency, in nanoseconds, or, if not exact, one that is above it.
	rebase(latency float64, exact bool)
}

// window is what the calls that ended in a stretch of time showed.
type window struct {
	latency float64 // mean, nanoseconds; 0: none was measured
	ended   int64   // that were measured, or that the far side refused
	refused int64   // by the far side
	limited bool    // the limit was in the way, or nearly
}

// The lengths of windows: twice the latency, so that a window sees what the one before
// has changed, within bounds.
const (
	shortWindow = 100 * time.Millisecond
	longWindow  = time.Second
	fewSamples  = 10 // that end a window that has had longWindow
	manySamples = 50 // that end one that has had its time
)

// tolerated is the share of refusals of the far side that is no sign of a limit too high:
// up to it the limit only stops to grow.
const tolerated = 0.05

// Looking at an emptier far side: a limit that is reached all the time never sees how
// quick the far side is with nothing queued. So once in a while, and whenever it has
// fallen by much, it is lowered for two windows, of which the second is measured (as
// BBR's ProbeRTT and Envoy's minRTT are). A fall that is right has made calls quicker; if
// it has not, it is not our calls that queue: the far side has become slower as such, and
// what it takes now is its latency with nothing queued.
const (
	lookSoon    = 3 * time.Second // after the beginning, and after a look for a fall, which comes early
	lookEvery   = 30 * time.Second
	lookWindows = 10   // between looks at least
	lookLimit   = 0.65 // of the limit
	lookSamples = 400  // that end the second window
	fellTo      = 0.7  // of what it was: a fall by much
	proportion  = 0.75 // latency that falls by more, by as much as the limit, was all of it waiting
)

// control turns windows into a limit. It is not safe for concurrent use.
type control struct {
	law      law
	limit    float64
	min, max float64
	backoff  float64

	fallFrom float64 // the limit that has been falling since
	latency  float64 // of the last window, nanoseconds

	look     phase
	lookAt   enmesh.Instant // the next
	again    time.Duration  // how long after the end of this one
	measured int            // windows since the last
}

// phase is where a look at an emptier far side stands.
type phase uint8

const (
	notLooking phase = iota
	emptying         // the limit is lowered, older calls still run
	looking          // only calls of the lowered limit end
)

func newControl(cfg AdaptiveConfig) control {
	return control{
		law: cfg.law(), limit: float64(cfg.Initial),
		min: float64(cfg.Min), max: float64(cfg.Max), backoff: cfg.Backoff,
	}
}

// step learns from a window that ended at now, and gives the limit until the next ends.
func (c *control) step(w window, now enmesh.Instant) int64 {
	switch {
	case c.look != notLooking:
		c.onLook(w, now)
	case float64(w.refused) > tolerated*float64(w.ended):
		c.set(c.limit * c.backoff)
		c.fallFrom = c.limit
		c.lookAt = now.Add(lookEvery) // refusals say enough
	case w.latency > 0:
		c.onLatency(w)
		c.considerLook(w, now)
	}
	if c.look != notLooking {
		return int64(max(c.min, lookLimit*c.limit))
	}
	return int64(c.limit)
}

func (c *control) set(limit float64) { c.limit = min(max(limit, c.min), c.max) }

func (c *control) onLatency(w window) {
	next := c.law.next(c.limit, w)
	if w.refused > 0 {
		next = min(next, c.limit)
	}
	c.set(next)
	c.fallFrom = max(c.fallFrom, c.limit)
	c.latency = w.latency
}

// considerLook begins a look when one is due and the limit is in the way.
func (c *control) considerLook(w window, now enmesh.Instant) {
	c.measured++
	if c.lookAt == 0 {
		c.lookAt = now.Add(lookSoon)
	}
	due := now >= c.lookAt && c.measured >= lookWindows
	if !w.limited || !due && c.limit > fellTo*c.fallFrom {
		return
	}
	c.fallFrom = c.limit
	if c.law.rebases() {
		c.look, c.again = emptying, lookSoon
		if due {
			c.again = lookEvery
		}
	}
}

func (c *control) onLook(w window, now enmesh.Instant) {
	if c.look == emptying {
		c.look = looking
		return
	}
	if w.latency > 0 {
		c.law.rebase(w.latency, w.latency > proportion*c.latency)
	}
	c.look, c.lookAt, c.measured = notLooking, now.Add(c.again), 0
}

// samples is how many calls end a window that has had its time.
func (c *control) samples() int64 {
	if c.look == looking {
		return lookSamples
	}
	return manySamples
}

// length is how long the window after one of such latency is.
func length(latency float64) time.Duration {
	return min(max(time.Duration(2*latency), shortWindow), longWindow)
}
