// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package mesh_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/consul/api"
	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/discovery/consul"
	"github.com/enmesh-go/enmesh/internal/consultest"
	"github.com/enmesh-go/enmesh/mesh"
	"github.com/enmesh-go/enmesh/meshgrpc"
	"github.com/enmesh-go/enmesh/meshhttp"
	"github.com/enmesh-go/enmesh/security"
	"github.com/enmesh-go/enmesh/security/ca/connect"
)

// asConsul is a mesh whose identity is that of a service of Consul's, and whose registry
// is Consul's, too.
func asConsul(t *testing.T, node *consultest.Node, service string, opts ...mesh.Option) (*mesh.Mesh, security.ID) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	source, err := connect.New(ctx, connect.Config{Service: service, API: &api.Config{Address: node.Addr}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = source.Close() }) // after the mesh, and it never fails
	own, err := source.Identity()
	if err != nil {
		t.Fatal(err)
	}
	registry, err := consul.New(consul.Config{Address: node.Addr})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = registry.Close() })
	return opened(t, append(opts, mesh.WithWorkload(mesh.Workload{Service: service}), mesh.WithResolver(registry),
		mesh.WithCertificates(source))...), own.ID()
}

// callerOf is who calls, as the server's record of the call has it.
func callerOf(ctx context.Context) string {
	if c := enmesh.FromContext(ctx); c != nil && c.Source != nil {
		return c.Source.Identity
	}
	return ""
}

// registered puts a server's address into Consul, under a name.
func registered(node *consultest.Node, name string, l net.Listener) {
	node.Register(consultest.Service{
		ID: name, Name: name, Address: "127.0.0.1", Port: l.Addr().(*net.TCPAddr).Port,
		Meta: map[string]string{"service-account": name, "namespace": "default"}, // as mesh.Run writes them
	})
}

func loopback(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// overMesh serves HTTP through a mesh, and answers with the caller.
func overMesh(t *testing.T, m *mesh.Mesh, l net.Listener) {
	server := meshhttp.NewServer(meshhttp.NewHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, callerOf(r.Context()))
	}), m.Inbound()))
	done := make(chan struct{})
	go func() { defer close(done); _ = server.Serve(m.Listen(l)) }()
	t.Cleanup(func() { _ = server.Close(); <-done })
}

// overMeshGRPC serves gRPC through a mesh, and answers with the caller in a header.
func overMeshGRPC(t *testing.T, m *mesh.Mesh, l net.Listener) {
	tell := func(ctx context.Context, req any, _ *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
		if err := grpc.SetHeader(ctx, metadata.Pairs("served-by", callerOf(ctx))); err != nil {
			return nil, err
		}
		return next(ctx, req)
	}
	server := grpc.NewServer(append(meshgrpc.NewServer(m.Inbound(), meshgrpc.WithListener()).Options(), grpc.ChainUnaryInterceptor(tell))...)
	grpc_health_v1.RegisterHealthServer(server, health.NewServer())
	done := make(chan struct{})
	go func() { defer close(done); _ = server.Serve(m.Listen(l)) }()
	t.Cleanup(func() { server.Stop(); <-done })
}

// TestMesh_callsServicesOfConsulsAuthority: with an identity of Consul's a mesh expects of
// each service the one that Consul gives it, over both protocols; a service at the address
// of another is refused, and subjectAltNames go before.
func TestMesh_callsServicesOfConsulsAuthority(t *testing.T) {
	node := consultest.Dev(t, consultest.Config{})
	web, webID := asConsul(t, node, "web")
	rpc, rpcID := asConsul(t, node, "rpc")
	overHTTP, overGRPC := loopback(t), loopback(t)
	overMesh(t, web, overHTTP)
	overMeshGRPC(t, rpc, overGRPC)
	registered(node, "web", overHTTP)
	registered(node, "rpc", overGRPC)
	registered(node, "web-evil", overHTTP)
	registered(node, "rpc-evil", overGRPC)

	town := newTown(t)
	front, self := asConsul(t, node, "front", mesh.WithPolicies(town.policies))
	client := town.client(front)
	call := func(service string) (string, error) {
		if strings.HasPrefix(service, "web") {
			return get(t.Context(), client, "http://"+service+"/")
		}
		return check(t.Context(), town.conn(front, "enmesh:///"+service))
	}
	for _, service := range []string{"web", "rpc"} {
		if got, err := call(service); got != self.String() || err != nil {
			t.Errorf("%s: it saw %q, %v; want the caller %s", service, got, err, self)
		}
	}
	for _, service := range []string{"web-evil", "rpc-evil"} {
		if got, err := call(service); err == nil {
			t.Errorf("%s, which is another service, answered %q", service, got)
		}
	}
	rule := func(host string, id security.ID) string {
		return fmt.Sprintf(`apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: %s}
spec:
  host: %[1]s
  trafficPolicy:
    tls: {mode: ISTIO_MUTUAL, subjectAltNames: ["%s"]}`, host, id)
	}
	town.write("policy.yaml", rule("web-evil", webID)+"\n---\n"+rule("rpc-evil", rpcID))
	for _, service := range []string{"web-evil", "rpc-evil"} {
		until(t, "subjectAltNames go before the service's name, at "+service, func() bool {
			got, err := call(service)
			return got == self.String() && err == nil
		})
	}
}
