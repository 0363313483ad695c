// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package xds

import (
	"time"
	"unique"
)

// subscribe brings the entries in line with the names. s.mu is held.
func (s *session) subscribe(u *subscription, names []string) (added, removed []*entry) {
	if len(names) > 0 {
		u.asked = true
	}
	all := len(names) == 0 && !u.asked && u.kind.full()
	u.gen++ // and round: what is named is of the list before this one, or of this one
	kept := 0
	for _, n := range names {
		if n == All {
			all = u.kind.full() // of routes and endpoints there is no such thing
			continue
		}
		e := s.enter(u, unique.Make(n))
		if e.is&named != 0 && e.gen == u.gen {
			continue // twice in one list
		}
		e.gen, kept = u.gen, kept+1
		if e.is&named == 0 {
			e.set(named)
			if e.is&told == 0 {
				u.waiting++
			}
			added = append(added, e)
		}
	}
	if kept < len(u.entries) {
		removed = s.prune(u)
	}
	if more, less := s.wildcard(u, all); more != nil {
		added = append(added, more)
	} else if less != nil {
		removed = append(removed, less)
	}
	if u.empty() {
		u.out = nil // some clients do not answer what they no longer want
	}
	return added, removed
}

// enter finds the entry of a name, or makes it, with what this client thought of it
// before. s.mu is held.
func (s *session) enter(u *subscription, n name) *entry {
	e := u.entries[n]
	if e == nil {
		e = &entry{sub: u, name: n}
		e.turn(time.Now())
		s.past.recall(e)
		u.entries[n] = e
	}
	return e
}

// prune takes away the names that the last list did not have. s.mu is held.
func (s *session) prune(u *subscription) (removed []*entry) {
	for _, e := range u.entries {
		if e.is&named == 0 || e.gen == u.gen {
			continue
		}
		e.clear(named)
		if e.is&told == 0 {
			u.waiting--
		}
		if stopped := s.drop(e); stopped != nil {
			removed = append(removed, stopped)
		}
	}
	return removed
}

// drop forgets e unless the subscription to all holds it, and returns what is to
// be stopped. s.mu is held.
func (s *session) drop(e *entry) *entry {
	stopped := &entry{stop: e.stop}
	e.stop = nil
	if e.is&wild == 0 {
		s.past.keep(e)
		e.setSent(nil)
		e.set(gone)
		delete(e.sub.entries, e.name)
	}
	if stopped.stop == nil {
		return nil
	}
	return stopped
}

// wildcard begins or ends the subscription to all. s.mu is held.
func (s *session) wildcard(u *subscription, on bool) (begin, end *entry) {
	switch {
	case on && u.all == nil:
		u.all = &entry{sub: u, name: unique.Make(All), is: wild}
		return u.all, nil
	case !on && u.all != nil:
		end, u.all = u.all, nil
		end.set(gone)
		for _, e := range u.entries {
			e.clear(wild)
			if e.is&named == 0 {
				s.drop(e)
			}
		}
		if end.stop == nil {
			return nil, nil
		}
	}
	return nil, end
}

// watch asks the catalog for what e names.
func (s *session) watch(e *entry) {
	k := e.sub.kind
	if e == e.sub.all {
		e.stop = s.cfg.Catalog.Watch(s.node, k, All, e.hearOf)
		return
	}
	if s.cfg.Allow != nil {
		if err := s.cfg.Allow(s.node, k, e.name.Value()); err != nil {
			s.deny(e, err)
			return
		}
	}
	stop := s.cfg.Catalog.Watch(s.node, k, e.name.Value(), e.hear)
	s.mu.Lock()
	e.stop = stop
	s.mu.Unlock()
}

// deny keeps a name from the client.
func (s *session) deny(e *entry, why error) {
	s.cfg.Log.Warn("xds: a client asked for what it may not see", "node", s.node.ID, "peer", s.node.Peer.Addr,
		"kind", e.sub.kind.String(), "name", e.name.Value(), "error", why)
	r := Resource{Kind: e.sub.kind, Name: e.name.Value()}
	if s.cfg.Refuse != nil {
		r = s.cfg.Refuse(s.node, e.sub.kind, e.name.Value(), why)
	}
	s.mu.Lock()
	e.trouble().denied = why
	s.mu.Unlock()
	s.tell(e, r)
}
