// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"sync"

	"google.golang.org/grpc/balancer"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/experimental/stats"
	"google.golang.org/grpc/resolver"
)

// readyConn is the ClientConn of a balancer. What it has to tell the balancer it
// queues: callbacks come one at a time and never from inside another.
type readyConn struct {
	balancer.ClientConn // methods that no balancer here calls

	mu     sync.Mutex // guards what follows
	latest balancer.State
	queue  []func()
}

func (cc *readyConn) NewSubConn(_ []resolver.Address, o balancer.NewSubConnOptions) (balancer.SubConn, error) {
	return &readySubConn{cc: cc, listen: o.StateListener}, nil
}

func (cc *readyConn) UpdateState(s balancer.State) {
	cc.mu.Lock()
	defer cc.mu.Unlock()
	cc.latest = s
}

func (cc *readyConn) state() balancer.State {
	cc.mu.Lock()
	defer cc.mu.Unlock()
	return cc.latest
}

func (*readyConn) ResolveNow(resolver.ResolveNowOptions) {}
func (*readyConn) Target() string                        { return "bench" }

func (*readyConn) MetricsRecorder() stats.MetricsRecorder { return noMetrics{} }

type noMetrics struct {
	stats.UnimplementedMetricsRecorder
}

func (cc *readyConn) later(f func()) {
	cc.mu.Lock()
	defer cc.mu.Unlock()
	cc.queue = append(cc.queue, f)
}

// work does what is queued, and what that queues.
func (cc *readyConn) work() {
	for {
		cc.mu.Lock()
		queue := cc.queue
		cc.queue = nil
		cc.mu.Unlock()
		if len(queue) == 0 {
			return
		}
		for _, f := range queue {
			f()
		}
	}
}

// readySubConn is a connection that is there at once.
type readySubConn struct {
	balancer.SubConn // methods that no balancer here calls

	cc     *readyConn
	listen func(balancer.SubConnState)
	once   sync.Once
}

func (s *readySubConn) Connect() {
	s.once.Do(func() {
		for _, to := range []connectivity.State{connectivity.Connecting, connectivity.Ready} {
			s.cc.later(func() { s.listen(balancer.SubConnState{ConnectivityState: to}) })
		}
	})
}

func (s *readySubConn) RegisterHealthListener(f func(balancer.SubConnState)) {
	s.cc.later(func() { f(balancer.SubConnState{ConnectivityState: connectivity.Ready}) })
}

func (*readySubConn) GetOrBuildProducer(balancer.ProducerBuilder) (balancer.Producer, func()) {
	return nil, func() {}
}

func (*readySubConn) Shutdown()                          {}
func (*readySubConn) UpdateAddresses([]resolver.Address) {}
