// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package jwt

import (
	"crypto/sha256"
	"sync"
	"sync/atomic"
)

// shards is how many parts the cache has, each with a lock.
const shards = 16

// sum names a token. Nobody can find another with the same one, so that what is found under
// it was verified.
type sum [sha256.Size]byte

// buffers are room for tokens that are about to be summed.
var buffers = sync.Pool{New: func() any { return new([maxToken]byte) }}

// sumOf is the sum of a token that is not too long.
func sumOf(raw string) sum {
	b := buffers.Get().(*[maxToken]byte) //nolint:errcheck // the pool holds nothing else
	n := copy(b[:], raw)
	s := sha256.Sum256(b[:n])
	clear(b[:n])
	buffers.Put(b)
	return s
}

// cache remembers tokens that were verified, a bounded number of them. It gives room by the clock
// algorithm: an entry goes when it was not used since the hand has passed it last.
type cache struct{ shards [shards]shard }

type shard struct {
	mu      sync.RWMutex // guards what follows
	entries map[sum]*entry
	circle  []*entry
	hand    int
	most    int
}

type entry struct {
	sum      sum
	verified *verified
	used     atomic.Bool
}

// newCache makes a cache of about size entries; nil for none.
func newCache(size int) *cache {
	if size <= 0 {
		return nil
	}
	c := new(cache)
	for i := range c.shards {
		c.shards[i].entries = map[sum]*entry{}
		c.shards[i].most = (size + shards - 1) / shards
	}
	return c
}

func (c *cache) shard(s *sum) *shard { return &c.shards[s[0]%shards] }

// get is what is known of a token, or nil.
func (c *cache) get(s *sum) *verified {
	if c == nil {
		return nil
	}
	sh := c.shard(s)
	sh.mu.RLock()
	e := sh.entries[*s]
	sh.mu.RUnlock()
	if e == nil {
		return nil
	}
	if !e.used.Load() {
		e.used.Store(true)
	}
	return e.verified
}

// put remembers a token.
func (c *cache) put(s *sum, v *verified) {
	if c == nil {
		return
	}
	sh := c.shard(s)
	e := &entry{sum: *s, verified: v}
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if old := sh.entries[*s]; old != nil {
		sh.replace(old, e)
		return
	}
	sh.entries[*s] = e
	if len(sh.circle) < sh.most {
		sh.circle = append(sh.circle, e)
		return
	}
	delete(sh.entries, sh.victim().sum)
	sh.circle[sh.hand] = e
	sh.hand = (sh.hand + 1) % len(sh.circle)
}

// replace puts e in the place of old.
func (sh *shard) replace(old, e *entry) {
	sh.entries[e.sum] = e
	for i, o := range sh.circle {
		if o == old {
			sh.circle[i] = e
			return
		}
	}
}

// victim moves the hand to the entry that goes.
func (sh *shard) victim() *entry {
	for {
		e := sh.circle[sh.hand]
		if !e.used.Swap(false) {
			return e
		}
		sh.hand = (sh.hand + 1) % len(sh.circle)
	}
}

// len is how many tokens are remembered.
func (c *cache) len() int {
	n := 0
	for i := range c.shards {
		sh := &c.shards[i]
		sh.mu.RLock()
		n += len(sh.entries)
		sh.mu.RUnlock()
	}
	return n
}
