// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	orca "github.com/cncf/xds/go/xds/data/orca/v3"
	"google.golang.org/grpc/balancer"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/resolver"
	"google.golang.org/grpc/serviceconfig"
)

// grpcPicker makes the picker of one of grpc-go's balancers, with its configuration as
// JSON. The balancer is grpc-go's own, from its registry; under it is a ClientConn whose
// connections are ready as soon as they are asked for.
func grpcPicker(name, config string) func(n int) (*subject, error) {
	return grpcPickerTold(name, config, []balancer.DoneInfo{{}})
}

// grpcPickerTold is grpcPicker whose calls end in these ways in turn.
func grpcPickerTold(name, config string, ends []balancer.DoneInfo) func(n int) (*subject, error) {
	return func(n int) (*subject, error) {
		builder := balancer.Get(name)
		if builder == nil {
			return nil, fmt.Errorf("bench: grpc-go has no balancer %q", name)
		}
		var cfg serviceconfig.LoadBalancingConfig
		if parser, ok := builder.(balancer.ConfigParser); ok {
			var err error
			if cfg, err = parser.ParseConfig(json.RawMessage(config)); err != nil {
				return nil, err
			}
		}
		cc := new(readyConn)
		b := builder.Build(cc, balancer.BuildOptions{})
		s := &subject{worker: func() func(int) { return cc.worker(ends) }, close: b.Close}
		if err := cc.connect(b, n, cfg); err != nil {
			b.Close()
			return nil, err
		}
		return s, nil
	}
}

// connect tells b of n endpoints, connects all, and has each report a load of its own.
func (cc *readyConn) connect(b balancer.Balancer, n int, cfg serviceconfig.LoadBalancingConfig) error {
	state := resolver.State{}
	for i := range n {
		state.Endpoints = append(state.Endpoints, resolver.Endpoint{Addresses: []resolver.Address{{Addr: address(i)}}})
	}
	if err := b.UpdateClientConnState(balancer.ClientConnState{ResolverState: state, BalancerConfig: cfg}); err != nil {
		return err
	}
	cc.work()
	contexts := someContexts()
	for until := time.Now().Add(30 * time.Second); cc.missing(contexts) > 0; {
		if time.Now().After(until) {
			return errors.New("bench: grpc-go's balancer does not connect")
		}
	}
	if s := cc.state().ConnectivityState; s != connectivity.Ready {
		return fmt.Errorf("bench: grpc-go's balancer is %v, want READY", s)
	}
	return cc.report(n)
}

// loads are what servers report of themselves with an answer. weighted_round_robin learns its
// weights of nothing else, as ours learns latency of every answer; they are 1 to 5.
var loads = func() []balancer.DoneInfo {
	ends := make([]balancer.DoneInfo, 5)
	for i := range ends {
		ends[i].ServerLoad = &orca.OrcaLoadReport{ApplicationUtilization: 0.5, RpsFractional: 100 * float64(i+1)}
	}
	return ends
}()

// missing is how many of the calls find no connection; they bring it about, for
// ring_hash connects to what is picked and nothing else.
func (cc *readyConn) missing(contexts []context.Context) (n int) {
	for _, ctx := range contexts {
		r, err := cc.state().Picker.Pick(balancer.PickInfo{Ctx: ctx})
		if err != nil {
			n++
		} else if r.Done != nil {
			r.Done(balancer.DoneInfo{})
		}
		cc.work()
	}
	return n
}

// report brings weighted_round_robin weights, from 1 to 5 in turn, and waits until it
// has worked them in; the others ignore it.
func (cc *readyConn) report(n int) error {
	for i := range 3 * n {
		r, err := cc.state().Picker.Pick(balancer.PickInfo{Ctx: context.Background()})
		if err != nil {
			return nil //nolint:nilerr // ring_hash without its header: it has no use for reports
		}
		if r.Done != nil {
			r.Done(loads[i%len(loads)])
		}
	}
	<-time.After(300 * time.Millisecond) // three of its update periods
	return nil
}

// worker picks as a call does, and ends it.
func (cc *readyConn) worker(ends []balancer.DoneInfo) func(int) {
	picker, contexts := cc.state().Picker, someContexts()
	next := 0
	return func(count int) {
		for calls := range count {
			r, err := picker.Pick(balancer.PickInfo{FullMethodName: "/bench.Bench/Call", Ctx: contexts[calls%len(contexts)]})
			if err != nil {
				panic(err)
			}
			if r.Done != nil {
				r.Done(ends[next])
				next++
				if next == len(ends) {
					next = 0
				}
			}
		}
	}
}

func contextOf(user string) context.Context {
	return metadata.NewOutgoingContext(context.Background(), metadata.Pairs("user", user))
}

// someContexts are contexts of calls with different keys for ring_hash.
func someContexts() []context.Context {
	contexts := make([]context.Context, 4096)
	for i := range contexts {
		contexts[i] = contextOf(fmt.Sprintf("user-%d", i)) //nolint:fatcontext // each is a context of its own
	}
	return contexts
}
