// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package health_test

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	grpchealth "google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"

	"github.com/enmesh-go/enmesh/balance"
	"github.com/enmesh-go/enmesh/balance/health"
	"github.com/enmesh-go/enmesh/discovery"
	"github.com/enmesh-go/enmesh/meshgrpc"
)

// patient is a real server that can be made ill.
type patient struct {
	addr string
	ill  func(bool)
}

func overHTTP(t *testing.T) patient {
	t.Helper()
	var ill atomic.Bool
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if ill.Load() {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}))
	t.Cleanup(s.Close)
	return patient{s.Listener.Addr().String(), ill.Store}
}

func overGRPC(t *testing.T) patient {
	t.Helper()
	lis, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s, h := grpc.NewServer(), grpchealth.NewServer()
	healthpb.RegisterHealthServer(s, h)
	done := make(chan struct{})
	go func() { defer close(done); _ = s.Serve(lis) }()
	t.Cleanup(func() { s.Stop(); <-done })
	return patient{lis.Addr().String(), func(ill bool) {
		now := healthpb.HealthCheckResponse_SERVING
		if ill {
			now = healthpb.HealthCheckResponse_NOT_SERVING
		}
		h.SetServingStatus("", now)
	}}
}

// One of three real servers becomes ill and well again, without a single call.
func TestWire_findsTheIllAndTheWell(t *testing.T) {
	web, err := health.NewHTTP(health.HTTPConfig{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		start   func(*testing.T) patient
		checker health.Checker
	}{
		"http": {overHTTP, web},
		"grpc": {overGRPC, meshgrpc.NewHealthChecker(meshgrpc.HealthCheckConfig{}, nil)},
	} {
		t.Run(name, func(t *testing.T) {
			all := []patient{tc.start(t), tc.start(t), tc.start(t)}
			var eps []discovery.Endpoint
			for _, p := range all {
				eps = append(eps, discovery.Endpoint{Addrs: []string{p.addr}})
			}
			c := balance.NewCluster(balance.ClusterConfig{AwaitCheck: true})
			c.Apply(eps)
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan struct{})
			monitor := health.New(c, health.Config{Interval: 20 * time.Millisecond}, tc.checker)
			go func() { defer close(done); _ = monitor.Run(ctx) }()
			defer func() { cancel(); <-done }()

			await := func(what string, want bool) {
				t.Helper()
				for deadline := time.Now().Add(10 * time.Second); c.Set().Endpoints[1].Ready() != want; {
					if time.Now().After(deadline) {
						t.Fatalf("%s: ready %t for 10 s, want %t", what, !want, want)
					}
					time.Sleep(time.Millisecond)
				}
			}
			await("at first", true)
			all[1].ill(true)
			await("when it is ill", false)
			if !c.Set().Endpoints[0].Ready() {
				t.Error("another one is unhealthy too")
			}
			all[1].ill(false)
			await("when it is well again", true)
		})
	}
}
