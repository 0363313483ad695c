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
	line   *line
	picker atomic.Pointer[balancer.Picker]

	mu     sync.Mutex // serialises calls of lb; nothing that lb calls back takes it
	lb     balancer.Balancer
	closed bool
}

func newChild(l *line) *child {
	k := &child{ClientConn: l.conn.set.balancer.cc, line: l}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.child = k
	return k
}

// connect begins to connect, unless it was closed meanwhile.
func (k *child) connect(addrs []resolver.Address) {
	if err := k.build(addrs); err != nil {
		k.report(connectivity.TransientFailure, err)
	}
}

func (k *child) build(addrs []resolver.Address) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.closed {
		return nil
	}
	k.lb = balancer.Get(pickfirst.Name).Build(k, k.line.conn.set.balancer.opts)
	return k.lb.UpdateClientConnState(balancer.ClientConnState{
		ResolverState: resolver.State{Endpoints: []resolver.Endpoint{{Addresses: addrs}}},
	})
}

func (k *child) report(to connectivity.State, err error) { k.line.conn.report(k.line, to, err) }

// UpdateState hears from pick_first, which holds its own lock.
func (k *child) UpdateState(s balancer.State) {
	k.picker.Store(&s.Picker)
	switch s.ConnectivityState {
	case connectivity.Idle:
		k.report(connectivity.Connecting, nil)
		if !k.line.isRetired() {
			go k.exitIdle()
		}
	case connectivity.TransientFailure:
		_, err := s.Picker.Pick(balancer.PickInfo{})
		k.report(connectivity.TransientFailure, err)
	case connectivity.Connecting, connectivity.Ready:
		k.report(s.ConnectivityState, nil)
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
	if !k.closed && k.lb != nil {
		k.lb.Close()
	}
	k.closed = true
}
