// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package balance

import (
	"slices"
	"sync"
)

// Subscribe calls f with the present set, if there is one, and with every later one:
// all of them, in order, never two at once. f runs on the goroutine that changes the
// cluster, or on the subscriber's; it may call the Cluster, but not cancel. When
// cancel has returned, f is not running and will not be called again: do not hold
// a lock that f takes.
func (c *Cluster) Subscribe(f func(*Set)) (cancel func()) {
	s := &subscription{f: f}
	s.idle.L = &s.mu
	c.mu.Lock()
	c.subs = append(slices.Clip(c.subs), s)
	if now := c.current.Load(); now != nil {
		s.push(&now.Set)
	}
	c.mu.Unlock()
	s.deliver()
	return func() {
		c.mu.Lock()
		c.subs = slices.DeleteFunc(slices.Clone(c.subs), func(o *subscription) bool { return o == s })
		c.mu.Unlock()
		s.close()
	}
}

// subscription is one who listens, and the sets that are on their way. Whoever
// brings a set while another goroutine delivers leaves it to that one.
type subscription struct {
	f      func(*Set)
	mu     sync.Mutex // guards queue, heard, busy, closed; not held while f runs
	idle   sync.Cond  // busy has become false
	queue  []*Set
	heard  bool // f has been told of a set, or will be
	busy   bool
	closed bool
}

// push queues a set. The cluster's lock keeps the order.
func (s *subscription) push(set *Set) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return
	}
	if !s.heard {
		set = set.full()
	}
	s.heard = true
	s.queue = append(s.queue, set)
}

// deliver calls f until the queue is empty, unless somebody is at it.
func (s *subscription) deliver() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.busy {
		return
	}
	s.busy = true
	defer func() { // f may panic
		s.busy = false
		s.idle.Broadcast()
	}()
	for len(s.queue) > 0 {
		set := s.queue[0]
		s.queue = s.queue[1:]
		s.call(set)
	}
}

// call runs f without the lock.
func (s *subscription) call(set *Set) {
	s.mu.Unlock()
	defer s.mu.Lock()
	s.f(set)
}

// close ends the subscription and waits for f.
func (s *subscription) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed, s.queue = true, nil
	for s.busy {
		s.idle.Wait()
	}
}

// deliver gives every subscriber what is queued for it; no lock is held.
func deliver(subs []*subscription) {
	for _, s := range subs {
		s.deliver()
	}
}
