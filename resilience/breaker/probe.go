// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package breaker

import (
	"sync"
	"time"

	"github.com/enmesh-go/enmesh"
)

// probes are the calls that a half-open breaker has let through. The state machine
// by itself would stay half-open, and refuse, until they end; a probe that hangs, or
// is a stream that runs for hours, gives its place up here.
type probes struct {
	mu   sync.Mutex // guards open; never held while the machine is called
	open map[*probe]struct{}
}

// probe is one of them.
type probe struct {
	done  func(error)
	since enmesh.Instant
}

// add notes a probe and returns what ends it.
func (s *probes) add(done func(error), now enmesh.Instant) func(error) {
	p := &probe{done, now}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open == nil {
		s.open = map[*probe]struct{}{}
	}
	s.open[p] = struct{}{}
	return func(err error) {
		if s.remove(p) {
			p.done(err)
		}
	}
}

// remove reports whether p was still open: its machine is told once.
func (s *probes) remove(p *probe) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, was := s.open[p]
	delete(s.open, p)
	return was
}

// expire gives up the places of probes that have taken longer than limit, and
// reports whether there were any.
func (s *probes) expire(now enmesh.Instant, limit time.Duration) bool {
	var old []*probe
	s.mu.Lock()
	for p := range s.open {
		if now.Sub(p.since) > limit {
			old = append(old, p)
			delete(s.open, p)
		}
	}
	s.mu.Unlock()
	for _, p := range old {
		p.done(errNeutral)
	}
	return len(old) > 0
}
