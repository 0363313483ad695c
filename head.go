// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package enmesh

// OnHead has f edit the header of the answer that the caller gets, whoever makes it: the far
// side, a handler, or a policy that refuses the call or answers it. f runs once at most, as
// the head goes out, and so has the last word. Of several the innermost runs first. A client's
// call that ends with an error and no answer has no head, and gRPC's calls have no place for
// it: there f does not run. Call it from the chain's goroutine, before next, on a call and not
// on a fork of one.
func (c *Call) OnHead(f func(Header)) {
	outer := c.HeadEdit()
	if outer == nil {
		c.setHead(f)
		return
	}
	c.setHead(func(h Header) {
		f(h)
		outer(h)
	})
}

// HeadEdit is for adapters: what [Call.OnHead] was given, or nil. A server's adapter asks
// before it calls the handler, and keeps it.
func (c *Call) HeadEdit() func(Header) {
	if c.rare == nil {
		return nil
	}
	return c.rare.head
}

func (c *Call) setHead(f func(Header)) {
	if f != nil {
		c.seldom().head = f
	}
}
