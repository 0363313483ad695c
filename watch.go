// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package enmesh

// A Watcher hears whenever something of a call that streams has crossed the wire: a
// message of a gRPC stream in either direction, a piece of an HTTP answer's body. Moved is called on
// any goroutine, often, and must not block.
type Watcher interface{ Moved() }

// Watch has w hear of what crosses the wire, until the call has ended. A call has one
// Watcher: it returns the one before, which the new one is to tell, or nil. Call it from the
// chain's goroutine, before next, on a call and not on a fork of one: what a fork's stream
// carries is told to the call that has adopted it.
func (c *Call) Watch(w Watcher) (before Watcher) {
	if c.hooks.spare == nil {
		c.hooks.spare = &Spare{}
	}
	before, c.hooks.spare.watcher = c.hooks.spare.watcher, w
	return before
}

// Watcher is for adapters: who is to be told, or nil. An adapter asks once, when it hands the
// answer out or calls the handler, and keeps it.
func (k *Carrier) Watcher() Watcher {
	if s := k.Call.hooks.spare; s != nil {
		return s.watcher
	}
	return nil
}
