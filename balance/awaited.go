// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package balance

import (
	"sync/atomic"

	"github.com/enmesh-go/enmesh"
)

// Await is for the adapter that owns the connections of this view: it is being connected
// to for the first time, and calls that are meant for it and no other are to wait. A
// picker that would choose it, were it ready, then fails with [ErrAwaited]: [RingHash] and
// [Maglev] for a call with a Key, as gRPC's ring_hash does (gRFC A42, A76), and [Locality]
// where nothing in the tier is connected yet. To all other pickers it is one that is not
// ready, and so to a second attempt, which goes to another. SetReady ends it, true or
// false; a new picker must be built then, since calls wait for that.
func (e *Endpoint) Await() {
	if e.ready.word.Swap(awaited) == there {
		e.viewed(-1)
	}
}

// worthWaiting reports whether e, which is not usable, would be if it were connected.
func (e *Endpoint) worthWaiting() bool { return e.ready.isAwaited() && e.Healthy(enmesh.Now()) }

// readiness is whether connections are ready.
type readiness struct{ word atomic.Uint32 }

const (
	away    uint32 = iota // they are not
	there                 // they are
	awaited               // they will be, it is hoped: calls wait for that
)

// Load reports whether they are ready.
func (r *readiness) Load() bool { return r.word.Load() == there }

// Store says so.
func (r *readiness) Store(ready bool) { r.Swap(ready) }

// Swap says so, and reports whether they were.
func (r *readiness) Swap(ready bool) (was bool) {
	if ready {
		return r.word.Swap(there) == there
	}
	return r.word.Swap(away) == there
}

func (r *readiness) isAwaited() bool { return r.word.Load() == awaited }
