// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package meshgrpc_test

import (
	"context"
	"net"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	testpb "google.golang.org/grpc/interop/grpc_testing"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/balance"
	"github.com/enmesh-go/enmesh/discovery"
	"github.com/enmesh-go/enmesh/enmeshtest"
	"github.com/enmesh-go/enmesh/meshgrpc"
)

// service is grpc's interop test service, whose methods a test scripts. What is not
// scripted answers with an empty message.
type service struct {
	testpb.UnimplementedTestServiceServer
	unary  func(context.Context, *testpb.SimpleRequest) (*testpb.SimpleResponse, error)
	output func(*testpb.StreamingOutputCallRequest, testpb.TestService_StreamingOutputCallServer) error
	input  func(testpb.TestService_StreamingInputCallServer) error
	duplex func(testpb.TestService_FullDuplexCallServer) error
}

func (s *service) EmptyCall(ctx context.Context, _ *testpb.Empty) (*testpb.Empty, error) {
	if s.unary != nil {
		_, err := s.unary(ctx, nil)
		return &testpb.Empty{}, err
	}
	return &testpb.Empty{}, nil
}

func (s *service) UnaryCall(ctx context.Context, in *testpb.SimpleRequest) (*testpb.SimpleResponse, error) {
	if s.unary != nil {
		return s.unary(ctx, in)
	}
	return &testpb.SimpleResponse{Payload: in.GetPayload()}, nil
}

func (s *service) StreamingOutputCall(in *testpb.StreamingOutputCallRequest, ss testpb.TestService_StreamingOutputCallServer) error {
	if s.output != nil {
		return s.output(in, ss)
	}
	return ss.Send(&testpb.StreamingOutputCallResponse{Payload: in.GetPayload()})
}

func (s *service) StreamingInputCall(ss testpb.TestService_StreamingInputCallServer) error {
	if s.input != nil {
		return s.input(ss)
	}
	n := int32(0)
	for {
		if _, err := ss.Recv(); err != nil {
			return ss.SendAndClose(&testpb.StreamingInputCallResponse{AggregatedPayloadSize: n})
		}
		n++
	}
}

func (s *service) FullDuplexCall(ss testpb.TestService_FullDuplexCallServer) error {
	if s.duplex != nil {
		return s.duplex(ss)
	}
	for {
		if _, err := ss.Recv(); err != nil {
			return nil //nolint:nilerr // the client has said all
		}
		if err := ss.Send(&testpb.StreamingOutputCallResponse{}); err != nil {
			return err
		}
	}
}

// serve runs s on a loopback port until the test ends, and gives its address.
func serve(t testing.TB, s *service, opts ...grpc.ServerOption) string {
	t.Helper()
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	serveOn(t, lis, s, opts...)
	return lis.Addr().String()
}

func serveOn(t testing.TB, lis net.Listener, s *service, opts ...grpc.ServerOption) *grpc.Server {
	t.Helper()
	srv := grpc.NewServer(append(opts, grpc.WaitForHandlers(true))...)
	testpb.RegisterTestServiceServer(srv, s)
	done := make(chan struct{})
	go func() { defer close(done); _ = srv.Serve(lis) }()
	t.Cleanup(func() { srv.Stop(); <-done })
	return srv
}

// dial connects to target through the mesh.
func dial(t testing.TB, target string, r enmesh.Router, s balance.Source, opts ...grpc.DialOption) (*grpc.ClientConn, testpb.TestServiceClient) {
	t.Helper()
	cc, err := grpc.NewClient(target, append(meshgrpc.NewClient(r, s).DialOptions(), opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cc.Close() })
	return cc, testpb.NewTestServiceClient(cc)
}

type discoveryEndpoint = discovery.Endpoint

// endpoints are discovered endpoints at addrs.
func endpoints(addrs ...string) []discovery.Endpoint {
	eps := make([]discovery.Endpoint, 0, len(addrs))
	for _, a := range addrs {
		eps = append(eps, discovery.Endpoint{Addrs: []string{a}})
	}
	return eps
}

// clusters is a Source that a test feeds.
type clusters struct {
	gates      func(*balance.Endpoint) []enmesh.Gate
	connection balance.ConnectionConfig

	mu    sync.Mutex
	known map[enmesh.Destination]*balance.Cluster
}

func (s *clusters) Cluster(d enmesh.Destination, p enmesh.Protocol) *balance.Cluster {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c := s.known[d]; c != nil {
		return c
	}
	if s.known == nil {
		s.known = map[enmesh.Destination]*balance.Cluster{}
	}
	c := balance.NewCluster(balance.ClusterConfig{Destination: d, Protocol: p, Algorithm: balance.RoundRobin(), Gates: s.gates, Connection: s.connection})
	s.known[d] = c
	return c
}

func (s *clusters) apply(service string, addrs ...string) {
	s.Cluster(enmesh.Destination{Service: service}, enmesh.GRPC).Apply(endpoints(addrs...))
}

// retry sends a failed call again, up to n attempts in all.
func retry(n int) enmesh.Middleware {
	return func(next enmesh.Next) enmesh.Next {
		return func(ctx context.Context, c *enmesh.Call) error {
			for {
				err := next(ctx, c)
				e := enmesh.ErrorOf(err)
				if err == nil || e.RetryAfter < 0 || c.Attempt >= n || ctx.Err() != nil || !c.Again() {
					return err
				}
				c.Tick()
			}
		}
	}
}

// witness notes the ends of calls and attempts.
func witness() (route func(resends bool, ms ...enmesh.Middleware) enmesh.Router, call, attempt *enmeshtest.Gate) {
	call, attempt = &enmeshtest.Gate{}, &enmeshtest.Gate{}
	return func(resends bool, ms ...enmesh.Middleware) enmesh.Router {
		chain := append([]enmesh.Middleware{enmesh.Guard(call)}, ms...)
		return enmesh.Fixed(resends, append(chain, enmesh.Guard(attempt))...)
	}, call, attempt
}

// settled waits until every gate has heard of every end.
func settled(t testing.TB, gates ...*enmeshtest.Gate) {
	t.Helper()
	eventually(t, "all gates settled", func() bool {
		for _, g := range gates {
			if g.Settled() != nil {
				return false
			}
		}
		return true
	})
}

// eventually polls under a deadline.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(5 * time.Second)
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("not so within 5 s: %s", what)
		}
		pause(200 * time.Microsecond)
	}
}

// pause lets time pass where a test is about just that.
func pause(d time.Duration) { <-time.After(d) }

func testContext(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	t.Cleanup(cancel)
	return ctx
}
