// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package discovery_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"sync"
	"time"

	"github.com/enmesh-go/enmesh/discovery"
)

// script is a Resolver of one service that says what a test tells it to. Every watch
// begins with its last word, as that of a registry does.
type script struct {
	mu      sync.Mutex // guards what follows
	last    line
	heard   bool
	watches map[chan line]bool
	opened  int
	most    int // watches at once
}

// line is one thing that the registry says.
type line struct {
	set  []discovery.Endpoint
	err  error
	ends bool // the resolver breaks its promise and ends the watch
}

// say has every watch yield the set.
func (s *script) say(eps ...discovery.Endpoint) {
	s.tell(line{set: slices.Clone(eps)})
}

// fail has every watch yield an error.
func (s *script) fail(text string) { s.tell(line{err: errors.New(text)}) }

func (s *script) tell(l line) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !l.ends {
		s.last, s.heard = l, true
	}
	for w := range s.watches {
		w <- l
	}
}

func (s *script) Watch(ctx context.Context, _ string) iter.Seq2[[]discovery.Endpoint, error] {
	return func(yield func([]discovery.Endpoint, error) bool) {
		lines := s.open()
		defer s.close(lines)
		for {
			select {
			case <-ctx.Done():
				return
			case l := <-lines:
				if l.ends || !yield(l.set, l.err) {
					return
				}
			}
		}
	}
}

func (s *script) open() chan line {
	s.mu.Lock()
	defer s.mu.Unlock()
	lines := make(chan line, 10_000)
	if s.heard {
		lines <- s.last
	}
	if s.watches == nil {
		s.watches = map[chan line]bool{}
	}
	s.watches[lines] = true
	s.opened++
	s.most = max(s.most, len(s.watches))
	return lines
}

func (s *script) close(lines chan line) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.watches, lines)
}

// counts is how many watches are open, were opened, and were open at once.
func (s *script) counts() (open, opened, most int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.watches), s.opened, s.most
}

// asked is a script that can be asked: it answers with its last word, after a delay,
// and counts.
type asked struct {
	script
	delay time.Duration
	times []time.Time
	deny  error // instead of an answer
}

func (a *asked) Lookup(ctx context.Context, _ string) ([]discovery.Endpoint, error) {
	a.mu.Lock()
	a.times = append(a.times, time.Now())
	l, deny, delay := a.last, a.deny, a.delay
	a.mu.Unlock()
	select {
	case <-time.After(delay):
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if deny != nil {
		return nil, deny
	}
	return l.set, l.err
}

// refuse has questions fail; nil has them answered.
func (a *asked) refuse(err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.deny = err
}

func (a *asked) questions() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.times)
}

// hosts is n endpoints, h0:1 and so on.
func hosts(n int) []discovery.Endpoint {
	eps := make([]discovery.Endpoint, n)
	for i := range eps {
		eps[i] = at(fmt.Sprintf("h%d:1", i))
	}
	return eps
}
