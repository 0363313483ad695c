// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package meshhttp

import (
	"context"
	"math/rand/v2"
	"net"
	"slices"

	"github.com/enmesh-go/enmesh"
)

// makeLocked makes connections for those who wait, and those that are kept warm.
func (p *sockets) makeLocked(done *[]*socket) {
	for p.making*p.width < len(p.waiting) {
		w := p.waiting[p.making*p.width]
		if p.atMost() && !p.evictLocked(w.to, done) {
			return
		}
		p.making++
		p.count++
		go p.make(context.WithoutCancel(w.ctx), w.to)
	}
	for p.warm != nil && !p.retired && p.count < p.cfg.Prewarm {
		if may, _ := p.reach.try(enmesh.Now()); !may {
			return
		}
		p.making++
		p.count++
		go p.make(context.Background(), *p.warm)
	}
}

func (p *sockets) atMost() bool { return p.cfg.MaxConnections > 0 && p.count >= p.cfg.MaxConnections }

// evictLocked makes room by closing an idle connection that was made for another route.
func (p *sockets) evictLocked(to route, done *[]*socket) bool {
	for i, s := range p.free {
		if s.to != to && s.active == 0 {
			p.removeLocked(i)
			p.retireLocked(s, done)
			return true
		}
	}
	return false
}

// make makes one connection, and gives it, or why there is none, to who waits.
func (p *sockets) make(ctx context.Context, to route) {
	began := enmesh.Now()
	s, err := p.dial(ctx, to)
	if err != nil && unconnected(err) {
		p.reach.failed(began, enmesh.Now())
	}
	var done []*socket
	p.mu.Lock()
	p.making--
	if err != nil {
		p.count--
		p.failLocked(to, err)
	} else {
		p.width = s.width(p.cfg.MaxStreams)
		p.welcomeLocked(s)
		p.serveLocked(&done)
		if p.retired && s.active == 0 {
			p.closeIdleLocked(&done)
		}
	}
	if err == nil || len(p.waiting) > 0 { // who failed to keep one warm is in no hurry
		p.makeLocked(&done)
	}
	p.sweepLaterLocked()
	p.mu.Unlock()
	closeAll(done)
}

// welcomeLocked gives a new connection to the first who waits for its like, even if it has ended
// meanwhile: that is what there is to tell, and who waited on would have one made after another
// by a server that takes none.
func (p *sockets) welcomeLocked(s *socket) {
	i := slices.IndexFunc(p.waiting, func(w *waiter) bool { return w.to == s.to })
	if i >= 0 {
		s.active, s.used = 1, 1
		p.waiting[i].ready <- delivery{s: s, fresh: true}
		p.waiting = slices.Delete(p.waiting, i, i+1)
	}
	if !s.full() && !s.worn(enmesh.Now()) {
		s.free = true
		p.free = append(p.free, s)
	}
}

// failLocked tells the first who waits for a connection why there is none; all of them
// when there is nothing else to wait for.
func (p *sockets) failLocked(to route, err error) {
	all := p.count == 0
	told := false
	kept := p.waiting[:0]
	for _, w := range p.waiting {
		if w.to == to && (all || !told) {
			w.ready <- delivery{err: err}
			told = true
			continue
		}
		kept = append(kept, w)
	}
	clear(p.waiting[len(kept):])
	p.waiting = kept
}

// dial makes a connection. It may live longer than the call that asked for it, whose trace is
// told of it.
func (p *sockets) dial(ctx context.Context, to route) (*socket, error) {
	addr := to.host
	if _, _, err := net.SplitHostPort(addr); err != nil {
		addr = net.JoinHostPort(addr, portOf(to.scheme))
	}
	m := new(meter)
	conn, err := p.transport.NewClientConn(context.WithValue(ctx, meterKey{}, m), to.scheme, addr)
	if err != nil {
		return nil, err
	}
	s := &socket{of: p, to: to, conn: conn, sent: m}
	if conn.Available() > 1 {
		s.multiplexes()
	}
	s.idle = enmesh.Now()
	if life := p.cfg.Lifetime(rand.Float64()); life > 0 {
		s.until = s.idle.Add(life)
	}
	return s, nil
}

// portOf is the port of a URL that names none.
func portOf(scheme string) string {
	if scheme == "https" {
		return "443"
	}
	return "80"
}

// prewarm begins to keep connections open to a route.
func (p *sockets) prewarm(to route) {
	if p.cfg.Prewarm == 0 {
		return
	}
	var done []*socket
	p.mu.Lock()
	p.warm = &to
	p.makeLocked(&done)
	p.mu.Unlock()
	closeAll(done)
}
