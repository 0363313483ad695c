// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package meshhttp

import (
	"context"
	"net/http"
	"sync"
	"time"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/balance"
)

// sockets is the connections of one endpoint where there are bounds on them that
// http.Transport does not know: it makes them one by one and chooses among them itself.
// The connection used last is used next, so that those that are too many fall idle.
type sockets struct {
	transport *http.Transport // makes connections; its own pool stays empty
	cfg       balance.ConnectionConfig
	reach     *reach

	mu      sync.Mutex // guards what follows; nothing is called under it that waits
	free    []*socket  // that may take a call, the one used last at the end
	count   int        // of all connections, those included that are being made
	making  int
	width   int // how many calls the latest one takes at once
	waiting []*waiter
	warm    *route      // where Prewarm leads; nil: nowhere yet
	sweep   *time.Timer // nil: nothing is to be swept
	retired bool
}

// route is what a connection is made for: with TLS the host's name decides too.
type route struct{ scheme, host string }

// waiter is a call that waits for a connection.
type waiter struct {
	to    route
	ready chan delivery // of one
}

type delivery struct {
	s   *socket
	err error
}

// bounded reports whether cfg asks for what http.Transport does not have.
func bounded(cfg balance.ConnectionConfig) bool {
	return cfg.MaxConnections|cfg.MaxPending|cfg.MaxRequestsPerConnection|cfg.MaxStreams|cfg.Prewarm != 0 || cfg.MaxAge > 0
}

func newSockets(t *http.Transport, cfg balance.ConnectionConfig, r *reach) *sockets {
	return &sockets{transport: t, cfg: cfg, reach: r, width: 1}
}

// mostStillborn is how many new connections a call meets that have ended before they were
// used, until it is given up.
const mostStillborn = 3

// RoundTrip sends req over one of the connections. What the server refused unprocessed is
// sent over another, once, as net/http does.
func (p *sockets) RoundTrip(req *http.Request) (*http.Response, error) {
	to := route{req.URL.Scheme, req.URL.Host}
	stillborn := 0
	for again := false; ; {
		s, err := p.take(req.Context(), to)
		if err != nil {
			closeBody(req.Body)
			return nil, err
		}
		if !s.ready() {
			if s.used == 1 {
				stillborn++
			}
			p.give(s, true)
			if stillborn == mostStillborn {
				closeBody(req.Body)
				return nil, errUnsent
			}
			continue
		}
		resp, err := s.roundTrip(req)
		if err == nil {
			return s.carry(req, resp), nil
		}
		p.give(s, true)
		var next *http.Request
		if !again && refusedStream(err) {
			next = rewound(req)
		}
		if next == nil {
			closeBody(req.Body)
			return nil, err
		}
		req, again = next, true
	}
}

// rewound is req to be sent again, or nil if its body cannot be had again.
func rewound(req *http.Request) *http.Request {
	switch {
	case req.Body == nil || req.Body == http.NoBody:
		return req
	case req.GetBody == nil:
		return nil
	}
	body, err := req.GetBody()
	if err != nil {
		return nil
	}
	next := *req
	next.Body = body
	return &next
}

// take reserves a connection, or waits for one.
func (p *sockets) take(ctx context.Context, to route) (*socket, error) {
	p.mu.Lock()
	var done []*socket
	s := p.findLocked(to, &done)
	if s != nil {
		p.mu.Unlock()
		closeAll(done)
		return s, nil
	}
	if most := p.cfg.MaxPending; most > 0 && len(p.waiting) >= most {
		p.mu.Unlock()
		closeAll(done)
		return nil, balance.ErrOverflow
	}
	w := &waiter{to: to, ready: make(chan delivery, 1)}
	p.waiting = append(p.waiting, w)
	p.makeLocked(&done)
	p.mu.Unlock()
	closeAll(done)
	select {
	case d := <-w.ready:
		return d.s, d.err
	case <-ctx.Done():
		p.leave(w)
		return nil, context.Cause(ctx)
	}
}

