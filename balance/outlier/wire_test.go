// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package outlier_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
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
	"github.com/enmesh-go/enmesh/balance/outlier"
	"github.com/enmesh-go/enmesh/discovery"
	"github.com/enmesh-go/enmesh/meshgrpc"
	"github.com/enmesh-go/enmesh/meshhttp"
)

// single is a balance.Source with one cluster.
type single struct{ c *balance.Cluster }

func (s single) Cluster(enmesh.Destination, enmesh.Protocol) *balance.Cluster { return s.c }

// instance is one of ten real servers, which counts what it is asked and may be bad.
type instance struct {
	addr  string
	asked atomic.Int64
	bad   atomic.Bool
	testpb.UnimplementedTestServiceServer
}

func (i *instance) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	i.asked.Add(1)
	if i.bad.Load() {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
}

func (i *instance) EmptyCall(context.Context, *testpb.Empty) (*testpb.Empty, error) {
	i.asked.Add(1)
	if i.bad.Load() {
		return nil, status.Error(codes.Unavailable, "out of order")
	}
	return &testpb.Empty{}, nil
}

// caller sends a call over a protocol to whom the cluster picks.
func caller(t *testing.T, p enmesh.Protocol, c *balance.Cluster) func() error {
	t.Helper()
	route := enmesh.Fixed(false)
	if p == enmesh.GRPC {
		cc, err := grpc.NewClient("enmesh:///ratings", append(meshgrpc.NewClient(route, single{c}).DialOptions(),
			grpc.WithTransportCredentials(insecure.NewCredentials()))...)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = cc.Close() })
		client := testpb.NewTestServiceClient(cc)
		return func() error {
			_, err := client.EmptyCall(t.Context(), &testpb.Empty{})
			return err
		}
	}
	tr := meshhttp.NewTransport(nil, route, single{c})
	t.Cleanup(func() { _ = tr.Close() })
	client := &http.Client{Transport: tr}
	return func() error {
		resp, err := client.Get("http://ratings/")
		if err != nil {
			return err
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			return errors.New(resp.Status)
		}
		return nil
	}
}

// load sends 500 calls a second for a while, and counts them and those that failed.
func load(call func() error, d time.Duration) (calls, failed int) {
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(d); time.Now().Before(end); <-tick.C {
		calls++
		if call() != nil {
			failed++
		}
	}
	return calls, failed
}

// One of ten instances answers errors at once: within a second it is ejected, and two
// seconds on it gets no calls and callers see no errors.
func TestWire_ejectsOneOfTen(t *testing.T) {
	for _, p := range []enmesh.Protocol{enmesh.HTTP, enmesh.GRPC} {
		t.Run(p.String(), func(t *testing.T) {
			all := ten(t, p)
			d := outlier.New(outlier.Default())
			cfg := watchedBy(d)
			cfg.Algorithm, cfg.Protocol = balance.RoundRobin(), p
			c := balance.NewCluster(cfg)
			var eps []discovery.Endpoint
			for _, i := range all {
				eps = append(eps, discovery.Endpoint{Addrs: []string{i.addr}})
			}
			c.Apply(eps)
			call := caller(t, p, c)
			if _, failed := load(call, 200*time.Millisecond); failed != 0 {
				t.Fatalf("%d calls failed before anything was bad", failed)
			}
			bad := all[3]
			bad.bad.Store(true)
			calls, failed := load(call, time.Second)
			if e := c.Set().Endpoints[3]; !e.Ejected(enmesh.Now()) || failed > 10 {
				t.Errorf("after a second: ejected %t, %d of %d calls failed; want it ejected and 5 failed", e.Ejected(enmesh.Now()), failed, calls)
			}
			before := bad.asked.Load()
			calls, failed = load(call, time.Second)
			if got := bad.asked.Load() - before; got*100 >= int64(calls) || failed*1000 > calls {
				t.Errorf("in the next second: %d of %d calls went to the bad one, %d failed; want under 1%% and 0.1%%", got, calls, failed)
			}
			t.Logf("%d calls, %d to the bad one, %d failed", calls, bad.asked.Load()-before, failed)
		})
	}
}

// ten serves ten instances over a protocol until the test ends.
func ten(t *testing.T, p enmesh.Protocol) []*instance {
	t.Helper()
	all := make([]*instance, 10)
	for n := range all {
		i := new(instance)
		lis, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		i.addr = lis.Addr().String()
		web := &http.Server{Handler: i, ReadHeaderTimeout: time.Second}
		serve, stop := web.Serve, func() { _ = web.Close() }
		if p == enmesh.GRPC {
			s := grpc.NewServer()
			testpb.RegisterTestServiceServer(s, i)
			serve, stop = s.Serve, s.Stop
		}
		done := make(chan struct{})
		go func() { defer close(done); _ = serve(lis) }()
		t.Cleanup(func() { stop(); <-done })
		all[n] = i
	}
	return all
}
