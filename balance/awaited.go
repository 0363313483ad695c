// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package balance

import "github.com/enmesh-go/enmesh"

// Await is for the adapter that owns the connections of this view: it is being connected
// to for the first time, and calls that are meant for it and no other are to wait. A
// picker that would choose it, were it ready, then fails with [ErrAwaited]: [RingHash] and
// [Maglev] for a call with a Key, as gRPC's ring_hash does (gRFC A42, A76), and [Locality]
// where nothing in the tier is connected yet. To all other pickers it is one that is not
// ready. Await(false) and SetReady(true) end it; whoever began it must end it, and build a
// new picker then, since calls wait for that.
func (e *Endpoint) Await(wait bool) { e.awaited.Store(wait) }

// Awaited reports whether calls are to wait for the view.
func (e *Endpoint) Awaited() bool { return e.awaited.Load() }

// worthWaiting reports whether e, which is not usable, would be if it were connected.
func (e *Endpoint) worthWaiting(c *enmesh.Call, retried bool) bool {
	return e.awaited.Load() && e.Healthy(enmesh.Now()) && !(retried && (e.unconfirmed() || c.Tried(e)))
}
