// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package mesh_test

import (
	"context"
	"net"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"

	"github.com/enmesh-go/enmesh/discovery"
	"github.com/enmesh-go/enmesh/mesh"
	"github.com/enmesh-go/enmesh/meshgrpc"
)

// serveGRPC starts an instance over gRPC that answers with its version in a header.
func (o *town) serveGRPC(service, version string) discovery.Endpoint {
	o.t.Helper()
	m := o.open(service, version)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		o.t.Fatal(err)
	}
	tell := func(ctx context.Context, req any, _ *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
		if err := grpc.SetHeader(ctx, metadata.Pairs("served-by", version)); err != nil {
			return nil, err
		}
		return next(ctx, req)
	}
	options := append(meshgrpc.NewServer(m.Inbound()).Options(), grpc.Creds(credentials.NewTLS(m.ServerTLS())), grpc.ChainUnaryInterceptor(tell))
	server := grpc.NewServer(options...)
	grpc_health_v1.RegisterHealthServer(server, health.NewServer())
	done := make(chan struct{})
	go func() { defer close(done); _ = server.Serve(l) }()
	o.t.Cleanup(func() { server.Stop(); <-done })
	return discovery.Endpoint{
		Addrs: []string{l.Addr().String()}, Namespace: "default", ServiceAccount: service,
		Labels: map[string]string{"version": version}, Version: version,
	}
}

// conn is a gRPC connection of a mesh.
func (o *town) conn(m *mesh.Mesh, target string) *grpc.ClientConn {
	o.t.Helper()
	cc, err := grpc.NewClient(target, meshgrpc.NewClient(m.Outbound(), m).DialOptions()...)
	if err != nil {
		o.t.Fatal(err)
	}
	o.t.Cleanup(func() { _ = cc.Close() })
	return cc
}

// check asks for health, and gives the version that answered.
func check(ctx context.Context, cc *grpc.ClientConn, md ...string) (string, error) {
	var header metadata.MD
	ctx = metadata.AppendToOutgoingContext(ctx, md...)
	_, err := grpc_health_v1.NewHealthClient(cc).Check(ctx, &grpc_health_v1.HealthCheckRequest{}, grpc.Header(&header))
	if got := header.Get("served-by"); len(got) == 1 {
		return got[0], err
	}
	return "", err
}

func TestMesh_samePolicyForGRPC(t *testing.T) {
	town := newTown(t, subsets, split(100, 0))
	town.registry.Set("reviews", town.serveGRPC("reviews", "v1"), town.serveGRPC("reviews", "v2"))
	cc := town.conn(town.open("productpage", "v1"), "enmesh:///reviews:9081")
	for range 20 {
		if got, err := check(t.Context(), cc); got != "v1" || err != nil {
			t.Fatalf("got %q, %v; want v1", got, err)
		}
	}
	if got, err := check(t.Context(), cc, "end-user", "jason"); got != "v2" || err != nil {
		t.Errorf("jason: got %q, %v; want v2", got, err)
	}
	town.write("policy.yaml", subsets+"\n---\n"+split(0, 100))
	until(t, "v2 serves", func() bool {
		got, err := check(t.Context(), cc)
		if err != nil {
			t.Error(err)
		}
		return got == "v2"
	})
}

func TestMesh_refusesAnEndpointItCannotNameOverGRPC(t *testing.T) {
	town := newTown(t)
	imposter := town.serveGRPC("reviews", "v1")
	imposter.ServiceAccount = "details"
	town.registry.Set("details", imposter)
	cc := town.conn(town.open("productpage", "v1"), "enmesh:///details")
	if got, err := check(t.Context(), cc); err == nil {
		t.Errorf("an imposter answered as %q", got)
	}
	town.write("policy.yaml", `apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: details}
spec:
  host: details
  trafficPolicy:
    tls: {mode: ISTIO_MUTUAL, subjectAltNames: ["spiffe://cluster.local/ns/default/sa/reviews"]}`)
	until(t, "ISTIO_MUTUAL with its name is answered", func() bool {
		got, err := check(t.Context(), cc)
		return got == "v1" && err == nil
	})
}
