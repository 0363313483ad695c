// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

// Package lane keeps apart what several processors count, so that none has to wait for a
// cache line that another has written: each counts in a lane of its own, and who reads adds
// the lanes up.
package lane

import (
	"runtime"
	"sync"
	"sync/atomic"
)

// Most is how many lanes there are at most.
const Most = 8

// line is the bytes of a cache line.
const line = 64

// token says which lane is a processor's.
type token struct{ lane int }

var (
	tokens = func() (t [Most]token) {
		for i := range t {
			t[i].lane = i
		}
		return t
	}()
	count = uint32(min(runtime.GOMAXPROCS(0), Most))
	given atomic.Uint32
	// held has the token of each processor: a pool hands out what the processor has put back.
	held = sync.Pool{New: func() any {
		return &tokens[given.Add(1)%count]
	}}
)

// Here is the lane to count in at present. It is a hint: another processor may count in it as
// well, so that what is in it is to be counted atomically.
func Here() int {
	t, ok := held.Get().(*token)
	if !ok {
		return 0 // not reached: there are no others
	}
	held.Put(t)
	return t.lane
}

// Counter is a number that every call adds to and few read. It only grows: of one that falls
// as well the sum might be what it never was. The zero Counter is 0.
type Counter struct {
	_     [line]byte // of what stands before it
	parts [Most]part
}

type part struct {
	n atomic.Uint64
	_ [line - 8]byte
}

// Add adds n.
func (c *Counter) Add(n uint64) { c.AddIn(Here(), n) }

// AddIn adds n in a lane.
func (c *Counter) AddIn(lane int, n uint64) { c.parts[lane].n.Add(n) }

// Load is the sum. What is added meanwhile may be in it or not.
func (c *Counter) Load() (sum uint64) {
	for i := range c.parts {
		sum += c.parts[i].n.Load()
	}
	return sum
}

// Set is a T for each lane that is counted in. The zero Set has none.
type Set[T any] [Most]atomic.Pointer[T]

// In is the T of a lane. It makes the first.
func (s *Set[T]) In(lane int) *T {
	if t := s[lane].Load(); t != nil {
		return t
	}
	s[lane].CompareAndSwap(nil, new(T))
	return s[lane].Load()
}

// All calls f for each T there is.
func (s *Set[T]) All(f func(*T)) {
	for i := range s {
		if t := s[i].Load(); t != nil {
			f(t)
		}
	}
}