// leave takes a waiter back, or what it was given.
func (p *sockets) leave(w *waiter) {
	p.mu.Lock()
	for i, o := range p.waiting {
		if o == w {
			p.waiting = append(p.waiting[:i], p.waiting[i+1:]...)
			p.mu.Unlock()
			return
		}
	}
	p.mu.Unlock()
	if d := <-w.ready; d.s != nil {
		p.give(d.s, false)
	}
}

// findLocked reserves a free connection to a route, or returns nil. It notes the ones that
// are to be closed.
func (p *sockets) findLocked(to route, done *[]*socket) *socket {
	now := enmesh.Now()
	for i := len(p.free) - 1; i >= 0; i-- {
		s := p.free[i]
		if s.worn(now) || s.exhausted() || s.stale(now) {
			p.removeLocked(i)
			p.retireLocked(s, done)
			continue
		}
		if s.to != to || s.many && s.conn.Available() == 0 {
			continue
		}
		s.active++
		s.used++
		if s.full() || s.worn(now) {
			p.removeLocked(i)
		}
		return s
	}
	return nil
}

func (p *sockets) removeLocked(i int) {
	p.free[i].free = false
	p.free = append(p.free[:i], p.free[i+1:]...)
}

// retireLocked forgets a connection that is not free, as soon as nothing is on it.
func (p *sockets) retireLocked(s *socket, done *[]*socket) {
	if s.active == 0 {
		p.count--
		*done = append(*done, s)
	}
}

// give takes a connection back from a call that is over; broken, it did not end as it
// should.
func (p *sockets) give(s *socket, broken bool) {
	var done []*socket
	p.mu.Lock()
	now := enmesh.Now()
	s.active--
	s.idle = now
	s.broken = s.broken || broken && !s.many
	switch {
	case p.retired || s.broken || s.worn(now) || s.exhausted():
		for i, o := range p.free {
			if o == s {
				p.removeLocked(i)
				break
			}
		}
		p.retireLocked(s, &done)
	case !s.free && !s.full():
		s.free = true
		p.free = append(p.free, s)
	}
	p.serveLocked(&done)
	p.makeLocked(&done)
	p.sweepLaterLocked()
	p.mu.Unlock()
	closeAll(done)
}

// serveLocked gives free connections to those who wait, the first of them first.
func (p *sockets) serveLocked(done *[]*socket) {
	for len(p.waiting) > 0 {
		s := p.findLocked(p.waiting[0].to, done)
		if s == nil {
			return
		}
		p.waiting[0].ready <- delivery{s: s}
		p.waiting = p.waiting[1:]
	}
}

// wake serves those who wait, when HTTP/2 has forgotten a stream, which is a moment after
// its body was read, or a connection has ended.
func (p *sockets) wake() {
	var done []*socket
	p.mu.Lock()
	if len(p.waiting) > 0 {
		p.serveLocked(&done)
		p.makeLocked(&done) // for the connection may have ended
	}
	p.mu.Unlock()
	closeAll(done)
}

// CloseIdleConnections closes what carries nothing.
func (p *sockets) CloseIdleConnections() {
	var done []*socket
	p.mu.Lock()
	p.closeIdleLocked(&done)
	p.mu.Unlock()
	closeAll(done)
}

// retire closes what carries nothing, and the rest as it falls idle.
func (p *sockets) retire() {
	p.mu.Lock()
	p.retired = true
	if p.sweep != nil {
		p.sweep.Stop()
		p.sweep = nil
	}
	p.mu.Unlock()
	p.CloseIdleConnections()
}

func (p *sockets) closeIdleLocked(done *[]*socket) {
	for i := len(p.free) - 1; i >= 0; i-- {
		if s := p.free[i]; s.active == 0 {
			p.removeLocked(i)
			p.retireLocked(s, done)
		}
	}
}
