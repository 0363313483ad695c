// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package meshgrpc

import (
	"google.golang.org/grpc/balancer"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/resolver"

	"github.com/enmesh-go/enmesh/balance"
)

// conn is the connection to one endpoint: a SubConn of its own, or, where the
// endpoint has several addresses, a pick_first child that finds the one that works.
type conn struct {
	set   *readySet
	view  *balance.Endpoint
	sub   balancer.SubConn // one address; nil: see child
	child *child

	// guarded by set.mu
	state connectivity.State // Connecting, Ready or TransientFailure
	gone  bool
}

func newConn(rs *readySet, e *balance.Endpoint) *conn {
	c := &conn{set: rs, state: connectivity.Connecting}
	c.view = e.View(c)
	return c
}

// open begins to connect. Nothing is locked: grpc, and a test's stand-in for it, may
// report the first state at once.
func (c *conn) open() {
	addrs := c.addresses()
	if len(addrs) > 1 {
		c.child = newChild(c, addrs)
		return
	}
	sub, err := c.set.balancer.cc.NewSubConn(addrs, balancer.NewSubConnOptions{StateListener: c.onState}) //nolint:staticcheck // what is deprecated is more than one address
	if err != nil {
		c.set.move(c, connectivity.TransientFailure, err)
		return
	}
	c.sub = sub
	sub.Connect()
}

func (c *conn) addresses() []resolver.Address {
	attrs := endpointAttributes(c.view)
	addrs := make([]resolver.Address, 0, len(c.view.Addrs()))
	for _, a := range c.view.Addrs() {
		addrs = append(addrs, resolver.Address{Addr: a, Attributes: attrs})
	}
	return addrs
}

// onState hears of the SubConn's states, one at a time. A connection that was lost,
// or whose backoff is over, is made again at once.
func (c *conn) onState(s balancer.SubConnState) {
	switch s.ConnectivityState {
	case connectivity.Idle:
		c.set.move(c, connectivity.Connecting, nil)
		c.sub.Connect()
	case connectivity.Connecting, connectivity.Ready, connectivity.TransientFailure:
		c.set.move(c, s.ConnectivityState, s.ConnectionError)
	case connectivity.Shutdown:
	}
}

// result is the pick of this connection.
func (c *conn) result(info balancer.PickInfo) (balancer.PickResult, error) {
	if c.child != nil {
		return c.child.pick(info)
	}
	return balancer.PickResult{SubConn: c.sub}, nil
}

// close lets calls in flight finish.
func (c *conn) close() {
	switch {
	case c.child != nil:
		c.child.close()
	case c.sub != nil:
		c.sub.Shutdown()
	}
}
