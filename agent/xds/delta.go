// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package xds

import (
	"maps"
	"slices"
	"time"

	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
)

// change is a DeltaDiscoveryRequest: what a client of the incremental form asks for
// besides, and no longer.
type change struct {
	discoveryv3.DeltaDiscoveryRequest
}

func (c *change) resumed() bool { return len(c.GetInitialResourceVersions()) > 0 }

func (c *change) to(s *session) error { return s.change(c) }

// change takes one request of the incremental form. An error ends the stream. It is
// called by one goroutine.
func (s *session) change(req *change) error {
	k, ok := KindOf(req.GetTypeUrl())
	if !ok {
		s.unknown(req.GetTypeUrl())
		return nil
	}
	more, less, had := req.GetResourceNamesSubscribe(), req.GetResourceNamesUnsubscribe(), req.GetInitialResourceVersions()
	if err := s.boundsOf(k, more, less, had); err != nil {
		return err
	}
	s.mu.Lock()
	u, begins := s.subs[k], false
	if u == nil {
		u, begins = newDelta(s, k, time.Now(), s.cfg.Resume), true
		s.subs[k] = u
	}
	names, all := u.after(more, less, begins)
	if err := s.bounds(k, len(names), nil); err != nil {
		s.mu.Unlock()
		return err
	}
	u.busy = true
	s.answer(u, req.GetResponseNonce(), req.GetErrorDetail())
	var added, removed []*entry
	if begins || len(more)+len(less) > 0 {
		added, removed = s.alter(u, names, all)
		s.owe(u, more, less)
	}
	if begins {
		u.force = all
		s.claim(u, had)
	}
	s.mu.Unlock()
	s.follows(u, added, removed)
	return nil
}

// boundsOf refuses requests whose lists are too long.
func (s *session) boundsOf(k Kind, more, less []string, had map[string]string) error {
	versions := slices.Collect(maps.Values(had))
	for _, list := range [][]string{more, less, slices.Collect(maps.Keys(had)), versions} {
		if err := s.bounds(k, len(list), list); err != nil {
			return err
		}
	}
	return nil
}

// newDelta is a subscription of the incremental form.
func newDelta(s *session, k Kind, now time.Time, resume time.Duration) *subscription {
	return &subscription{session: s, kind: k, delta: true, settleBy: now.Add(resume)}
}

// after is what is subscribed to once a request is taken: by name, in order, and
// whether to all. Who has never asked for anything has asked for all. A name that a
// request both begins and ends stays, so that nothing is missed.
func (u *subscription) after(more, less []string, begins bool) (names []string, all bool) {
	end := make(map[string]bool, len(less))
	for _, n := range less {
		end[n] = true
	}
	for _, e := range u.entries {
		if n := e.name.Value(); e.is&named != 0 && !end[n] {
			names = append(names, n)
		}
	}
	names = append(names, more...)
	slices.Sort(names)
	names = slices.Compact(names)
	all = (u.all != nil || begins && len(more) == 0) && !end[All]
	if i, found := slices.BinarySearch(names, All); found {
		all = true
		names = slices.Delete(names, i, i+1)
	}
	return names, all && u.kind.full() // of routes and endpoints there is no such thing
}

// alter brings the entries in line with what is subscribed to. s.mu is held.
func (s *session) alter(u *subscription, names []string, all bool) (added, removed []*entry) {
	// What it gives up by name and has asked for with all else: that may tell of it, or not.
	var left []*entry
	for _, e := range u.entries {
		if _, stays := slices.BinarySearch(names, e.name.Value()); all && !stays && e.is&(named|wild) == named && e.sent() != nil {
			e.set(wild)
			left = append(left, e)
		}
	}
	fresh := all && u.all == nil
	added, removed = s.follow(u, names)
	for _, e := range left {
		e.clear(told)
		u.parted = append(u.parted, e.name.Value())
	}
	if more, less := s.wildcard(u, all); more != nil {
		added = append(added, more)
	} else if less != nil {
		removed = append(removed, less)
	}
	s.adopt(u, fresh)
	if len(u.parted) > 0 {
		slices.Sort(u.parted)
		u.parted = slices.Compact(u.parted)
		u.schedule(true, time.Now(), 0, 0)
	}
	return added, removed
}

