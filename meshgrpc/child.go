// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package meshgrpc

import (
	"sync"
	"sync/atomic"

	"google.golang.org/grpc/balancer"
	"google.golang.org/grpc/balancer/pickfirst"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/resolver"
)

// child is grpc's pick_first over the addresses of one endpoint. It is the ClientConn
// that pick_first sees, and passes all on but the state.
type child struct {
	balancer.ClientConn
	conn   *conn
	picker atomic.Pointer[balancer.Picker]

	mu     sync.Mutex // serialises calls of lb; nothing that lb calls back takes it
	lb     balancer.Balancer
	closed bool
}

func newChild(c *conn, addrs []resolver.Address) *child {
	b := c.set.balancer
	k := &child{ClientConn: b.cc, conn: c}
	c.child = k
	k.mu.Lock()
	defer k.mu.Unlock()
	k.lb = balancer.Get(pickfirst.Name).Build(k, b.opts)
	err := k.lb.UpdateClientConnState(balancer.ClientConnState{
		ResolverState: resolver.State{Endpoints: []resolver.Endpoint{{Addresses: addrs}}},
	})
	if err != nil {
		c.set.move(c, connectivity.TransientFailure, err)
	}
	return k
}

// UpdateState hears from pick_first, which holds its own lock.
func (k *child) UpdateState(s balancer.State) {
	k.picker.Store(&s.Picker)
	switch s.ConnectivityState {
	case connectivity.Idle:
		k.conn.set.move(k.conn, connectivity.Connecting, nil)
		go k.exitIdle()
	case connectivity.TransientFailure:
		_, err := s.Picker.Pick(balancer.PickInfo{})
		k.conn.set.move(k.conn, connectivity.TransientFailure, err)
	case connectivity.Connecting, connectivity.Ready:
		k.conn.set.move(k.conn, s.ConnectivityState, nil)
	case connectivity.Shutdown:
	}
}

func (k *child) exitIdle() {
	k.mu.Lock()
	defer k.mu.Unlock()
	if !k.closed {
		k.lb.ExitIdle()
	}
}

func (k *child) pick(info balancer.PickInfo) (balancer.PickResult, error) {
	return (*k.picker.Load()).Pick(info)
}

func (k *child) close() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.closed = true
	k.lb.Close()
}
