// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package limit

import (
	"sync"

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
