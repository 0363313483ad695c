// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package meshgrpc

import (
	"math"
	"sync"
	"sync/atomic"

	"google.golang.org/grpc/balancer"
	"google.golang.org/grpc/connectivity"
)

// line is one way to an endpoint: a SubConn of its own, or, where the endpoint has
// several addresses, a pick_first child that finds the one that works.
//
// One that is retired is closed after the last call that picked it, not before: a call
// whose stream is not open yet when grpc is told to shut its connection waits, without
// another try, until the connection is closed (grpc-go 1.85, http2Client.NewStream), which
// a long stream can put off for ever.
type line struct {
	conn *conn
	uses atomic.Int64 // picks that have not ended; from retired on, when it is that

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
		if !l.isRetired() {
			l.sub.Connect()
		}
	case connectivity.Connecting, connectivity.Ready, connectivity.TransientFailure:
		l.conn.report(l, s.ConnectivityState, s.ConnectionError)
	case connectivity.Shutdown:
	}
}

// result is the pick of this line, for which leave is to be called at the end. Where it
// was retired there is none: ok is false.
func (l *line) result(info balancer.PickInfo) (_ balancer.PickResult, ok bool, _ error) {
	if l.uses.Add(1) < 0 {
		l.leave()
		return balancer.PickResult{}, false, nil
	}
	if l.child == nil {
		return balancer.PickResult{SubConn: l.sub}, true, nil
	}
	r, err := l.child.pick(info)
	if err != nil {
		l.leave()
	}
	return r, true, err
}

// retired is what uses starts from in a line that takes no picks any more.
const retired = math.MinInt64

// leave ends a use. It may be called under grpc's locks.
func (l *line) leave() {
	if l.uses.Add(-1) == retired {
		l.conn.set.balancer.beside(l.close)
	}
}

func (l *line) isRetired() bool { return l.uses.Load() < 0 }

// retire has the line take no picks any more, and closes it when those that it has have
// ended. It is called once.
func (l *line) retire() {
	if l.uses.Add(retired) == retired {
		l.close()
	}
}

// close lets streams that are open finish.
func (l *line) close() {
	l.mu.Lock()
	sub, child, before := l.sub, l.child, l.closed
	l.closed = true
	l.mu.Unlock()
	switch {
	case before:
	case child != nil:
		child.close()
	case sub != nil:
		sub.Shutdown()
	}
}
