// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package scenario_test

import (
	"runtime"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"

	"github.com/enmesh-go/enmesh/internal/ledger"
	"github.com/enmesh-go/enmesh/security/ca"
	"github.com/enmesh-go/enmesh/security/mtls"
)

// TestScenarioT4_trustIsWithdrawnFromAPlainServer: a server of grpc's own, which has nothing
// of the mesh but its TLS configuration, loses what is open within 5 s when the root that
// vouches for its client is withdrawn.
func TestScenarioT4_trustIsWithdrawnFromAPlainServer(t *testing.T) {
	ledger.Baseline(t)
	a, b := yardAuthority(t, ca.Config{}), yardAuthority(t, ca.Config{})
	var server, client turned
	server.Store(signed(t, b, yardServer, a, b))
	client.Store(signed(t, a, yardClient, a, b))
	lis := loopback(t)
	rpc := grpc.NewServer(grpc.Creds(credentials.NewTLS(mtls.Server(&server))))
	grpc_health_v1.RegisterHealthServer(rpc, health.NewServer())
	done := make(chan struct{})
	go func() { defer close(done); _ = rpc.Serve(lis) }()
	t.Cleanup(func() { rpc.Stop(); <-done })
	cc, err := grpc.NewClient(lis.Addr().String(), grpc.WithTransportCredentials(credentials.NewTLS(mtls.Client(&client, yardServer))))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cc.Close() })
	stub := grpc_health_v1.NewHealthClient(cc)
	stream, err := stub.Watch(t.Context(), &grpc_health_v1.HealthCheckRequest{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := stream.Recv(); err != nil {
		t.Fatal(err)
	}
	runtime.GC() // what looks after the connection must not live by chance
	runtime.GC()
	ended := make(chan time.Time, 1)
	go func() {
		_, _ = stream.Recv()
		ended <- time.Now()
	}()
	at := time.Now()
	server.Store(signed(t, b, yardServer, b))
	closed(t, map[string]<-chan time.Time{"gRPC": ended}, at, at.Add(5*time.Second))
	if _, err := stub.Check(t.Context(), &grpc_health_v1.HealthCheckRequest{}); err == nil {
		t.Error("a call was answered")
	}
}
