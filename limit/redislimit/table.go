// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package redislimit

import (
	"hash/maphash"
	"sync"
	"sync/atomic"

	"github.com/enmesh-go/enmesh"
)

// slots is how many parts the table has, each with a lock.
const slots = 64

// looked is how many entries of a full slot are looked at for one to forget.
const looked = 16

// hash is a key as the table knows it: two hashes under seeds of this process. That two
// keys share one happens with a chance of one in 2^64 at four billion keys, and nobody
// can make it happen.
type hash [2]uint64

// table is the entries by key, bounded.
type table struct {
	seeds [2]maphash.Seed
	most  int // entries in a slot
	slots [slots]slot
}

// slot is a part of the table. It counts for its entries.
type slot struct {
	mu      sync.Mutex // guards entries; an entry's lock is taken inside it, never around it
	entries map[hash]*entry

	admitted, refused, local atomic.Uint64
}

func (t *table) init(most int) {
	t.seeds = [2]maphash.Seed{maphash.MakeSeed(), maphash.MakeSeed()}
	t.most = max(1, most/slots)
	for i := range t.slots {
		t.slots[i].entries = map[hash]*entry{}
	}
}

// find is the entry of the key, made if need be. Where the table is full of entries that
// must not be forgotten it is the one for the rest.
func (q *Quota) find(key string, now enmesh.Instant) *entry {
	t := &q.table
	h := hash{maphash.String(t.seeds[0], key), maphash.String(t.seeds[1], key)}
	part := &t.slots[h[0]%slots]
	part.mu.Lock()
	defer part.mu.Unlock()
	if e := part.entries[h]; e != nil {
		return e
	}
	if len(part.entries) >= t.most && !part.forget(now, q.share(), looked) {
		return q.rest
	}
	e := q.entry(key, part)
	part.entries[h] = e
	return e
}

// forget takes away entries that are idle, of n that it looks at, and reports whether it
// found any.
func (s *slot) forget(now enmesh.Instant, own share, n int) bool {
	found := false
	for h, e := range s.entries {
		if e.forget(now, own) {
			delete(s.entries, h)
			found = true
		}
		n--
		if n == 0 {
			break
		}
	}
	return found
}

func (e *entry) forget(now enmesh.Instant, own share) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.gone = e.gone || e.idle(now, own)
	return e.gone
}

// sweep forgets every entry that has been idle since before.
func (t *table) sweep(now, before enmesh.Instant, own share) {
	for i := range t.slots {
		t.slots[i].sweep(now, before, own)
	}
}

func (s *slot) sweep(now, before enmesh.Instant, own share) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for h, e := range s.entries {
		e.mu.Lock()
		if e.last < before && e.idle(now, own) {
			e.gone = true
			delete(s.entries, h)
		}
		e.mu.Unlock()
	}
}

// len is how many entries there are.
func (t *table) len() int {
	n := 0
	for i := range t.slots {
		p := &t.slots[i]
		p.mu.Lock()
		n += len(p.entries)
		p.mu.Unlock()
	}
	return n
}
