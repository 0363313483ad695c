// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package limit

import (
	"math/bits"
	"sync"

	"github.com/enmesh-go/enmesh"
)

// shards is into how many parts a table is cut, each with its lock. It is a power of two.
const shards = 64

// sweep is how many places a shard that is full looks at for one to give up.
const sweep = 32

// table is the state of many keys, in a bounded number of places. A key has to give up
// its place only when its state is fresh, so that it loses nothing; where none can, new
// keys get no place.
type table struct {
	rule   rule
	most   int // keys of one shard
	shards [shards]shard
}

// shard is a part of the keys, in one array: open addressing with linear probing.
type shard struct {
	mu     sync.Mutex // guards all below
	places []place    // at most three quarters of them are in use
	used   int
	hand   int // where the next sweep begins
	_      [64]byte
}

// place is a key and its state. The zero digest is an empty place.
type place struct {
	key   digest
	state state
}

// minPlaces is how many places a shard begins with.
const minPlaces = 8

// newTable has places for about most keys. They are spread by their hash, so that a shard
// gets more than its equal part: four times the root of that.
func newTable(r rule, most int) *table {
	equal := (most + shards - 1) / shards
	slack := 1
	for slack*slack < 16*equal {
		slack++
	}
	return &table{rule: r, most: equal + slack}
}

// take asks the rule for one key's state. It reports false, asking nothing, when the key
// has no place and there is none for it.
func (t *table) take(key digest, at enmesh.Instant, n int, look bool) (verdict, bool) {
	if key == (digest{}) {
		key.lo = 1
	}
	s := &t.shards[key.lo%shards]
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.find(t, key, at)
	if p == nil {
		return verdict{}, false
	}
	return t.rule.take(&p.state, at, n, look), true
}

// home is where the search for a key begins.
func (s *shard) home(key digest) int {
	hi, _ := bits.Mul64(key.hi, uint64(len(s.places)))
	return int(hi)
}

// after is the place behind i.
func (s *shard) after(i int) int {
	i++
	if i == len(s.places) {
		return 0
	}
	return i
}

// find is the place of the key, a new one if need be and possible.
func (s *shard) find(t *table, key digest, at enmesh.Instant) *place {
	if s.places == nil {
		s.places = make([]place, minPlaces)
	}
	p, fresh := s.look(t.rule, key, at)
	switch {
	case p.key == key:
		return p
	case fresh != nil: // a key that loses nothing lay on the way
		*fresh = place{key: key}
		return fresh
	case s.used >= t.most:
		if !s.evict(t.rule, at) {
			return nil
		}
		p, _ = s.look(t.rule, key, at)
	case 4*(s.used+1) > 3*len(s.places):
		s.grow(t.most)
		p, _ = s.look(t.rule, key, at)
	}
	s.used++
	p.key = key
	return p
}

// look is the place of the key, or else the empty place where its search ends, and the
// first place on the way to that whose state is fresh.
func (s *shard) look(r rule, key digest, at enmesh.Instant) (p, fresh *place) {
	for i := s.home(key); ; i = s.after(i) {
		p = &s.places[i]
		if p.key == key || p.key == (digest{}) {
			return p, fresh
		}
		if fresh == nil && r.fresh(&p.state, at) {
			fresh = p
		}
	}
}

// evict frees one place whose state is fresh, if it finds one among the next few.
func (s *shard) evict(r rule, at enmesh.Instant) bool {
	for range sweep {
		i := s.hand
		s.hand = s.after(i)
		if p := &s.places[i]; p.key != (digest{}) && r.fresh(&p.state, at) {
			s.remove(i)
			return true
		}
	}
	return false
}

// remove empties a place, and moves up those behind it that would no longer be found.
func (s *shard) remove(hole int) {
	s.used--
	all := len(s.places)
	for i := s.after(hole); ; i = s.after(i) {
		p := &s.places[i]
		if p.key == (digest{}) {
			break
		}
		if back := i - s.home(p.key); (back+all)%all >= (i-hole+all)%all {
			s.places[hole] = *p
			hole = i
		}
	}
	s.places[hole] = place{}
}

// grow doubles the places, up to what most keys need.
func (s *shard) grow(most int) {
	old := s.places
	s.places = make([]place, min(2*len(old), most*4/3+minPlaces))
	for i := range old {
		if old[i].key == (digest{}) {
			continue
		}
		j := s.home(old[i].key)
		for s.places[j].key != (digest{}) {
			j = s.after(j)
		}
		s.places[j] = old[i]
	}
	s.hand = 0
}

// keys is how many places are in use.
func (t *table) keys() int {
	n := 0
	for i := range t.shards {
		s := &t.shards[i]
		s.mu.Lock()
		n += s.used
		s.mu.Unlock()
	}
	return n
}
