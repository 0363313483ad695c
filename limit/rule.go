// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package limit

import (
	"sync"
	"time"

	"github.com/enmesh-go/enmesh"
)

// state is how one limit stands: two words, whose meaning is the rule's. The zero state
// is that of a limit that was never asked.
type state struct{ a, b int64 }

// rule is an algorithm whose state is small, so that one rule serves many keys. It has
// no state of its own.
type rule interface {
	// take is limiter.take on s, which the caller has to himself.
	take(s *state, t enmesh.Instant, n int, look bool) verdict
	// fresh reports whether s says no more than the zero state: nothing is lost when it
	// is forgotten.
	fresh(s *state, t enmesh.Instant) bool
}

// single is a rule with one state.
type single struct {
	rule rule
	shut unit

	mu     sync.Mutex // guards all below
	latest enmesh.Instant
	state  state
}

// take asks the rule.
func (s *single) take(t enmesh.Instant, n int, look bool) verdict {
	if v, known := s.shut.refuses(t, n); known {
		return v
	}
	s.mu.Lock()
	if s.shut.booked(t, s.latest) {
		at, _ := s.soonest(n)
		s.mu.Unlock()
		if at < 0 {
			return verdict{wait: never}
		}
		return verdict{wait: at.Sub(t)}
	}
	s.latest = max(s.latest, t)
	v := s.rule.take(&s.state, s.latest, n, look)
	if v.ok {
		s.shut.open()
	} else {
		s.shut.learn(s.latest, n, v.wait)
	}
	s.mu.Unlock()
	return v
}

func (s *single) reserve(t enmesh.Instant, n int, patience time.Duration) (wait time.Duration, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.shut.booked(t, s.latest) {
		t = max(s.latest, t)
		s.latest = t
		s.shut.lapse(t)
	}
	at, then := s.soonest(n)
	if at < 0 {
		return never, false
	}
	if wait = at.Sub(t); wait > patience {
		return wait, false
	}
	s.latest, s.state = at, then
	s.shut.book(t, wait)
	return wait, true
}

// soonest is when from the latest on there are n units, and the state when they are taken then;
// below 0 where there cannot be as many.
func (s *single) soonest(n int) (at enmesh.Instant, then state) {
	for at = s.latest; ; {
		then = s.state
		v := s.rule.take(&then, at, n, false)
		switch {
		case v.ok:
			return at, then
		case v.wait < 0:
			return -1, then
		}
		at = at.Add(max(v.wait, 1))
	}
}
