// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package tlslive

import (
	"net"
	"sync"
	"time"
)

// Every is how often connections are checked: what is withdrawn is closed within it.
const Every = 2 * time.Second

// Set is connections that are kept while their checks pass. The zero Set is ready.
type Set struct {
	// Closed, when set, hears why a connection was closed. It is called on the timer's
	// goroutine, and must be set before the first connection.
	Closed func(remote net.Addr, err error)

	mu      sync.Mutex // guards what follows; nothing is called under it
	members map[*member]struct{}
	timer   *time.Timer // runs while there are members
}

// member is one connection.
type member struct {
	conn  net.Conn
	of    *Conn       // nil: the connection is not wrapped
	alive func() bool // nil: until it is dropped
	check func() error
}

// KeepWhile keeps a connection whose end nobody tells: it is forgotten when alive says
// no. alive and check are called on the timer's goroutine.
func (s *Set) KeepWhile(alive func() bool, conn net.Conn, check func() error) {
	s.add(&member{conn: conn, alive: alive, check: check})
}

// Len is how many connections are kept.
func (s *Set) Len() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.members)
}

func (s *Set) add(m *member) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.members == nil {
		s.members = map[*member]struct{}{}
	}
	s.members[m] = struct{}{}
	if s.timer == nil {
		s.timer = time.AfterFunc(Every, s.look)
	}
}

func (s *Set) drop(m *member) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.members, m)
	if len(s.members) == 0 && s.timer != nil {
		s.timer.Stop()
		s.timer = nil
	}
}

// look checks all connections once.
func (s *Set) look() {
	for _, m := range s.list() {
		if m.alive != nil && !m.alive() {
			s.drop(m)
			continue
		}
		if err := m.check(); err != nil {
			s.drop(m)
			if m.of != nil {
				m.of.why.Store(&closedError{err})
			}
			_ = m.conn.Close() // it is given up
			if s.Closed != nil {
				s.Closed(m.conn.RemoteAddr(), err)
			}
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.timer != nil {
		s.timer.Reset(Every)
	}
}

func (s *Set) list() []*member {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make([]*member, 0, len(s.members))
	for m := range s.members {
		all = append(all, m)
	}
	return all
}
