// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package balance

import (
	"time"

	"github.com/enmesh-go/enmesh"
)

// Eject takes the endpoint, and all its views, out of picking until an instant.
// A later call replaces the instant; one that has passed ends the ejection.
func (e *Endpoint) Eject(until enmesh.Instant) {
	e.host.until.Store(int64(until))
	e.host.barred.Or(ejected)
	e.host.cluster.health.Add(1)
}

// Rest takes the endpoint, and all its views, out of picking until an instant, as
// Eject does, but never shortens an ejection that lasts longer. It is for adapters
// that could not connect. One that is unconfirmed besides (see [discovery.Endpoint]) is
// most likely gone: it rests for 30 s at least, or until the registry names it again.
func (e *Endpoint) Rest(until enmesh.Instant) {
	if e.unconfirmed() {
		const doubted = 30 * time.Second
		until = max(until, enmesh.Now().Add(doubted))
	}
	for {
		now := e.host.until.Load()
		if now >= int64(until) {
			break
		}
		if e.host.until.CompareAndSwap(now, int64(until)) {
			e.host.rests.Store(int64(until))
			break
		}
	}
	e.host.barred.Or(ejected)
	e.host.cluster.health.Add(1)
}

// Ejected reports whether the endpoint is ejected at an instant.
func (e *Endpoint) Ejected(now enmesh.Instant) bool {
	return e.host.barred.Load()&ejected != 0 && e.host.isEjected(now)
}

// EjectedUntil is when the last ejection ends or ended; 0 if there was none.
func (e *Endpoint) EjectedUntil() enmesh.Instant { return enmesh.Instant(e.host.until.Load()) }

// isEjected compares the end of the ejection with now. The bit stays set when it
// has passed: clearing it could undo an ejection that begins meanwhile, and the
// comparison is all that it saves.
func (h *host) isEjected(now enmesh.Instant) bool { return int64(now) < h.until.Load() }
