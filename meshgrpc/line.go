// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package meshgrpc

import (
	"sync"

	"google.golang.org/grpc/balancer"
	"google.golang.org/grpc/connectivity"
)

// line is one way to an endpoint: a SubConn of its own, or, where the endpoint has
// several addresses, a pick_first child that finds the one that works.
type line struct {
	conn *conn

	mu     sync.Mutex       // guards what follows while it is opened; picks come after that
	sub    balancer.SubConn // one address; nil: see child
	child  *child
	closed bool
}

// open begins to connect. Nothing is locked: grpc, and a test's stand-in for it, may
// report the first state at once.
func (l *line) open() {
	addrs := l.conn.addresses()
	if len(addrs) > 1 {
		newChild(l).connect(addrs)
		return
	}
	sub, err := l.conn.set.balancer.cc.NewSubConn(addrs, balancer.NewSubConnOptions{StateListener: l.onState}) //nolint:staticcheck // what is deprecated is more than one address
	if err != nil {
		l.conn.report(l, connectivity.TransientFailure, err)
		return
	}
	l.mu.Lock()
	l.sub = sub
	closed := l.closed
	l.mu.Unlock()
	if closed {
		sub.Shutdown()
		return
	}
	sub.Connect()
}

// onState hears of the SubConn's states, one at a time. A connection that was lost,
// or whose backoff is over, is made again at once.
func (l *line) onState(s balancer.SubConnState) {
	switch s.ConnectivityState {
	case connectivity.Idle:
		l.conn.report(l, connectivity.Connecting, nil)
		l.sub.Connect()
	case connectivity.Connecting, connectivity.Ready, connectivity.TransientFailure:
		l.conn.report(l, s.ConnectivityState, s.ConnectionError)
	case connectivity.Shutdown:
	}
}

// result is the pick of this line.
func (l *line) result(info balancer.PickInfo) (balancer.PickResult, error) {
	if l.child != nil {
		return l.child.pick(info)
	}
	return balancer.PickResult{SubConn: l.sub}, nil
}

// close lets calls in flight finish.
func (l *line) close() {
	l.mu.Lock()
	sub, child := l.sub, l.child
	l.closed = true
	l.mu.Unlock()
	switch {
	case child != nil:
		child.close()
	case sub != nil:
		sub.Shutdown()
	}
}
