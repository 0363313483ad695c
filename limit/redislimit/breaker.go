// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package redislimit

import "sync/atomic"

// tripAfter is how many asks in a row must fail for nobody to ask any more.
const tripAfter = 3

// groups is how many breakers stand before a cluster, each for as many hash slots: a
// master that is gone does not decide for the keys of the others.
const groups = 64

// group is the breaker before one Redis, or a part of a cluster. While it is open no call
// asks; a probe in the background closes it, so that no call waits for that either.
type group struct {
	failures atomic.Int32
	open     atomic.Bool
	probe    atomic.Pointer[string] // a key that could not be asked for
}

// failed notes that asking for the key failed.
func (g *group) failed(key string) {
	if g.failures.Add(1) >= tripAfter && !g.open.Load() {
		g.probe.Store(&key)
		g.open.Store(true)
	}
}

// succeeded notes an answer. An open group stays so: the ask began before it opened.
func (g *group) succeeded() {
	if g.failures.Load() != 0 && !g.open.Load() {
		g.failures.Store(0)
	}
}

// recovered closes the group.
func (g *group) recovered() {
	g.failures.Store(0)
	g.open.Store(false)
}
