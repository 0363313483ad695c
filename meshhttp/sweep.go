// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package meshhttp

import (
	"time"

	"github.com/enmesh-go/enmesh"
)

// How often idle connections are looked at: a quarter of what they may last, in bounds.
const (
	sweepOften  = 10 * time.Millisecond
	sweepSeldom = 5 * time.Second
)

// sweepLaterLocked has idle connections looked at, while there are any to look at, or to
// keep.
func (p *sockets) sweepLaterLocked() {
	if p.sweep != nil || p.retired || len(p.free) == 0 && p.warm == nil {
		return
	}
	p.sweep = time.AfterFunc(p.pace(), p.sweepIdle)
}

func (p *sockets) pace() time.Duration {
	pace := time.Second
	if p.warm == nil {
		pace = sweepSeldom
	}
	for _, d := range []time.Duration{p.cfg.IdleTimeout, p.cfg.MaxAge} {
		if d > 0 {
			pace = min(pace, d/4)
		}
	}
	return max(pace, sweepOften)
}

// sweepIdle closes the connections that were idle for too long, are too old, or were
// closed by the server, and makes those anew that are to be kept: a warm one that is
// kept for ever is closed by the server just when it is wanted.
func (p *sockets) sweepIdle() {
	var done []*socket
	p.mu.Lock()
	p.sweep = nil
	now := enmesh.Now()
	for i := 0; i < len(p.free); {
		s := p.free[i]
		if s.active == 0 && (s.worn(now) || s.exhausted() || s.stale(now)) {
			p.removeLocked(i)
			p.retireLocked(s, &done)
			continue
		}
		i++
	}
	p.makeLocked(&done)
	p.sweepLaterLocked()
	p.mu.Unlock()
	closeAll(done)
}

func closeAll(done []*socket) {
	for _, s := range done {
		_ = s.conn.Close() // nothing is on it
	}
}
