// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package xds

import (
	"context"
	"math/rand/v2"
	"net"
	"time"
)

// Drain makes room for another process: it closes the listeners, so that the other can listen
// in their place, and has the clients go there one by one, each at a random moment within the
// time given, so that not all come at once. Until then they are served as before. It returns
// when the last has gone, or with the context's error. Close is still to be called, and ends
// what else there is, as reports of load.
//
// Clients keep what they have while they change over, and their calls go on.
func (s *Server) Drain(ctx context.Context, over time.Duration) error {
	s.mu.Lock()
	s.leaving = time.Now().Add(over)
	listeners := make([]net.Listener, 0, len(s.listeners))
	for l := range s.listeners {
		listeners = append(listeners, l)
	}
	open := make([]connInfo, 0, len(s.sessions))
	for _, c := range s.sessions {
		open = append(open, c)
	}
	s.mu.Unlock()
	for _, l := range listeners {
		_ = l.Close()
	}
	for _, c := range open {
		dismiss(c, over)
	}
	return s.empty(ctx)
}

// dismiss ends a connection at a random moment within some time. Its streams end with it; a
// status alone would have the client open its next stream on the same connection.
func dismiss(c connInfo, within time.Duration) {
	time.AfterFunc(rand.N(max(1, within)), c.cut)
}

// empty waits until there is no stream.
func (s *Server) empty(ctx context.Context) error {
	const every = 10 * time.Millisecond
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		s.mu.Lock()
		left := len(s.sessions)
		s.mu.Unlock()
		if left == 0 {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
