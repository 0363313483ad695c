// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package limit

import (
	"sync"
	"time"

	"github.com/enmesh-go/enmesh"
)

// SlidingLog admits up to Limit units in any span of Window, exactly: it writes down when
// every call went, in 16 bytes each. It is a gate. Refusing does not allocate; admitting
// does only while the log grows, which ends at Limit entries.
type SlidingLog struct{ gate }

// NewSlidingLog makes the limit, or refuses a LogConfig that makes no sense.
func NewSlidingLog(cfg LogConfig) (*SlidingLog, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	l := &log{limit: cfg.Limit, window: cfg.Window}
	return &SlidingLog{newGate(l, cfg.Terms, quota{cfg.Limit, cfg.Window})}, nil
}

// log is a ring of what went, oldest first. What every call changes stands in one cache line,
// what it only reads in another.
type log struct {
	mu      sync.Mutex // guards all that follows, and ring
	latest  enmesh.Instant
	expires enmesh.Instant // when the oldest is forgotten
	wrote   enmesh.Instant // when the newest went
	first   int            // where the oldest is
	count   int            // how many there are
	units   int            // that they took
	_       [8]byte

	shut   unit
	limit  int
	window time.Duration
	ring   []passage // its length is a power of two, or 0
	_      [8]byte   // so that the two lines are not three
}

// passage is a call that went.
type passage struct {
	at    enmesh.Instant
	units int
}

func (l *log) take(t enmesh.Instant, n int, look bool) verdict {
	if v, known := l.shut.refuses(t, n); known {
		return v
	}
	l.mu.Lock()
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

// forget drops what is older than the window.
func (l *log) forget() {
	for l.count > 0 && l.latest >= l.expires {
		l.units -= l.ring[l.first].units
		l.first = (l.first + 1) & (len(l.ring) - 1)
		l.count--
		if l.count > 0 {
			l.expires = l.ring[l.first].at.Add(l.window)
		}
	}
}

// until is how long it takes for n units to come free.
func (l *log) until(n int) time.Duration {
	if n > l.limit {
		return never
	}
	missing := n - (l.limit - l.units)
	for i := range l.count {
		p := l.ring[(l.first+i)&(len(l.ring)-1)]
		if missing -= p.units; missing <= 0 {
			return l.window - l.latest.Sub(p.at)
		}
	}
	return l.window // not reached: all of them are at most the limit
}

func (l *log) write(n int) {
	l.units += n
	switch {
	case l.count == 0:
		l.expires = l.latest.Add(l.window)
	case l.wrote == l.latest:
		l.ring[(l.first+l.count-1)&(len(l.ring)-1)].units += n
		return
	}
	l.wrote = l.latest
	if l.count == len(l.ring) {
		l.grow()
	}
	l.ring[(l.first+l.count)&(len(l.ring)-1)] = passage{l.latest, n}
	l.count++
}

// grow doubles the ring.
func (l *log) grow() {
	ring := make([]passage, max(8, 2*len(l.ring)))
	for i := range l.count {
		ring[i] = l.ring[(l.first+i)&(len(l.ring)-1)]
	}
	l.ring, l.first = ring, 0
}
