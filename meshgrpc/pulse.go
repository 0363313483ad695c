// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package meshgrpc

import (
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/balance"
)

// Servers of gRPC count the pings that come while they have nothing to send (gRFC A8).
// By default more than two that come within 5 minutes of the one before make them close
// the connection, calls and all, with ENHANCE_YOUR_CALM; what they send sets the
// count to zero. grpc-go's own keepalive cannot keep to that: pinging every 10 s, it
// ends every call that is silent for 40 s.
const (
	silentPings = 2
	restOfPings = 5*time.Minute + 10*time.Second
)

var errSilent = errors.New("meshgrpc: the far side is dead: it answers no ping")

// pulse is a client's connection that knows whether its far side lives. While calls are
// in flight to the endpoint and nothing is heard for an interval, it asks by a PING of
// its own, between the frames that grpc writes; when nothing at all is heard after that,
// it closes. It asks as often as any server stands: twice in a silence, then every five
// minutes. A server of this package breaks its silence itself, every 9 s.
//
// It stands above TLS, and so sees frames.
type pulse struct {
	net.Conn
	endpoint          *balance.Endpoint
	interval, timeout time.Duration

	heard  atomic.Int64 // an Instant: when something was read last
	credit atomic.Int32 // pings that the server stands before it sends something
	dead   atomic.Bool
	due    atomic.Bool // a ping is to be written as soon as it may stand there
	in     frames      // belongs to Read, of which there is one at a time

	writing sync.Mutex // serialises writes; guards out
	out     frames

	mu     sync.Mutex     // guards what follows; held for moments only
	asked  enmesh.Instant // when the unanswered ping was written; 0: there is none
	latest enmesh.Instant // when the latest was
	timer  *time.Timer
	closed bool
}

// newPulse begins to listen on a connection that was just made.
func newPulse(c net.Conn, e *balance.Endpoint, cfg balance.ConnectionConfig) *pulse {
	p := &pulse{Conn: c, endpoint: e, interval: cfg.PingInterval, timeout: cfg.PingTimeout}
	p.out.rest = clientPreface
	p.credit.Store(silentPings)
	p.heard.Store(int64(enmesh.Now()))
	p.mu.Lock()
	defer p.mu.Unlock()
	p.timer = time.AfterFunc(p.interval, p.check)
	return p
}

// Read notes that the far side lives.
func (p *pulse) Read(b []byte) (int, error) {
	n, err := p.Conn.Read(b)
	if n > 0 {
		p.heard.Store(int64(enmesh.Now()))
		if p.in.follow(b[:n]) {
			p.credit.Store(silentPings)
		}
	}
	if err != nil && p.dead.Load() {
		err = errSilent
	}
	return n, err
}

// Write writes, and lets a ping follow that waits for its place.
func (p *pulse) Write(b []byte) (int, error) {
	p.writing.Lock()
	n, err := p.Conn.Write(b)
	p.out.follow(b[:n])
	p.writing.Unlock()
	if p.due.Load() {
		p.ask()
	}
	return n, err
}

// ask writes the ping that is due, if it may stand here. Otherwise who writes now sees to
// it.
func (p *pulse) ask() {
	for p.due.Load() && p.writing.TryLock() {
		wait := !p.out.between()
		if !wait && p.due.Swap(false) {
			_, _ = p.Conn.Write([]byte(pingFrame)) // grpc's reader or writer meets the error too
		}
		p.writing.Unlock()
		if wait {
			return
		}
	}
}

// Close ends the connection and its timer.
func (p *pulse) Close() error {
	p.mu.Lock()
	p.closed = true
	p.timer.Stop()
	p.mu.Unlock()
	return p.Conn.Close()
}

// check is the timer's.
func (p *pulse) check() {
	now := enmesh.Now()
	switch p.judge(now) {
	case alive:
	case doubtful:
		p.due.Store(true)
		p.ask()
	case silenced:
		p.dead.Store(true)
		_ = p.Conn.Close() // the reader tells why
	}
}

// verdict is what check does.
type verdict uint8

const (
	alive verdict = iota
	doubtful
	silenced
)

// judge says what to do, and has the timer come again.
func (p *pulse) judge(now enmesh.Instant) verdict {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return alive
	}
	heard := enmesh.Instant(p.heard.Load())
	if p.asked > heard {
		if left := p.timeout - now.Sub(p.asked); left > 0 {
			p.timer.Reset(left)
			return alive
		}
		return silenced
	}
	p.asked = 0
	if left := p.interval - now.Sub(heard); left > 0 {
		p.timer.Reset(left)
		return alive
	}
	if p.endpoint.InFlight() == 0 || !p.affordLocked(now) {
		p.timer.Reset(max(p.interval/2, time.Millisecond))
		return alive
	}
	p.asked, p.latest = now, now
	p.timer.Reset(p.timeout)
	return doubtful
}

// affordLocked reports whether the server stands one more ping.
func (p *pulse) affordLocked(now enmesh.Instant) bool {
	if p.latest != 0 && now.Sub(p.latest) >= restOfPings {
		return true
	}
	for {
		left := p.credit.Load()
		if left == 0 {
			return false
		}
		if p.credit.CompareAndSwap(left, left-1) {
			return true
		}
	}
}
