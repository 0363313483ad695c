// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package xds

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// subscription is what one stream asked for of one kind. The session's lock
// guards it.
type subscription struct {
	kind    Kind
	session *session
	entries []*entry // by name
	asked   bool     // by a name at least once: since then an empty list means none
	all     *entry
	delta   bool // the client speaks the incremental form

	// busy: a request is being taken in; nothing is sent before it is whole.
	busy bool
	// force: send the set even if nothing in it is new.
	force bool
	// isolate: the client refused a response without saying which resource it was
	// about: what is new goes out one at a time until it is found.
	isolate bool

	// Of the incremental form: names that the client is to be told are gone, and whether it
	// has what the catalog has not spoken of.
	parted []string
	doubts bool

	waiting  int       // names that the catalog has not spoken of
	settled  bool      // the first response of the stream was due
	settleBy time.Time // when it is due at the latest

	dirty []*entry  // may need sending
	first time.Time // of the oldest change that is not sent
	due   time.Time // when to send; zero: nothing to send
	soon  bool      // something does not wait for the pace
	last  time.Time // when the last response was made
	out   *flight   // sent, and neither accepted nor rejected yet
	sum   uint64    // of the digests of what the client has
}

// flight is a response on its way, with what was new in it.
type flight struct {
	nonce string
	at    time.Time
	news  []sentItem
}

type sentItem struct {
	e *entry
	h *held
}

func newSubscription(s *session, k Kind, now time.Time, settle time.Duration) *subscription {
	return &subscription{session: s, kind: k, force: k.full(), settleBy: now.Add(settle)}
}

// whole says that a response holds all that is subscribed to: what is missing in it is gone.
func (u *subscription) whole() bool { return u.kind.full() && !u.delta }

// empty says that nothing is subscribed to.
func (u *subscription) empty() bool { return len(u.entries) == 0 && u.all == nil }

// touch notes that e changed; urgent ones do not wait for others. It reports
// whether the sender must look anew.
func (u *subscription) touch(e *entry, urgent bool, now time.Time, debounce, most time.Duration) bool {
	if !e.needs() {
		return false
	}
	if e.is&dirty == 0 {
		e.set(dirty)
		u.dirty = append(u.dirty, e)
	}
	return u.schedule(urgent, now, debounce, most)
}

// schedule moves the time of the next response. It reports whether that is a
// change which the sender would not find by itself.
func (u *subscription) schedule(urgent bool, now time.Time, debounce, most time.Duration) bool {
	idle := u.due.IsZero()
	if idle {
		u.first = now
	}
	if urgent {
		soon := idle || u.due.After(now) || !u.soon
		u.due, u.soon = now, true
		return soon
	}
	due := now.Add(debounce)
	if last := u.first.Add(most); due.After(last) {
		due = last
	}
	if idle || !u.soon && due.After(u.due) {
		u.due = due
	}
	return idle
}

// perName is what each name that is subscribed to keeps apart one response and the next,
// since the answer to each repeats all names, but in the incremental form.
const perName = 50 * time.Microsecond

// paced is when the next response is due: those of a stream that asks for very much have
// some time between them, up to most.
func (u *subscription) paced(most time.Duration) time.Time {
	if u.soon || u.last.IsZero() || u.delta {
		return u.due
	}
	return later(u.due, u.last.Add(min(time.Duration(len(u.entries))*perName, most)))
}

// build makes the next response, nil if there is nothing to say after all.
func (u *subscription) build(nonce string, now time.Time, limit int) *response {
	r := &response{kind: u.kind, nonce: nonce}
	out := &flight{nonce: nonce, at: now}
	var more, changed bool
	switch {
	case u.delta:
		more, changed = u.buildDelta(r, out, now, limit)
	case u.kind.full():
		more, changed = u.buildFull(r, out, now)
	default:
		more, changed = u.buildPart(r, out, now, limit)
	}
	if !more {
		u.due, u.first, u.soon = time.Time{}, time.Time{}, false
	}
	if !changed && !u.force {
		return nil
	}
	u.force, u.out, u.last = false, out, now
	r.version = fmt.Sprintf("%016x", u.sum)
	return r
}

// buildFull adds the whole set.
func (u *subscription) buildFull(r *response, out *flight, now time.Time) (more, changed bool) {
	u.clean()
	for _, e := range u.entries {
		w := e.wanted()
		if e.needs() {
			if u.isolate && w != nil && len(out.news) == 1 {
				more, w = true, e.sent()
				u.mark(e)
			} else {
				changed = true
			}
		}
		u.put(r, out, e, w, now)
		if e.cur == nil && e.is&(wild|named) == wild && len(e.rejected()) == 0 {
			e.set(gone)
		}
	}
	u.forget()
	return more, changed
}

// buildPart adds what is new, up to the limit in bytes.
func (u *subscription) buildPart(r *response, out *flight, now time.Time, limit int) (more, changed bool) {
	list := u.dirty
	for i, e := range list {
		if changed && (u.isolate || r.size >= limit) {
			u.dirty = slices.Delete(list, 0, i)
			return true, true
		}
		e.clear(dirty)
		if e.is&gone != 0 || !e.needs() {
			continue
		}
		u.put(r, out, e, e.wanted(), now)
		changed = true
	}
	u.dirty = emptied(list)
	return false, changed
}

// put adds one resource.
func (u *subscription) put(r *response, out *flight, e *entry, w *held, now time.Time) {
	if w.ver() != e.sent().ver() {
		e.setSent(w)
		e.turn(now)
	}
	if w == nil {
		return
	}
	r.add(w.body)
	if w.ver() != e.acked().ver() {
		out.news = append(out.news, sentItem{e, w})
	}
}

// clean empties the list of dirty entries.
func (u *subscription) clean() {
	for _, e := range u.dirty {
		e.clear(dirty)
	}
	u.dirty = emptied(u.dirty)
}

// keptDirty is the room for dirty entries that is kept: there are many at first only.
const keptDirty = 64

// emptied is a list without what was in it.
func emptied(list []*entry) []*entry {
	if cap(list) > keptDirty {
		return nil
	}
	clear(list)
	return list[:0]
}

// find is where the entry of a name is in the list, or would be.
func (u *subscription) find(n string) (at int, found bool) {
	return slices.BinarySearchFunc(u.entries, n, func(e *entry, n string) int { return strings.Compare(e.name.Value(), n) })
}

// forget takes what is gone from the list.
func (u *subscription) forget() {
	u.entries = slices.DeleteFunc(u.entries, func(e *entry) bool { return e.is&gone != 0 })
}

func (u *subscription) mark(e *entry) {
	if e.is&dirty == 0 {
		e.set(dirty)
		u.dirty = append(u.dirty, e)
	}
}
