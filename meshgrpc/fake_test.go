// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package meshgrpc_test

import (
	"sync"

	"google.golang.org/grpc/balancer"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/resolver"

	"github.com/enmesh-go/enmesh/meshgrpc"
)

// fakeConn is a grpc ClientConn in memory: SubConns change state when the test says,
// and their callbacks come one at a time, as grpc's do.
type fakeConn struct {
	balancer.ClientConn // nil: what is not overridden is not called

	mu        sync.Mutex // guards what follows
	subs      []*fakeSub
	published int
	state     balancer.State
	wake      chan struct{} // closed and replaced at each publication
}

func newFakeConn() *fakeConn { return &fakeConn{wake: make(chan struct{})} }

func (f *fakeConn) NewSubConn(addrs []resolver.Address, opts balancer.NewSubConnOptions) (balancer.SubConn, error) {
	s := &fakeSub{addr: addrs[0].Addr, listen: opts.StateListener}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.subs = append(f.subs, s)
	return s, nil
}

func (f *fakeConn) UpdateState(s balancer.State) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.state = s
	f.published++
	close(f.wake)
	f.wake = make(chan struct{})
}

func (f *fakeConn) all() []*fakeSub {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]*fakeSub(nil), f.subs...)
}

func (f *fakeConn) publications() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.published
}

func (f *fakeConn) present() (balancer.State, <-chan struct{}) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.state, f.wake
}

// fakeSub is a SubConn that does nothing by itself.
type fakeSub struct {
	balancer.SubConn
	addr   string
	listen func(balancer.SubConnState)

	mu       sync.Mutex
	state    connectivity.State
	down     bool
	connects int
}

func (s *fakeSub) Connect() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.connects++
}

func (s *fakeSub) Shutdown() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.down = true
}

func (s *fakeSub) become(to connectivity.State) {
	s.mu.Lock()
	if s.down {
		s.mu.Unlock()
		return
	}
	s.state = to
	s.mu.Unlock()
	s.listen(balancer.SubConnState{ConnectivityState: to})
}

// touched is how often it was asked to connect, and whether it was shut down.
func (s *fakeSub) touched() (connects int, down bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.connects, s.down
}

func (s *fakeSub) ready() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state == connectivity.Ready && !s.down
}

// start makes a balancer for service over a fake ClientConn and sends a first pick, so
// that it joins the service's cluster.
func start(c *meshgrpc.Client, service string) (balancer.Balancer, *fakeConn) {
	f := newFakeConn()
	b := balancer.Get(meshgrpc.BalancerName).Build(f, balancer.BuildOptions{})
	if err := b.UpdateClientConnState(meshgrpc.StateFor(c, service)); err != nil {
		panic(err)
	}
	b.ExitIdle()
	return b, f
}
