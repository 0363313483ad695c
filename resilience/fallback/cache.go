// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package fallback

import (
	"container/list"
	"strconv"
	"sync"
	"time"

	"github.com/enmesh-go/enmesh"
)

// fresh is how young an answer is that is not replaced by the next good one yet, so that
// not every answer is copied.
const fresh = time.Second

// overhead is about what an entry costs beside what it holds, in bytes.
const overhead = 512

// cache keeps the last good answers. What it holds is bounded in number and in bytes; the
// entry that was unused for longest goes first.
type cache struct {
	cfg        Cache
	idempotent bool          // so are all calls
	young      time.Duration // see fresh
	named      []string      // headers that are part of every key

	mu      sync.Mutex // guards what follows
	entries map[key]*list.Element
	recent  list.List // of *entry, the one used last in front
	bytes   int64
}

// entry is an answer and what of the request it depends on.
type entry struct {
	key   key
	vary  []varied
	reply *enmesh.Reply // with the mark, without its age
	since enmesh.Instant
	size  int64
}

func newCache(cfg Cache, idempotent bool) *cache {
	return &cache{cfg: cfg, idempotent: idempotent, young: min(fresh, cfg.MaxAge/10), named: namesOf(cfg), entries: map[key]*list.Element{}}
}

// keep has the answer of c kept, when it has been read, if it may be.
func (s *cache) keep(c *enmesh.Call) {
	if c.Answer.Status != 200 {
		return
	}
	k, ok := s.keyOf(c)
	if !ok || s.has(k, c.Clock) {
		return
	}
	vary, ok := storable(c)
	if !ok {
		return
	}
	c.Capture(MaxBody, func(r *enmesh.Reply) { s.put(k, vary, r) })
}

// has reports whether there is an answer that is fresh.
func (s *cache) has(k key, now enmesh.Instant) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.at(k)
	return e != nil && now.Sub(e.since) < s.young
}

// put keeps an answer; it takes the place of the one before.
func (s *cache) put(k key, vary []varied, r *enmesh.Reply) {
	e := &entry{key: k, vary: vary, reply: marked(r, "cache"), since: enmesh.Now()}
	e.size = sizeOf(e)
	s.mu.Lock()
	defer s.mu.Unlock()
	if old := s.entries[k]; old != nil {
		s.drop(old)
	}
	if e.size > s.cfg.MaxBytes {
		return
	}
	s.entries[k] = s.recent.PushFront(e)
	s.bytes += e.size
	for s.bytes > s.cfg.MaxBytes || s.recent.Len() > s.cfg.MaxEntries {
		s.drop(s.recent.Back())
	}
}

// find is the answer kept for c, with its age, or nil.
func (s *cache) find(c *enmesh.Call) *enmesh.Reply {
	k, ok := s.keyOf(c)
	if !ok {
		return nil
	}
	now := enmesh.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.at(k)
	if e == nil || !e.suits(c) {
		return nil
	}
	age := now.Sub(e.since)
	if age > s.cfg.MaxAge {
		s.drop(s.entries[k])
		return nil
	}
	s.recent.MoveToFront(s.entries[k])
	r := marked(e.reply, "cache")
	r.Header["Age"] = []string{strconv.Itoa(int(age / time.Second))}
	return r
}

func (s *cache) at(k key) *entry {
	if at := s.entries[k]; at != nil {
		return at.Value.(*entry) //nolint:errcheck // nothing else is in the list
	}
	return nil
}

func (s *cache) drop(at *list.Element) {
	e := s.recent.Remove(at).(*entry) //nolint:errcheck // nothing else is in the list
	delete(s.entries, e.key)
	s.bytes -= e.size
}

// sizeOf is about what an entry costs, in bytes.
func sizeOf(e *entry) int64 {
	n := overhead + len(e.reply.Body)
	for k, values := range e.reply.Header {
		n += 64 + len(k)
		for _, v := range values {
			n += 16 + len(v)
		}
	}
	for _, v := range e.vary {
		n += 32 + len(v.name) + len(v.value)
	}
	return int64(n)
}
