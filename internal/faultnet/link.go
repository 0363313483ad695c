// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package faultnet

import (
	"context"
	"net"
	"sync"
	"testing"
)

// Link is a proxy between a client and one server.
type Link struct {
	listener net.Listener
	target   string
	running  sync.WaitGroup
	ctx      context.Context //nolint:containedctx // of dials, ended by close
	cancel   context.CancelFunc

	mu     sync.Mutex // guards what follows
	conns  map[net.Conn]struct{}
	made   int
	thaw   chan struct{} // open while frozen; nil: it is not
	closed bool
}

// NewLink forwards connections to target until the test ends.
func NewLink(t testing.TB, target string) *Link {
	t.Helper()
	var config net.ListenConfig
	listener, err := config.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := &Link{listener: listener, target: target, conns: map[net.Conn]struct{}{}}
	l.ctx, l.cancel = context.WithCancel(context.Background())
	l.running.Go(l.accept)
	t.Cleanup(l.close)
	return l
}

// Addr is where clients connect to.
func (l *Link) Addr() string { return l.listener.Addr().String() }

// Made is how many connections were accepted.
func (l *Link) Made() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.made
}

// Freeze has nothing pass any more. New connections are accepted, and hang.
func (l *Link) Freeze() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.thaw == nil {
		l.thaw = make(chan struct{})
	}
}

// Thaw lets everything pass again, and what waited.
func (l *Link) Thaw() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.thaw != nil {
		close(l.thaw)
		l.thaw = nil
	}
}

// Cut ends all connections.
func (l *Link) Cut() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for c := range l.conns {
		_ = c.Close() // both ends hear of it
	}
}

func (l *Link) close() {
	l.cancel()
	l.Thaw()
	l.mu.Lock()
	l.closed = true
	l.mu.Unlock()
	_ = l.listener.Close()
	l.Cut()
	l.running.Wait()
}

func (l *Link) accept() {
	for {
		near, err := l.listener.Accept()
		if err != nil {
			return
		}
		l.running.Go(func() { l.serve(near) })
	}
}

func (l *Link) serve(near net.Conn) {
	if !l.keep(near) {
		return
	}
	defer l.drop(near)
	l.wait()
	var dialer net.Dialer
	far, err := dialer.DialContext(l.ctx, "tcp", l.target)
	if err != nil || !l.keep(far) {
		return
	}
	defer l.drop(far)
	l.mu.Lock()
	l.made++
	l.mu.Unlock()
	back := make(chan struct{})
	go func() {
		defer close(back)
		l.pump(near, far)
	}()
	l.pump(far, near)
	<-back
}

// pump forwards one direction, and ends the other with it.
func (l *Link) pump(to, from net.Conn) {
	defer func() { _, _ = to.Close(), from.Close() }()
	buf := make([]byte, 32<<10)
	for {
		n, err := from.Read(buf)
		l.wait()
		if n > 0 {
			if _, err := to.Write(buf[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// wait waits while the link is frozen: even the end of a connection does not get through.
func (l *Link) wait() {
	l.mu.Lock()
	thaw := l.thaw
	l.mu.Unlock()
	if thaw != nil {
		<-thaw
	}
}

func (l *Link) keep(c net.Conn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		_ = c.Close()
		return false
	}
	l.conns[c] = struct{}{}
	return true
}

func (l *Link) drop(c net.Conn) {
	_ = c.Close()
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.conns, c)
}
