// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package xds

import (
	"slices"
	"strings"
	"time"
	"unique"
)

// subscribe brings the entries in line with the names. s.mu is held.
func (s *session) subscribe(u *subscription, names []string) (added, removed []*entry) {
	if len(names) > 0 {
		u.asked = true
	}
	all := len(names) == 0 && !u.asked && u.kind.full()
	list := slices.Compact(slices.Sorted(slices.Values(names)))
	if i, found := slices.BinarySearch(list, All); found {
		all = u.kind.full() // of routes and endpoints there is no such thing
		list = slices.Delete(list, i, i+1)
	}
	added, removed = s.follow(u, list)
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

// follow brings what is subscribed to by name in line with a sorted list. s.mu is held.
func (s *session) follow(u *subscription, list []string) (added, removed []*entry) {
	had := u.entries
	u.entries = make([]*entry, 0, len(list))
	fresh := make([]entry, missing(had, list)) // in one piece, which takes less than so many
	for len(had) > 0 || len(list) > 0 {
		var e *entry
		switch order := first(had, list); {
		case order < 0:
			e, had = had[0], had[1:]
			if stopped := s.unname(e); stopped != nil {
				removed = append(removed, stopped)
			}
			if e.is&gone == 0 {
				u.entries = append(u.entries, e)
			}
			continue
		case order == 0:
			e, had = had[0], had[1:]
		default:
			e, fresh = &fresh[0], fresh[1:]
			s.enter(e, u, list[0])
		}
		list = list[1:]
		u.entries = append(u.entries, e)
		if e.is&named == 0 {
			e.set(named)
			if e.is&told == 0 {
				u.waiting++
			}
			added = append(added, e)
		}
	}
	return added, removed
}

// first tells which of two sorted lists, not both empty, has the first name; 0: both.
func first(had []*entry, list []string) int {
	switch {
	case len(list) == 0:
		return -1
	case len(had) == 0:
		return 1
	}
	return strings.Compare(had[0].name.Value(), list[0])
}

// missing is how many names of a sorted list had does not have.
func missing(had []*entry, list []string) (n int) {
	for len(list) > 0 {
		switch order := first(had, list); {
		case order < 0:
			had = had[1:]
			continue
		case order == 0:
			had = had[1:]
		default:
			n++
		}
		list = list[1:]
	}
	return n
}

// enter makes e the entry of a name, with what this client thought of it before. s.mu is held.
func (s *session) enter(e *entry, u *subscription, n string) {
	e.sub, e.name = u, unique.Make(n)
	e.turn(time.Now())
	s.past.recall(e)
}

// unname takes away a name that the last list did not have, and returns it where its watch
// is to be ended. s.mu is held.
func (s *session) unname(e *entry) *entry {
	if e.is&named == 0 {
		return nil
	}
	e.clear(named)
	if e.is&told == 0 {
		e.sub.waiting--
	}
	return s.drop(e)
}

// drop forgets e unless the subscription to all holds it, and returns it where its watch is
// to be ended; the caller takes what is gone from the list. s.mu is held.
func (s *session) drop(e *entry) *entry {
	if e.is&wild == 0 {
		s.past.keep(e)
		e.setSent(nil)
		e.set(gone)
	}
	if e.is&watched == 0 {
		return nil
	}
	e.clear(watched)
	return e
}

// everything is the name of the subscriptions to all.
var everything = unique.Make(All)

// wildcard begins or ends the subscription to all. s.mu is held.
func (s *session) wildcard(u *subscription, on bool) (begin, end *entry) {
	switch {
	case on && u.all == nil:
		u.all = &entry{sub: u, name: everything, is: wild | watched}
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
		u.forget()
	}
	return nil, end
}

// watch asks the catalog for what e names.
func (s *session) watch(e *entry) {
	k := e.sub.kind
	if e.name != everything && s.cfg.Allow != nil {
		if err := s.cfg.Allow(s.node, k, e.name.Value()); err != nil {
			s.deny(e, err)
			return
		}
	}
	s.mu.Lock()
	e.set(watched)
	s.mu.Unlock()
	s.cfg.Catalog.Watch(s.node, k, e.name.Value(), e)
}

// unwatch has the catalog tell of some names no more.
func (s *session) unwatch(entries []*entry) {
	for _, e := range entries {
		s.cfg.Catalog.Unwatch(s.node, e.sub.kind, e.name.Value(), e)
	}
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
