// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package timeout

import (
	"sync"
	"time"

	"github.com/enmesh-go/enmesh"
)

// timer is a runtime timer that serves one term after another.
type timer struct {
	runtime *time.Timer
	term    *term // set while started
	pooled  bool
}

// timers holds timers that are stopped and will not run.
var timers = sync.Pool{New: func() any { return &timer{pooled: true} }}

// loaded is when the program started. An earlier instant is of a testing/synctest
// bubble, whose clock starts in the year 2000: a timer of one bubble may not be
// started in another, nor outside, so there each term has its own.
var loaded = enmesh.Now()

func newTimer(now enmesh.Instant) *timer {
	if now < loaded {
		return &timer{}
	}
	return timers.Get().(*timer) //nolint:errcheck // the pool holds nothing else
}

func (m *timer) start(t *term, limit time.Duration) {
	m.term = t
	if m.runtime == nil {
		m.runtime = time.AfterFunc(limit, m.fire)
		return
	}
	m.runtime.Reset(limit)
}

func (m *timer) fire() { m.term.expire() }

// stop ends the timer. One that has fired, or is about to, is not used again.
func (m *timer) stop() {
	if m.runtime.Stop() && m.pooled {
		m.term = nil
		timers.Put(m)
	}
}
