// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package meshhttp

import (
	"context"
	"net/http"
	"net/http/httptrace"
	"slices"
	"sync"
	"time"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/balance"
)

// sockets is the connections of one endpoint: it has them made one by one and chooses among
// them itself, since there are bounds on them that http.Transport does not know, and since
// that makes one more over HTTP/2 for each call that finds none ready.
// The connection used last is used next, so that those that are too many fall idle.
type sockets struct {
	transport *http.Transport // makes connections; its own pool stays empty
	cfg       balance.ConnectionConfig
	mostIdle  int // of HTTP/1.1
	reach     *reach

	mu      sync.Mutex // guards what follows; nothing is called under it that waits
	free    []*socket  // that may take a call, the one used last at the end
	count   int        // of all connections, those included that are being made
	making  int
	width   int // how many calls the latest one takes at once, or the first is expected to; 0: nobody has called
	waiting []*waiter
	warm    *route      // where Prewarm leads; nil: nowhere yet
	sweep   *time.Timer // nil: nothing is to be swept
	again   *time.Timer // nil: nobody waits for net/http to forget a stream
	retired bool
}

// route is what a connection is made for: with TLS the host's name decides too.
type route struct{ scheme, host string }

// waiter is a call that waits for a connection.
type waiter struct {
	ctx   context.Context //nolint:containedctx // whose values a connection is made with
	to    route
	ready chan delivery // of one
}

type delivery struct {
	s     *socket
	fresh bool // it has carried nothing
	err   error
}

func newSockets(t *http.Transport, cfg balance.ConnectionConfig, mostIdle int, r *reach) *sockets {
	if t.DisableKeepAlives || mostIdle < 0 {
		cfg.MaxRequestsPerConnection = 1
	}
	return &sockets{transport: t, cfg: cfg, mostIdle: mostIdle, reach: r}
}

// firstWidth is how many calls net/http gives a connection of HTTP/2 before its server has
// said how many it takes.
const firstWidth = 100

// expected is how many calls the first connection to a route is expected to take at once. Over
// TLS it is the server who decides; should it choose HTTP/1.1, the others are made then.
func (p *sockets) expected(to route) int {
	two := p.transport.ForceAttemptHTTP2
	if to.scheme == "http" {
		two = p.transport.Protocols != nil && p.transport.Protocols.UnencryptedHTTP2()
	}
	switch most := p.cfg.MaxStreams; {
	case !two:
		return 1
	case most > 0:
		return min(most, firstWidth)
	}
	return firstWidth
}

// RoundTrip sends req over one of the connections, and again over another one what was not
// processed, and what may be sent twice, as net/http does (see [repeats]).
func (p *sockets) RoundTrip(req *http.Request) (*http.Response, error) {
	to := route{req.URL.Scheme, req.URL.Host}
	if trace := httptrace.ContextClientTrace(req.Context()); trace != nil && trace.GetConn != nil {
		trace.GetConn(to.host)
	}
	for done := (repeats{}); ; {
		s, fresh, err := p.take(req.Context(), to)
		if err != nil {
			closeBody(req.Body)
			return nil, err
		}
		if !s.ready() {
			p.give(s, true)
			if fresh {
				closeBody(req.Body)
				return nil, errStillborn
			}
			continue
		}
		resp, err := s.roundTrip(req, fresh)
		if err == nil {
			return s.carry(req, resp), nil
		}
		p.give(s, !callersFault(err))
		next := done.next(req, err, fresh)
		if next == nil {
			closeBody(req.Body)
			return nil, err
		}
		req = next
	}
}

// take reserves a connection, or waits for one. It is fresh if it was made for who waited,
// and has carried nothing.
func (p *sockets) take(ctx context.Context, to route) (s *socket, fresh bool, err error) {
	p.mu.Lock()
	var done []*socket
	if s = p.findLocked(to, &done); s != nil {
		p.mu.Unlock()
		closeAll(done)
		return s, false, nil
	}
	if most := p.cfg.MaxPending; most > 0 && len(p.waiting) >= most {
		p.mu.Unlock()
		closeAll(done)
		return nil, false, balance.ErrOverflow
	}
	if p.width == 0 {
		p.width = p.expected(to)
	}
	w := &waiter{ctx: ctx, to: to, ready: make(chan delivery, 1)}
	p.waiting = append(p.waiting, w)
	p.makeLocked(&done)
	p.mu.Unlock()
	closeAll(done)
	select {
	case d := <-w.ready:
		return d.s, d.fresh, d.err
	case <-ctx.Done():
		p.leave(w)
		return nil, false, context.Cause(ctx)
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
		if s.to != to || !s.room() {
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
	p.trimLocked(&done)
	p.makeLocked(&done)
	p.lookAgainLocked()
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
		p.lookAgainLocked()
	}
	p.mu.Unlock()
	closeAll(done)
}

// lookOften is how often a stream is looked at that net/http is to forget.
const lookOften = time.Millisecond

// lookAgainLocked does without the hook for whom it may forget: net/http calls it for nothing
// that happens while it runs, if all is then as it was when it began, and a connection may carry
// a whole call meanwhile.
func (p *sockets) lookAgainLocked() {
	if len(p.waiting) == 0 || p.again != nil || !slices.ContainsFunc(p.free, (*socket).lingers) {
		return
	}
	p.again = time.AfterFunc(lookOften, func() {
		p.mu.Lock()
		p.again = nil
		p.mu.Unlock()
		p.wake()
	})
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

// trimLocked closes the connections of HTTP/1.1 that idle beyond how many may, those first
// that have idled for the longest.
func (p *sockets) trimLocked(done *[]*socket) {
	for i := 0; i < len(p.free) && len(p.free) > p.mostIdle; {
		if s := p.free[i]; !s.many && s.active == 0 {
			p.removeLocked(i)
			p.retireLocked(s, done)
			continue
		}
		i++
	}
}

func (p *sockets) closeIdleLocked(done *[]*socket) {
	for i := len(p.free) - 1; i >= 0; i-- {
		if s := p.free[i]; s.active == 0 {
			p.removeLocked(i)
			p.retireLocked(s, done)
		}
	}
}
