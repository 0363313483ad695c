// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package meshgrpc_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/balance"
	"github.com/enmesh-go/enmesh/meshgrpc"
	"github.com/enmesh-go/enmesh/security"
	"github.com/enmesh-go/enmesh/security/ca"
	"github.com/enmesh-go/enmesh/security/mtls"
)

// What package balance/health asks of a checker.
var _ interface {
	Check(ctx context.Context, e *balance.Endpoint) error
} = (*meshgrpc.HealthChecker)(nil)

// serveHealth runs a server that has only grpc's own health service.
func serveHealth(t testing.TB, opts ...grpc.ServerOption) (addr string, h *health.Server) {
	t.Helper()
	lis, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	srv := grpc.NewServer(append(opts, grpc.WaitForHandlers(true))...)
	h = health.NewServer()
	healthpb.RegisterHealthServer(srv, h)
	done := make(chan struct{})
	go func() { defer close(done); _ = srv.Serve(lis) }()
	t.Cleanup(func() { srv.Stop(); <-done })
	return lis.Addr().String(), h
}

func endpointAt(addrs ...string) *balance.Endpoint {
	c := balance.NewCluster(balance.ClusterConfig{})
	c.Apply([]discoveryEndpoint{{Addrs: addrs}})
	return c.Set().Endpoints[0]
}

func TestHealthChecker_whatIsWell(t *testing.T) {
	addr, h := serveHealth(t)
	h.SetServingStatus("ill", healthpb.HealthCheckResponse_NOT_SERVING)
	h.SetServingStatus("well", healthpb.HealthCheckResponse_SERVING)
	without := serve(t, &service{})
	_, port, _ := net.SplitHostPort(addr)
	var number uint16
	if _, err := fmt.Sscan(port, &number); err != nil {
		t.Fatal(err)
	}
	silent, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0") // accepts, says nothing
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = silent.Close() }()
	for _, tc := range []struct {
		name string
		cfg  meshgrpc.HealthCheckConfig
		at   []string
		want string
		no   bool // the endpoint itself says no
	}{
		{"the server", meshgrpc.HealthCheckConfig{}, []string{addr}, "", false},
		{"a service", meshgrpc.HealthCheckConfig{Service: "well", Authority: "reviews"}, []string{addr}, "", false},
		{"an ill service", meshgrpc.HealthCheckConfig{Service: "ill"}, []string{addr}, "NOT_SERVING", true},
		{"an unknown service", meshgrpc.HealthCheckConfig{Service: "no"}, []string{addr}, "unknown service", true},
		{"no health service", meshgrpc.HealthCheckConfig{}, []string{without}, "Unimplemented", true},
		{"another port", meshgrpc.HealthCheckConfig{Port: number}, []string{without}, "", false},
		{"nobody there", meshgrpc.HealthCheckConfig{}, []string{"127.0.0.1:1"}, "refused", false},
		{"the second address", meshgrpc.HealthCheckConfig{}, []string{"127.0.0.1:1", addr}, "", false},
		{"an address that is silent, and another", meshgrpc.HealthCheckConfig{}, []string{silent.Addr().String(), addr}, "", false},
		{"silence", meshgrpc.HealthCheckConfig{}, []string{silent.Addr().String()}, "DeadlineExceeded", false},
	} {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		err := meshgrpc.NewHealthChecker(tc.cfg, nil).Check(ctx, endpointAt(tc.at...))
		cancel()
		if (err == nil) != (tc.want == "") || err != nil && !strings.Contains(err.Error(), tc.want) || errors.Is(err, meshgrpc.ErrNotServing) != tc.no {
			t.Errorf("%s: %v, want %q, by its own word: %t", tc.name, err, tc.want, tc.no)
		}
	}
	h.Shutdown()
	if err := meshgrpc.NewHealthChecker(meshgrpc.HealthCheckConfig{}, nil).Check(t.Context(), endpointAt(addr)); !errors.Is(err, meshgrpc.ErrNotServing) {
		t.Errorf("a server that shuts down: %v, want %v", err, meshgrpc.ErrNotServing)
	}
}

func TestHealthChecker_mutualTLS(t *testing.T) {
	authority, err := ca.NewDevelopment("cluster.local", ca.Config{})
	if err != nil {
		t.Fatal(err)
	}
	identity := func(account string) *ca.Source {
		src, err := authority.Source("default", account)
		if err != nil {
			t.Fatal(err)
		}
		return src
	}
	addr, _ := serveHealth(t, meshgrpc.NewServer(enmesh.Fixed(false), meshgrpc.WithTLS(mtls.Server(identity("ratings")))).Options()...)
	for account, want := range map[string]string{"ratings": "", "details": "unexpected peer"} {
		expect := security.MustParseID("spiffe://cluster.local/ns/default/sa/" + account)
		src := &secured{config: func(*balance.Endpoint) *tls.Config { return mtls.Client(identity("reviews"), expect) }}
		err := meshgrpc.NewHealthChecker(meshgrpc.HealthCheckConfig{}, src).Check(testContext(t), endpointAt(addr))
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("expecting %s: %v, want %q", account, err, want)
		}
	}
	plain, _ := serveHealth(t)
	src := &secured{config: func(*balance.Endpoint) *tls.Config { return nil }}
	if err := meshgrpc.NewHealthChecker(meshgrpc.HealthCheckConfig{}, src).Check(testContext(t), endpointAt(plain)); err != nil {
		t.Errorf("plaintext where the source says so: %v", err)
	}
}

func ExampleNewHealthChecker() {
	checker := meshgrpc.NewHealthChecker(meshgrpc.HealthCheckConfig{Service: "reviews.v1.Reviews"}, nil)
	cluster := balance.NewCluster(balance.ClusterConfig{})
	cluster.Apply([]discoveryEndpoint{{Addrs: []string{"127.0.0.1:1"}}})
	// health.New(cluster, health.Config{}, checker).Run(ctx) asks again and again; once:
	err := checker.Check(context.Background(), cluster.Set().Endpoints[0])
	fmt.Println("well:", err == nil)
	// Output: well: false
}
