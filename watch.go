// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package enmesh

// A Watcher hears whenever something of a call that streams has crossed the wire: a
// message of a gRPC stream in either direction, a piece of an HTTP answer's body. Moved is called on
// any goroutine, often, and must not block.
type Watcher interface{ Moved() }

// Watch has w hear of what crosses the wire, from now until the call has ended. A call has one
// Watcher at a time: it returns the one before, which the new one is to tell, or nil.
// Call it from the chain's goroutine, on a call, not on a fork of one: what a fork's stream carries is told to the
// call that has adopted it.
func (c *Call) Watch(w Watcher) (before Watcher) {
	if c.hooks.spare == nil {
		c.hooks.spare = &Spare{}
	}
	if old := c.hooks.spare.watcher.Swap(&w); old != nil {
		before = *old
	}
	return before
}

// Moved is for adapters: it tells the Watcher, if there is one. Any goroutine may call
// it.
func (k *Carrier) Moved() {
	s := k.Call.hooks.spare
	if s == nil {
		return
	}
	if w := s.watcher.Load(); w != nil {
		(*w).Moved()
	}
}

// Watched is for adapters: it reports whether there is a Watcher.
func (k *Carrier) Watched() bool {
	s := k.Call.hooks.spare
	return s != nil && s.watcher.Load() != nil
}
