// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package limit

import (
	"sync"
	"time"

	"github.com/enmesh-go/enmesh"
)

// SlidingLog admits up to Limit units in any span of Window, and never more: it writes down
// when every call went, in 16 bytes. Calls within 4 µs, or within a 65,536th of Window where
// that is more, are written down as one, of the time of the last: a unit comes back up to that
// much late, and there are no more entries than Limit, or than 65,537. It is a gate. Refusing
// does not allocate; admitting does only while the log grows.
type SlidingLog struct{ window }

// NewSlidingLog makes the limit, or refuses a LogConfig that makes no sense.
func NewSlidingLog(cfg LogConfig) (*SlidingLog, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	return &SlidingLog{newWindow(newLog(cfg.Limit, cfg.Window), cfg.Terms, quota{cfg.Limit, cfg.Window})}, nil
}

// Calls that are less than a grain apart are written down together: what comes in thick and
// fast changes one cache line then, mostly, and not two.
const (
	leastGrain = 4 * time.Microsecond
	grains     = 1 << 16 // in a window, at most
)

// log is what went: the newest, and a ring of what was before it, oldest first. What every
// call changes stands in one cache line, what it only reads in another.
type log struct {
	mu      sync.Mutex // guards all that follows, and ring
	latest  enmesh.Instant
	expires enmesh.Instant // when the oldest is forgotten
	since   enmesh.Instant // when the first of the newest went
	newest  passage        // no units: there is none
	first   int32          // where the oldest of the ring is
	count   int32          // how many are in the ring
	units   int            // that all of them took

	shut   unit
	limit  int
	window time.Duration
	grain  time.Duration
	ring   []passage // its length is a power of two, or 0
}

func newLog(limit int, window time.Duration) *log {
	return &log{limit: limit, window: window, grain: max(leastGrain, window/grains)}
}

// passage is a call that went, or several of one grain: when the last of them did.
type passage struct {
	at    enmesh.Instant
	units int
}

func (l *log) take(t enmesh.Instant, n int, look bool) verdict {
	if v, known := l.shut.refuses(t, n); known {
		return v
	}
	l.mu.Lock()
	if l.shut.booked(t, l.latest) {
		v := verdict{wait: l.soonest(n)}
		if v.wait >= 0 {
			v.wait += l.latest.Sub(t)
		}
		l.mu.Unlock()
		return v
	}
	l.latest = max(l.latest, t)
	l.forget()
	v := l.admit(n, look)
	if v.ok {
		l.shut.open()
	} else {
		l.shut.learn(l.latest, n, v.wait)
	}
	l.mu.Unlock()
	return v
}

// admit writes down n units at the latest, if there is room.
func (l *log) admit(n int, look bool) verdict {
	if n > l.limit-l.units {
		return verdict{wait: l.until(n), left: l.limit - l.units}
	}
	l.write(n)
	if !look {
		return verdict{ok: true}
	}
	return verdict{ok: true, left: l.limit - l.units, reset: l.window}
}

func (l *log) reserve(t enmesh.Instant, n int, patience time.Duration) (wait time.Duration, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.shut.booked(t, l.latest) {
		t = max(l.latest, t)
		l.latest = t
		l.forget()
		l.shut.lapse(t)
	}
	if wait = l.soonest(n); wait < 0 {
		return never, false
	}
	at := l.latest.Add(wait)
	if wait = at.Sub(t); wait > patience {
		return wait, false
	}
	l.latest = at
	l.forget()
	l.write(n)
	l.shut.book(t, wait)
	return wait, true
}

// soonest is how long after the latest there are n units: 0 when they are there, never when
// there cannot be as many.
func (l *log) soonest(n int) time.Duration {
	if n <= l.limit-l.units {
		return 0
	}
	return l.until(n)
}

// forget drops what is older than the window.
func (l *log) forget() {
	for l.units > 0 && l.latest >= l.expires {
		if l.count == 0 {
			l.newest, l.units = passage{}, 0
			return
		}
		l.units -= l.ring[l.first].units
		l.first = int32(l.place(1))
		l.count--
		l.expires = l.oldest().at.Add(l.window)
	}
}

// oldest is the first to be forgotten.
func (l *log) oldest() *passage {
	if l.count == 0 {
		return &l.newest
	}
	return &l.ring[l.first]
}

// place is where in the ring its i-th is, or goes.
func (l *log) place(i int32) int { return int(l.first+i) & (len(l.ring) - 1) }

// until is how long it takes for n units to come free.
func (l *log) until(n int) time.Duration {
	if n > l.limit {
		return never
	}
	missing := n - (l.limit - l.units)
	for i := range l.count {
		p := l.ring[l.place(i)]
		if missing -= p.units; missing <= 0 {
			return l.window - l.latest.Sub(p.at)
		}
	}
	return l.window - l.latest.Sub(l.newest.at) // all of them are at most the limit
}

// write notes that n units went at the latest.
func (l *log) write(n int) {
	l.units += n
	if l.newest.units > 0 && l.latest.Sub(l.since) < l.grain {
		l.newest.at = l.latest
		l.newest.units += n
	} else {
		l.keep()
		l.newest, l.since = passage{l.latest, n}, l.latest
	}
	if l.count == 0 {
		l.expires = l.latest.Add(l.window)
	}
}

// keep puts the newest, if there is one, into the ring.
func (l *log) keep() {
	if l.newest.units == 0 {
		return
	}
	if int(l.count) == len(l.ring) {
		l.grow()
	}
	l.ring[l.place(l.count)] = l.newest
	l.count++
}

// grow doubles the ring.
func (l *log) grow() {
	ring := make([]passage, max(8, 2*len(l.ring)))
	for i := range l.count {
		ring[i] = l.ring[l.place(i)]
	}
	l.ring, l.first = ring, 0
}
