// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package keeper

import (
	"context"
	"log/slog"
	"net"
	"sync/atomic"
	"time"

	"github.com/enmesh-go/enmesh/agent/xds"
)

// standIn answers clients while there is no agent.
type standIn struct {
	server *xds.Server
	done   chan struct{}
}

func standInFor(s *xds.Server, socket net.Listener, log *slog.Logger) *standIn {
	in := &standIn{s, make(chan struct{})}
	l := borrow(socket)
	go func() {
		defer close(in.done)
		if err := s.Serve(l); err != nil {
			log.Error("keeper: clients are told nothing any more", "error", err)
		}
	}()
	return in
}

// end lets the clients go to an agent, and waits until they have.
func (s *standIn) end() {
	ctx, cancel := context.WithTimeout(context.Background(), 2*leave)
	defer cancel()
	_ = s.server.Drain(ctx, leave) // who is left is cut off
	_ = s.server.Close()           // it has no error
	<-s.done
}

// borrowed is a listener that stays open when it is closed.
type borrowed struct {
	net.Listener
	deadline interface{ SetDeadline(t time.Time) error }
	closed   atomic.Bool
}

func borrow(l net.Listener) net.Listener {
	d, ok := l.(interface{ SetDeadline(t time.Time) error })
	if !ok {
		return l
	}
	_ = d.SetDeadline(time.Time{}) // as the one before has left it; Accept tells of a socket that is no more
	return &borrowed{Listener: l, deadline: d}
}

// Accept gives net.ErrClosed after Close, and nothing that came then.
func (b *borrowed) Accept() (net.Conn, error) {
	c, err := b.Listener.Accept()
	if err != nil && b.closed.Load() {
		return nil, net.ErrClosed
	}
	return c, err
}

func (b *borrowed) Close() error {
	b.closed.Store(true)
	return b.deadline.SetDeadline(time.Unix(1, 0))
}
