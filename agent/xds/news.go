// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package xds

import (
	"slices"
	"strconv"
	"time"

	"github.com/cespare/xxhash/v2"
)

// Hear takes news from the catalog: of e, or, where that is the subscription to all, of any
// name.
func (e *entry) Hear(r Resource) {
	if e.name == everything {
		e.sub.session.tellOf(e, r)
		return
	}
	e.sub.session.tell(e, r)
}

// tellOf takes news for the subscription to all.
func (s *session) tellOf(all *entry, r Resource) {
	if r.Name == All || s.cfg.Allow != nil && s.cfg.Allow(s.node, r.Kind, r.Name) != nil {
		return
	}
	s.mu.Lock()
	if all.is&gone != 0 {
		s.mu.Unlock()
		return
	}
	u := all.sub
	at, found := u.find(r.Name)
	if !found {
		fresh := &entry{}
		s.enter(fresh, u, r.Name)
		u.entries = slices.Insert(u.entries, at, fresh)
	}
	e := u.entries[at]
	e.set(wild)
	s.mu.Unlock()
	s.tell(e, r)
}

// tell takes news of one name from the catalog. It does not block.
func (s *session) tell(e *entry, r Resource) {
	h := heldOf(r)
	s.mu.Lock()
	defer s.mu.Unlock()
	if e.is&gone != 0 || s.closed {
		return
	}
	u := e.sub
	fresh := e.is&told == 0
	e.set(told)
	e.setCur(h)
	if fresh && e.is&named != 0 {
		u.waiting--
	}
	if h == nil {
		e.turn(time.Now())
	}
	// The last name that the first response waited for must wake the sender.
	if s.touch(e, fresh) || fresh && u.waiting == 0 && !u.settled && !u.busy {
		s.signal()
	}
}

// touch notes that e changed, and reports whether to wake the sender. Endpoints do not wait for
// others when none went out lately: a response of them holds nothing but what is new, and
// until it comes calls go to who has left. s.mu is held.
func (s *session) touch(e *entry, urgent bool) bool {
	u, now := e.sub, time.Now()
	debounce := s.cfg.Debounce
	if u.kind == Endpoints && now.Sub(u.last) > s.cfg.MaxDelay {
		debounce = 0
	}
	return u.touch(e, urgent, now, debounce, s.cfg.MaxDelay) && !u.busy
}

// heldOf is what r holds; a Resource without a version gets one.
func heldOf(r Resource) *held {
	if r.Body == nil {
		return nil
	}
	if h := r.held; h != nil && h.body == r.Body && h.version == r.Version {
		return h
	}
	if r.Version == "" {
		r.Version = strconv.FormatUint(xxhash.Sum64(r.Body.GetValue()), 16)
	}
	return &held{r.Version, r.Body}
}
