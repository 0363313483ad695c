// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package meshgrpc

import (
	"time"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/balance"
)

// start is the first moments of a ready set, from when it has endpoints: those that it
// has then are awaited (see [balance.Endpoint.Await]), so that a client's first calls go
// where later ones will, and not to whoever was connected first. It is over after the time
// for connecting, and never later than after balance.DefaultConnectTimeout: gRPC's own
// priority policy gives its first choice 10 s, far too long for calls to stand.
//
// Who joins later is not awaited. Calls go to others until he is connected: the owner of
// his keys before him still serves them, and nobody waits for an address that is dead.
type start struct {
	until enmesh.Instant
	timer *time.Timer
}

func (s *start) stop() {
	if s.timer != nil {
		s.timer.Stop()
	}
}

// awaitLocked has calls wait for the fresh ones, while the set starts. rs.mu is held, and
// rs.conns is yet without them.
func (rs *readySet) awaitLocked(fresh []*conn) {
	now := enmesh.Now()
	if len(rs.conns) == 0 && len(fresh) > 0 {
		grace := rs.grace()
		rs.start.stop()
		rs.start = start{now.Add(grace), time.AfterFunc(grace, rs.endStart)}
	}
	if now >= rs.start.until {
		return
	}
	for _, c := range fresh {
		c.awaited = true
		c.view.Await()
	}
}

// grace is how long the set starts.
func (rs *readySet) grace() time.Duration {
	cfg := rs.set.Connection.Or(rs.client().connection).Or(balance.DefaultConnection)
	if cfg.ConnectTimeout < 0 {
		return balance.DefaultConnectTimeout
	}
	return min(cfg.ConnectTimeout, balance.DefaultConnectTimeout)
}

// endStart gives up on those that are still awaited: calls go past them.
func (rs *readySet) endStart() {
	late := false
	rs.mu.Lock()
	for _, c := range rs.conns {
		if c.awaited {
			c.awaited = false
			c.view.SetReady(false)
			late = true
		}
	}
	if late {
		rs.changes.Add(1)
		rs.remade = true
	}
	rs.mu.Unlock()
	if late {
		rs.balancer.publisher.changed(rs, true)
	}
}
