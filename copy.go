// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package enmesh

import (
	"context"
	"errors"
)

// Copier is what an [Exchange] is as well that can make its request a second time, as
// a call of its own (see [Call.Copy]).
type Copier interface {
	// Copy makes an Exchange, bound to a Carrier with [Carrier.Duplicate], that shares
	// nothing with this one that the caller may change or take back: it has its own
	// context, header and body. It fails when the body cannot be had twice, or is larger
	// than what the adapter keeps.
	Copy(ctx context.Context, c *Call) (*Carrier, error)
}

// ErrNoCopy says that a call cannot be copied. Adapters wrap it.
var ErrNoCopy = errors.New("enmesh: the call cannot be copied")

// Copy makes another call of c's request, as it is now, that has nothing in common
// with c: it is no attempt of c's, and it may outlive c. ctx is the copy's own, not the
// one that c runs under, whose deadline and values are the caller's. Whoever makes a
// copy routes and runs it ([Carrier.Enter], [Carrier.Run]), perhaps on another
// goroutine, and then gives it to [Carrier.Finish]. It fails with [ErrNoCopy] where
// the adapter knows no copies, as of a stream.
func (c *Call) Copy(ctx context.Context) (*Carrier, error) {
	w, ok := c.wire.(Copier)
	if !ok {
		return nil, ErrNoCopy
	}
	return w.Copy(ctx, c)
}

// Duplicate is Begin for a copy of from: the request's description is taken over; the
// Header, which the adapter copies, the route and whatever came of the call are not.
func (k *Carrier) Duplicate(ctx context.Context, x Exchange, from *Call) {
	k.Branch(ctx, x, from)
	c := &k.Call
	c.Route, c.Expiry, c.attempts = nil, nil, nil
}

// Finish ends a call that nobody reads the answer of: what is held of it is dropped,
// and its hooks hear err.
func (k *Carrier) Finish(err error) {
	k.Call.wire.Discard()
	k.End(err, Now())
}
