// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package balance

import "github.com/enmesh-go/enmesh"

// Drain keeps new picks away from the endpoint, through every view, until an instant,
// as long as another endpoint is ready: its process has said on the wire that it is
// about to end (Connection: close, GOAWAY), before the registry could. It is picked
// again when the instant has passed, so that a hint that meant less does no lasting
// harm. While nothing else is ready it is picked all the same, before endpoints that
// are ejected: it still answers. Calls in flight and connections are not touched.
//
// A later call replaces the instant; one that has passed ends it. It is told apart
// from what the registry says (see [discovery.Endpoint], Draining) and from
// [Endpoint.Eject], and changes neither.
func (e *Endpoint) Drain(until enmesh.Instant) {
	e.host.closes.Store(int64(until))
	e.host.barred.Or(closing)
	e.host.cluster.health.Add(1)
}

// Draining reports whether Drain keeps picks away at an instant.
func (e *Endpoint) Draining(now enmesh.Instant) bool { return e.host.isClosing(now) }

// isClosing compares the end of the drain with now. The bit stays set when it has
// passed, as that of an ejection does.
func (h *host) isClosing(now enmesh.Instant) bool { return int64(now) < h.closes.Load() }

// heldBack reports whether one of the bits in barred that pass with time still holds.
func (h *host) heldBack(barred uint32, now enmesh.Instant) bool {
	return barred&unhealthy != 0 || barred&ejected != 0 && h.isEjected(now) || barred&closing != 0 && h.isClosing(now)
}

// resort says how good an endpoint is that is not Ready: 0 never to be picked, 1 when
// nothing is better, 2 before those.
func (e *Endpoint) resort(clock *reading) int {
	barred := e.host.barred.Load()
	switch {
	case !e.itself().ready.Load() || barred&^passing != 0:
		return 0
	case barred&unhealthy != 0 || barred&ejected != 0 && e.host.isEjected(clock.now()):
		return 1
	}
	return 2
}
