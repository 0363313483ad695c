// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package balance_test

import (
	"net"
	"sync/atomic"
	"testing"

	"google.golang.org/grpc"
	testpb "google.golang.org/grpc/interop/grpc_testing"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/balance"
	"github.com/enmesh-go/enmesh/discovery"
	"github.com/enmesh-go/enmesh/meshgrpc"
)

// onlyCluster is a Source with one cluster for everything.
type onlyCluster struct{ c *balance.Cluster }

func (s onlyCluster) Cluster(enmesh.Destination, enmesh.Protocol) *balance.Cluster { return s.c }

// countedServer is a listener that counts connections.
type countedServer struct {
	net.Listener
	accepted atomic.Int32
}

func (l *countedServer) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err == nil {
		l.accepted.Add(1)
	}
	return conn, err
}

type empty struct {
	testpb.UnimplementedTestServiceServer
}

// A gRPC client connects to its subset and to nobody else.
func TestSubset_gRPCDialsNoOther(t *testing.T) {
	const n, size = 12, 3
	eps := make([]discovery.Endpoint, n)
	listeners := make([]*countedServer, n)
	for i := range eps {
		lis, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		listeners[i] = &countedServer{Listener: lis}
		s := grpc.NewServer()
		testpb.RegisterTestServiceServer(s, empty{})
		served := make(chan error, 1)
		go func() { served <- s.Serve(listeners[i]) }()
		t.Cleanup(func() { s.Stop(); <-served })
		eps[i] = discovery.Endpoint{Addrs: []string{lis.Addr().String()}}
	}
	c := balance.NewCluster(balance.ClusterConfig{
		Protocol: enmesh.GRPC, Algorithm: balance.RoundRobin(),
		Subsetting: balance.SubsetConfig{Size: size, Index: 1, Count: 4},
	})
	c.Apply(eps)
	cl := meshgrpc.NewClient(enmesh.Fixed(false), onlyCluster{c})
	cc, err := grpc.NewClient("enmesh:///reviews", cl.DialOptions()...)
	if err != nil {
		t.Fatal(err)
	}
	defer cc.Close()
	mine := members(c)
	connected := func() (own, others int32) {
		for _, l := range listeners {
			if mine[l.Addr().String()] {
				own += min(l.accepted.Load(), 1)
			} else {
				others += l.accepted.Load()
			}
		}
		return own, others
	}
	client := testpb.NewTestServiceClient(cc)
	for range 10_000 { // until all of the subset are connected
		_, _ = client.EmptyCall(t.Context(), &testpb.Empty{}, grpc.WaitForReady(true)) // "unimplemented" is an answer
		if own, _ := connected(); own == size {
			break
		}
	}
	if own, others := connected(); own != size || others != 0 {
		t.Errorf("%d of its %d endpoints have a connection, and %d others, want %d and none", own, size, others, size)
	}
}
