// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package breaker_test

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	testpb "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/status"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/balance"
	"github.com/enmesh-go/enmesh/discovery"
	"github.com/enmesh-go/enmesh/meshgrpc"
	"github.com/enmesh-go/enmesh/meshhttp"
	"github.com/enmesh-go/enmesh/resilience/breaker"
)

// host is a real server of either protocol that may be bad.
type host struct {
	testpb.UnimplementedTestServiceServer
	asked atomic.Int64
	bad   atomic.Bool
}

func (h *host) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	h.asked.Add(1)
	if h.bad.Load() {
		w.WriteHeader(http.StatusInternalServerError)
	}
}

func (h *host) EmptyCall(context.Context, *testpb.Empty) (*testpb.Empty, error) {
	h.asked.Add(1)
	if h.bad.Load() {
		return nil, status.Error(codes.Internal, "bad")
	}
	return &testpb.Empty{}, nil
}

func (h *host) start(t *testing.T, p enmesh.Protocol) string {
	t.Helper()
	if p == enmesh.HTTP {
		srv := httptest.NewServer(h)
		t.Cleanup(srv.Close)
		return srv.Listener.Addr().String()
	}
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	g := grpc.NewServer()
	testpb.RegisterTestServiceServer(g, h)
	go func() { _ = g.Serve(l) }()
	t.Cleanup(g.Stop)
	return l.Addr().String()
}

// single is a balance.Source with one cluster.
type single struct{ c *balance.Cluster }

func (s single) Cluster(enmesh.Destination, enmesh.Protocol) *balance.Cluster { return s.c }

func callThrough(t *testing.T, p enmesh.Protocol, c *balance.Cluster) func() enmesh.Code {
	t.Helper()
	if p == enmesh.HTTP {
		tr := meshhttp.NewTransport(nil, enmesh.Fixed(false), single{c})
		t.Cleanup(func() { _ = tr.Close() })
		return func() enmesh.Code {
			req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://hosts/", http.NoBody)
			if err != nil {
				t.Fatal(err)
			}
			resp, err := (&http.Client{Transport: tr}).Do(req)
			if err != nil {
				return enmesh.CodeOf(err)
			}
			_ = resp.Body.Close()
			return enmesh.CodeOfStatus(resp.StatusCode)
		}
	}
	cc, err := grpc.NewClient("enmesh:///hosts", append(meshgrpc.NewClient(enmesh.Fixed(false), single{c}).DialOptions(),
		grpc.WithTransportCredentials(insecure.NewCredentials()))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cc.Close() })
	return func() enmesh.Code {
		_, err := testpb.NewTestServiceClient(cc).EmptyCall(t.Context(), &testpb.Empty{})
		return enmesh.Code(status.Code(err))
	}
}

// A breaker on each endpoint keeps calls from the one that is bad, lets them through to
// the other, and finds out when it is well again.
func TestBreaker_ofAnEndpoint(t *testing.T) {
	for _, p := range []enmesh.Protocol{enmesh.HTTP, enmesh.GRPC} {
		t.Run(p.String(), func(t *testing.T) {
			good, bad := &host{}, &host{}
			badAddr := bad.start(t, p)
			var mu sync.Mutex
			breakers := map[string]*breaker.Breaker{}
			c := balance.NewCluster(balance.ClusterConfig{
				Destination: enmesh.Destination{Service: "hosts"}, Protocol: p, Algorithm: balance.RoundRobin(),
				Gates: func(e *balance.Endpoint) []enmesh.Gate {
					mu.Lock()
					defer mu.Unlock()
					breakers[e.Addr()] = mustNew(t, breaker.Config{OpenFor: 300 * time.Millisecond})
					return []enmesh.Gate{breakers[e.Addr()]}
				},
			})
			c.Apply([]discovery.Endpoint{{Addrs: []string{good.start(t, p)}}, {Addrs: []string{badAddr}}})
			call := callThrough(t, p, c)
			for deadline := time.Now().Add(10 * time.Second); good.asked.Load() == 0 || bad.asked.Load() == 0; {
				call()
				if time.Now().After(deadline) {
					t.Fatal("one of two hosts gets no calls")
				}
			}
			bad.bad.Store(true)
			asked := bad.asked.Load()
			codes := map[enmesh.Code]int{}
			for range 100 {
				codes[call()]++
			}
			open := breakers[badAddr].State() != breaker.Closed
			t.Logf("100 calls ended %v, %d of them at the bad host; its breaker is open: %v", codes, bad.asked.Load()-asked, open)
			if got := bad.asked.Load() - asked; got < 5 || got > 8 || !open || codes[enmesh.OK] < 40 {
				t.Errorf("the bad host got %d calls, %d succeeded, its breaker is open: %v; want 5 (a few probes more), half, and open", got, codes[enmesh.OK], open)
			}
			bad.bad.Store(false)
			for deadline := time.Now().Add(10 * time.Second); breakers[badAddr].State() != breaker.Closed; <-time.After(time.Millisecond) {
				call()
				if time.Now().After(deadline) {
					t.Fatal("the breaker of a host that is well stays open")
				}
			}
		})
	}
}
