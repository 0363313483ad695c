// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package balance_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	testpb "google.golang.org/grpc/interop/grpc_testing"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/balance"
	"github.com/enmesh-go/enmesh/discovery"
	"github.com/enmesh-go/enmesh/meshgrpc"
	"github.com/enmesh-go/enmesh/meshhttp"
)

// single is a balance.Source with one cluster.
type single struct{ c *balance.Cluster }

func (s single) Cluster(enmesh.Destination, enmesh.Protocol) *balance.Cluster { return s.c }

// counted is a real server that counts its calls.
type counted struct {
	testpb.UnimplementedTestServiceServer
	addr  string
	calls atomic.Int64
}

func (s *counted) ServeHTTP(http.ResponseWriter, *http.Request) { s.calls.Add(1) }

func (s *counted) EmptyCall(context.Context, *testpb.Empty) (*testpb.Empty, error) {
	s.calls.Add(1)
	return &testpb.Empty{}, nil
}

// serveCounted serves over a protocol until the test ends.
func serveCounted(t *testing.T, p enmesh.Protocol) *counted {
	t.Helper()
	lis, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &counted{addr: lis.Addr().String()}
	web := &http.Server{Handler: s, ReadHeaderTimeout: time.Second}
	serve, stop := web.Serve, func() { _ = web.Close() }
	if p == enmesh.GRPC {
		srv := grpc.NewServer()
		testpb.RegisterTestServiceServer(srv, s)
		serve, stop = srv.Serve, srv.Stop
	}
	done := make(chan struct{})
	go func() { defer close(done); _ = serve(lis) }()
	t.Cleanup(func() { stop(); <-done })
	return s
}

// callerOf sends one call to whom the cluster picks.
func callerOf(t *testing.T, p enmesh.Protocol, c *balance.Cluster) func() error {
	t.Helper()
	if p == enmesh.GRPC {
		cc, err := grpc.NewClient("enmesh:///ratings", meshgrpc.NewClient(enmesh.Fixed(false), single{c}).DialOptions()...)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = cc.Close() })
		client := testpb.NewTestServiceClient(cc)
		return func() error { _, err := client.EmptyCall(t.Context(), &testpb.Empty{}); return err }
	}
	tr := meshhttp.NewTransport(nil, enmesh.Fixed(false), single{c})
	t.Cleanup(func() { _ = tr.Close() })
	client := &http.Client{Transport: tr}
	return func() error {
		resp, err := client.Get("http://ratings/")
		if err != nil {
			return err
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		return resp.Body.Close()
	}
}

// A fourth real server joins three. HTTP picks among endpoints, gRPC among views of
// those that are connected: both ramp it up.
func TestSlowStart_overTheWire(t *testing.T) {
	const window = time.Second
	for _, p := range []enmesh.Protocol{enmesh.HTTP, enmesh.GRPC} {
		t.Run(p.String(), func(t *testing.T) {
			var all []*counted
			var eps []discovery.Endpoint
			for range 4 {
				s := serveCounted(t, p)
				all = append(all, s)
				eps = append(eps, discovery.Endpoint{Addrs: []string{s.addr}})
			}
			c := balance.NewCluster(balance.ClusterConfig{
				Protocol: p, Algorithm: balance.SlowStart(balance.SlowStartConfig{Window: window}, balance.LeastRequest(2)),
			})
			c.Apply(eps[:3])
			call := callerOf(t, p, c)
			// share calls until the new one is so old, at least so often, and is its part of
			// what others had.
			share := func(until time.Duration, least int) float64 {
				var before [4]int64
				for i, s := range all {
					before[i] = s.calls.Load()
				}
				since := c.Set().Endpoints[len(c.Set().Endpoints)-1].Since()
				n := 0
				for ; enmesh.Now().Sub(since) < until || n < least; n++ {
					if err := call(); err != nil {
						t.Fatal(err)
					}
				}
				others := 0.0
				for i, s := range all[:3] {
					others += float64(s.calls.Load()-before[i]) / 3
				}
				return float64(all[3].calls.Load()-before[3]) / others
			}
			share(0, 100)
			c.Apply(eps)
			first := share(window/10, 100)
			half := share(window/2, 100)
			rest := share(window, 100)
			after := share(2*window, 12_000) // a busy machine makes few calls in a window; a tenth is then 5 sigma
			t.Logf("%.2f of a fair share in the first tenth, %.2f until half, %.2f until the end, %.2f after it", first, half, rest, after)
			if first > 0.2 || half < 0.15 || half > 0.45 || rest < 0.6 || rest > 0.9 || after < 0.9 || after > 1.1 {
				t.Errorf("%.2f of a fair share in the first tenth, %.2f until half, %.2f until the end, %.2f after it; want at most 0.2, about 0.3, 0.75 and 1", first, half, rest, after)
			}
		})
	}
}