// adopt finds the present entries of what is on its way to the client, which has given it up
// since and asked for it again, alone or with all else: it has that, or will. s.mu is held.
func (s *session) adopt(u *subscription, all bool) {
	if u.out == nil {
		return
	}
	for i := range u.out.news {
		n := &u.out.news[i]
		if n.e.is&gone == 0 {
			continue
		}
		name := n.e.name.Value()
		at, found := u.find(name)
		if !found {
			if !all {
				continue
			}
			fresh := &entry{}
			s.enter(fresh, u, name)
			fresh.set(wild)
			u.entries = slices.Insert(u.entries, at, fresh)
			u.parted = append(u.parted, name)
		}
		n.e = u.entries[at]
		n.e.setSent(n.h)
	}
}

// owe notes that the client is to be told of each name that it asks for, even if it has the
// latest, for it may have dropped that; and of each that it gives up and yet has by the
// subscription to all, of which it may know by its own word alone. s.mu is held.
func (s *session) owe(u *subscription, more, less []string) {
	for _, n := range slices.Concat(more, less) {
		at, found := u.find(n)
		if !found {
			continue
		}
		e := u.entries[at]
		e.set(owed)
		u.doubts = u.doubts || e.is&(wild|named|told) == wild
		s.touch(e, true)
	}
}

// claim takes the versions that a client which comes back says it has: the same ones are
// not sent again. What it has by the subscription to all and the catalog does not speak of
// is taken from it after [Config.Resume]. s.mu is held.
func (s *session) claim(u *subscription, had map[string]string) {
	for _, n := range slices.Sorted(maps.Keys(had)) {
		at, found := u.find(n)
		if !found {
			if u.all == nil || n == All {
				continue
			}
			fresh := &entry{}
			s.enter(fresh, u, n)
			u.entries = slices.Insert(u.entries, at, fresh)
		}
		e := u.entries[at]
		if e.is&named == 0 {
			e.set(wild)
			u.doubts = true
		}
		if v := had[n]; v != "" {
			h := &held{version: v}
			e.trouble().acked = h
			e.setSent(h)
			e.clear(owed)
		}
	}
}

// doubted takes from the client what it has by the subscription to all and nobody spoke of,
// once it is time, and returns that time before. s.mu is held.
func (s *session) doubted(u *subscription, now time.Time) (at time.Time) {
	if !u.doubts {
		return at
	}
	if now.Before(u.settleBy) {
		return u.settleBy
	}
	u.doubts = false
	for _, e := range u.entries {
		if e.is&(wild|named|told) == wild {
			e.set(told)
			s.touch(e, true)
		}
	}
	return at
}

// buildDelta adds what is new and what is gone, up to the limit in bytes.
func (u *subscription) buildDelta(r *response, out *flight, now time.Time, limit int) (more, changed bool) {
	r.delta = true
	lost := false
	for _, n := range u.parted {
		at, found := u.find(n)
		if found {
			e := u.entries[at]
			if e.is&(wild|named|told) != wild {
				continue // it is one of all, and told of as such
			}
			e.lose()
			e.set(gone)
		}
		r.remove(n)
		changed, lost = true, lost || found
	}
	u.parted = nil
	list := u.dirty
	for i, e := range list {
		if more = changed && (u.isolate || r.size >= limit); more {
			u.dirty = slices.Delete(list, 0, i)
			break
		}
		e.clear(dirty)
		if e.is&gone != 0 {
			continue
		}
		if e.needs() {
			changed = u.putDelta(r, out, e, now) || changed
		}
		if e.cur == nil && e.is&(wild|named|told) == wild|told && len(e.rejected()) == 0 {
			e.set(gone)
			lost = true
		}
	}
	if !more {
		u.dirty = emptied(list)
	}
	if lost {
		u.forget()
	}
	return more, changed
}

// putDelta adds one resource, or that there is none, and reports whether there was
// something to add.
func (u *subscription) putDelta(r *response, out *flight, e *entry, now time.Time) bool {
	w := e.wanted()
	if w == nil && e.is&owed != 0 {
		w = e.cur // once more, though it refused it: silence would be taken for a missing one
	}
	e.clear(owed)
	if w != nil && w.body == nil {
		return false // the client itself says that it has it, of a version that we never had
	}
	u.put(r, out, e, w, now)
	if w != nil {
		if w.ver() == e.acked().ver() {
			out.news = append(out.news, sentItem{e, w}) // it may be refused this time
		}
		r.names = append(r.names, e.name.Value())
		r.versions = append(r.versions, w.version)
		r.size += len(e.name.Value()) + len(w.version)
		return true
	}
	e.lose()
	r.remove(e.name.Value())
	return true
}

// lose notes that the client has it no more.
func (e *entry) lose() {
	e.setSent(nil)
	e.setAcked(nil)
}
