// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package enmesh

import (
	"context"
	"sync/atomic"
)

// Link is the context of a call whose record its adapter uses again: contexts
// outlive calls, and a record that is pooled must not be found through an old one.
// An adapter makes a Link for each call, gives it to [Carrier.RunIn], and cuts it
// before the record serves another.
//
// That is safe only where nothing but the call itself looks the Carrier up: not on a
// server, whose handler may leave goroutines behind. For those there is [WatchedLink].
type Link struct {
	context.Context //nolint:containedctx // the Link is a context
	carrier         atomic.Pointer[Carrier]
}

// NewLink is a context that carries k, on top of the context k has begun with.
func NewLink(k *Carrier) *Link {
	l := new(Link)
	l.Tie(k)
	return l
}

// Tie makes a new Link, which an adapter may hold by value, carry k on top of the
// context k has begun with.
func (l *Link) Tie(k *Carrier) {
	l.Context = k.Context
	l.carrier.Store(k)
}

// Value finds the carrier while the call lasts, then nothing; any other key is the
// parent's.
func (l *Link) Value(key any) any {
	if _, ok := key.(carrierKey); ok {
		return l.carrier.Load()
	}
	return l.Context.Value(key)
}

// Cut lets go of the carrier.
func (l *Link) Cut() { l.carrier.Store(nil) }

// WatchedLink is a Link for a call whose context others get hold of, as a server's
// handler does: it notices who looks the Carrier up. Whoever has done so may look at
// the Call when it is over, in a goroutine that the handler left behind; that record
// is not to be used again.
type WatchedLink struct {
	Link
	asked atomic.Bool
}

// Value is Link's. It notes that the carrier was asked for before it hands it out, and
// Cut looks at the note after it has taken the carrier away: one of the two always sees
// the other.
func (l *WatchedLink) Value(key any) any {
	if _, ok := key.(carrierKey); ok && !l.asked.Load() {
		l.asked.Store(true)
	}
	return l.Link.Value(key)
}

// Cut lets go of the carrier, and reports whether nobody has ever asked for it.
func (l *WatchedLink) Cut() (unknown bool) {
	l.Link.Cut()
	return !l.asked.Load()
}

// Reusable reports whether nobody has reason to look at the record any more: the
// call has ended, by itself, was sent once, and nobody keeps it. Adapters reset a record that is
// reusable and pool it; any other is left to the collector.
func (k *Carrier) Reusable() bool {
	return k.Call.hooks.ended() && k.Call.attempts == nil && !k.Call.kept
}
