// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

// Package greeted has a listener whose connections were made ready, by a handshake as a rule,
// before they are accepted: one that is slow at it keeps nobody waiting.
package greeted

import (
	"context"
	"errors"
	"net"
	"sync"
)

// ErrBusy is given to Refused for a connection for which there was no room.
var ErrBusy = errors.New("too many connections are shaking hands")

// Config says what becomes of a connection.
type Config struct {
	// Greet makes a connection ready, on a goroutine of its own. What it gives is accepted.
	// ctx ends when the listener is closed.
	Greet func(ctx context.Context, conn net.Conn) (net.Conn, error)
	// Refused hears of each connection that was closed instead, on several goroutines. It
	// hears of none that the listener's own end has closed.
	Refused func(conn net.Conn, err error)
	// Most bounds the connections that nobody has accepted yet; further ones are closed.
	Most int
}

// Listener accepts connections that were greeted.
type Listener struct {
	inner    net.Listener
	cfg      Config
	accepted chan accepted
	slots    chan struct{}
	ctx      context.Context //nolint:containedctx // of all that greet; ended by Close
	cancel   context.CancelFunc
	wg       sync.WaitGroup
	once     sync.Once
	err      error // of Close
}

type accepted struct {
	conn net.Conn
	err  error
}

// Listen makes a Listener of inner, which it owns from then on. One goroutine accepts.
func Listen(inner net.Listener, cfg Config) *Listener {
	l := &Listener{inner: inner, cfg: cfg, accepted: make(chan accepted), slots: make(chan struct{}, cfg.Most)}
	l.ctx, l.cancel = context.WithCancel(context.Background())
	l.wg.Go(l.run)
	return l
}

// Accept waits for the next connection that is ready.
func (l *Listener) Accept() (net.Conn, error) {
	select {
	case a := <-l.accepted:
		return a.conn, a.err
	case <-l.ctx.Done():
		return nil, net.ErrClosed
	}
}

// Addr is the address of the listener below.
func (l *Listener) Addr() net.Addr { return l.inner.Addr() }

// Close stops listening, closes connections that nobody has accepted, and waits for their
// goroutines. Accepted connections stay open.
func (l *Listener) Close() error {
	l.once.Do(func() {
		l.cancel()
		l.err = l.inner.Close()
	})
	l.wg.Wait()
	return l.err
}

// run accepts until Close.
func (l *Listener) run() {
	for {
		conn, err := l.inner.Accept()
		switch {
		case err != nil:
			if !l.hand(accepted{err: err}) || errors.Is(err, net.ErrClosed) {
				return
			}
		default:
			l.admit(conn)
		}
	}
}

// admit greets conn on a goroutine of its own, if there is one to be had.
func (l *Listener) admit(conn net.Conn) {
	select {
	case l.slots <- struct{}{}:
	default:
		l.refuse(conn, ErrBusy)
		return
	}
	l.wg.Go(func() {
		defer func() { <-l.slots }()
		ready, err := l.cfg.Greet(l.ctx, conn)
		switch {
		case err != nil:
			l.refuse(conn, err)
		case !l.hand(accepted{conn: ready}):
			_ = ready.Close() // nobody will accept it
		}
	})
}

// hand gives a to Accept; false: the listener was closed first.
func (l *Listener) hand(a accepted) bool {
	select {
	case l.accepted <- a:
		return true
	case <-l.ctx.Done():
		return false
	}
}

func (l *Listener) refuse(conn net.Conn, err error) {
	_ = conn.Close() // the reason is err
	if l.ctx.Err() == nil {
		l.cfg.Refused(conn, err)
	}
}
