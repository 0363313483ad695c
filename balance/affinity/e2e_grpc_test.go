// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package affinity_test

import (
	"context"
	"net"
	"net/http"
	"strconv"
	"testing"

	"google.golang.org/grpc"
	testpb "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/metadata"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/balance"
	"github.com/enmesh-go/enmesh/balance/affinity"
	"github.com/enmesh-go/enmesh/discovery"
	"github.com/enmesh-go/enmesh/meshgrpc"
)

// numbered is a gRPC server that answers with its number, in metadata.
type numbered struct {
	testpb.UnimplementedTestServiceServer
	number int
}

func (s *numbered) EmptyCall(ctx context.Context, _ *testpb.Empty) (*testpb.Empty, error) {
	return &testpb.Empty{}, grpc.SetHeader(ctx, metadata.Pairs("server", strconv.Itoa(s.number)))
}

// grpcFarm starts n of them and is a client over all, all connected.
func grpcFarm(t *testing.T, n int, policy enmesh.Middleware) testpb.TestServiceClient {
	t.Helper()
	eps := make([]discovery.Endpoint, n)
	for i := range eps {
		lis, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		s := grpc.NewServer()
		testpb.RegisterTestServiceServer(s, &numbered{number: i})
		served := make(chan error, 1)
		go func() { served <- s.Serve(lis) }()
		t.Cleanup(func() { s.Stop(); <-served })
		eps[i] = discovery.Endpoint{Addrs: []string{lis.Addr().String()}}
	}
	source := balance.NewStaticSource(map[string][]discovery.Endpoint{"reviews": eps}, balance.RingHash(balance.RingHashConfig{}))
	cl := meshgrpc.NewClient(enmesh.Fixed(false, policy), source, meshgrpc.WithAnswerHeaders())
	cc, err := grpc.NewClient("enmesh:///reviews", cl.DialOptions()...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cc.Close() })
	c := testpb.NewTestServiceClient(cc)
	for seen, i := map[string]bool{}, 0; len(seen) < n; i++ {
		if i > 100_000 {
			t.Fatalf("calls with as many keys met %d servers of %d", len(seen), n)
		}
		seen[ask(t, c, "cookie", "session="+strconv.Itoa(i)).Get("server")[0]] = true
	}
	return c
}

// ask makes a call with metadata and is the answer's.
func ask(t *testing.T, c testpb.TestServiceClient, pairs ...string) metadata.MD {
	t.Helper()
	var md metadata.MD
	ctx := metadata.AppendToOutgoingContext(t.Context(), pairs...)
	if _, err := c.EmptyCall(ctx, &testpb.Empty{}, grpc.Header(&md), grpc.WaitForReady(true)); err != nil {
		t.Fatal(err)
	}
	return md
}

// In gRPC the cookie travels in metadata, both ways.
func TestCookie_overGRPC(t *testing.T) {
	policy, err := affinity.Cookie(affinity.CookieConfig{Name: "session", Generate: true})
	if err != nil {
		t.Fatal(err)
	}
	c := grpcFarm(t, 4, policy)
	for range 20 {
		first := ask(t, c)
		if len(first.Get("set-cookie")) != 1 {
			t.Fatalf("the first answer has the cookies %q, want one", first.Get("set-cookie"))
		}
		cookie, err := http.ParseSetCookie(first.Get("set-cookie")[0])
		if err != nil {
			t.Fatal(err)
		}
		for range 5 {
			again := ask(t, c, "cookie", "theme=dark; session="+cookie.Value)
			if again.Get("server")[0] != first.Get("server")[0] || len(again.Get("set-cookie")) != 0 {
				t.Fatalf("began at server %s, came to %s with cookies %q", first.Get("server")[0], again.Get("server")[0], again.Get("set-cookie"))
			}
		}
	}
}
