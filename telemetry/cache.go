// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package telemetry

import (
	"hash/maphash"
	"sync"
	"sync/atomic"

	"github.com/enmesh-go/enmesh"
)

// The sizes of a Cache, in slots of one pointer each.
const (
	cacheStart = 16
	cacheLimit = 4096
	cacheReach = 8 // how many slots a key may stand in
)

// Cache finds what was made once for each kind of call: a series, a set of
// attributes. Get takes no lock and allocates nothing. A Cache holds at most 4,096
// values; a new one beyond that takes the place of another, which is made again when
// it is next asked for: the truth stands elsewhere. The zero Cache is ready.
type Cache[K comparable, V any] struct {
	table atomic.Pointer[[]atomic.Pointer[cached[K, V]]]
	mu    sync.Mutex // guards writing to and replacing the table
}

// cached is a key with its value. It is never written again.
type cached[K comparable, V any] struct {
	hash  uint64
	key   K
	value V
}

// Get finds the value of key. hash must depend on the key alone (see [Hash]), and
// need not depend on all of it.
func (c *Cache[K, V]) Get(hash uint64, key *K) (value V, ok bool) {
	table := c.table.Load()
	if table == nil {
		return value, false
	}
	slots := *table
	mask := uint64(len(slots) - 1)
	for i := range uint64(cacheReach) {
		e := slots[(hash+i)&mask].Load()
		if e == nil {
			return value, false
		}
		if e.hash == hash && e.key == *key {
			return e.value, true
		}
	}
	return value, false
}

// Put stores the value of key.
func (c *Cache[K, V]) Put(hash uint64, key K, value V) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := &cached[K, V]{hash, key, value}
	table := c.table.Load()
	if table == nil {
		table = newTable[K, V](cacheStart)
	}
	for !put(*table, e) {
		if len(*table) >= cacheLimit {
			victim := (hash + hash>>32%cacheReach) & uint64(len(*table)-1)
			(*table)[victim].Store(e)
			break
		}
		table = grown(*table)
	}
	c.table.Store(table)
}

func newTable[K comparable, V any](size int) *[]atomic.Pointer[cached[K, V]] {
	t := make([]atomic.Pointer[cached[K, V]], size)
	return &t
}

// put stores e in a free slot, or in that of an equal key, and reports whether
// there was one.
func put[K comparable, V any](slots []atomic.Pointer[cached[K, V]], e *cached[K, V]) bool {
	mask := uint64(len(slots) - 1)
	for i := range uint64(cacheReach) {
		slot := &slots[(e.hash+i)&mask]
		if old := slot.Load(); old == nil || old.hash == e.hash && old.key == e.key {
			slot.Store(e)
			return true
		}
	}
	return false
}

// grown is a table of twice the size with what fits of the old one.
func grown[K comparable, V any](old []atomic.Pointer[cached[K, V]]) *[]atomic.Pointer[cached[K, V]] {
	t := newTable[K, V](2 * len(old))
	for i := range old {
		if e := old[i].Load(); e != nil {
			put(*t, e)
		}
	}
	return t
}

// Hash is the hash of a key as it is made up, part by part. It starts as
// Hash(0); its value differs from process to process.
type Hash uint64

var seed = maphash.MakeSeed()

// Uint adds a number.
func (h Hash) Uint(n uint64) Hash {
	h = (h ^ Hash(n)) * 0x9e3779b97f4a7c15
	return h ^ h>>29
}

// String adds a text.
func (h Hash) String(s string) Hash { return h.Uint(maphash.String(seed, s)) }

// Endpoint adds an endpoint by its identity, not its address. It may be nil.
func (h Hash) Endpoint(e enmesh.Endpoint) Hash { return h.Uint(maphash.Comparable(seed, e)) }
