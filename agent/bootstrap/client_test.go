// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package bootstrap_test

import (
	"context"
	"net"
	"path/filepath"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	xdscreds "google.golang.org/grpc/credentials/xds"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/xds"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/enmesh-go/enmesh/agent/bootstrap"
	"github.com/enmesh-go/enmesh/agent/translate"
	agentxds "github.com/enmesh-go/enmesh/agent/xds"
	"github.com/enmesh-go/enmesh/discovery"
	"github.com/enmesh-go/enmesh/policy"
	"github.com/enmesh-go/enmesh/security"
	"github.com/enmesh-go/enmesh/security/ca"
)

// hang bounds waits for other goroutines.
const hang = 60 * time.Second

// agent serves policy and a registry over a unix socket.
type agent struct {
	*agentxds.Server
	registry *discovery.Memory
	socket   string
}

func serve(t *testing.T, text, certificates string) *agent {
	t.Helper()
	a := &agent{registry: discovery.NewMemory(), socket: filepath.Join(t.TempDir(), "xds.sock")}
	s, err := policy.Parse([]policy.File{{Name: "p.yaml", Data: []byte(text)}})
	if err != nil {
		t.Fatal(err)
	}
	catalog, err := translate.New(translate.Config{Endpoints: a.registry, Certificates: certificates})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = catalog.Close() })
	catalog.SetPolicy(s)
	catalog.Start()
	if a.Server, err = agentxds.New(agentxds.Config{Catalog: catalog}); err != nil {
		t.Fatal(err)
	}
	l, err := agentxds.ListenUnix(a.socket, agentxds.UnixConfig{})
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- a.Serve(l) }()
	t.Cleanup(func() { _ = a.Close(); <-done })
	return a
}

// has puts an instance of a service in the registry.
func (a *agent) has(t *testing.T, service, addr, account string) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() {
		done <- a.registry.Register(ctx, discovery.Instance{Service: service, ID: addr,
			Endpoint: discovery.Endpoint{Addrs: []string{addr}, Namespace: "default", ServiceAccount: account}})
	}()
	t.Cleanup(func() { cancel(); <-done })
}

func text(t *testing.T, cfg bootstrap.Config) []byte {
	t.Helper()
	b, err := cfg.JSON()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// dial is an unmodified client of gRPC with a bootstrap file.
func dial(t *testing.T, cfg bootstrap.Config, target string) *grpc.ClientConn {
	t.Helper()
	b, err := xds.NewXDSResolverWithConfigForTesting(text(t, cfg))
	if err != nil {
		t.Fatal(err)
	}
	creds, err := xdscreds.NewClientCredentials(xdscreds.ClientOptions{FallbackCreds: insecure.NewCredentials()})
	if err != nil {
		t.Fatal(err)
	}
	cc, err := grpc.NewClient(target, grpc.WithResolvers(b), grpc.WithTransportCredentials(creds))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cc.Close() })
	return cc
}

// call says by which credentials the server was reached.
func call(t *testing.T, cc *grpc.ClientConn) (security string, err error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), hang)
	defer cancel()
	var p peer.Peer
	err = cc.Invoke(ctx, "/shop.Reviews/List", &emptypb.Empty{}, &emptypb.Empty{}, grpc.WaitForReady(true), grpc.Peer(&p))
	if err == nil && p.AuthInfo != nil {
		security = p.AuthInfo.AuthType()
	}
	return security, err
}

func answer(_ any, s grpc.ServerStream) error {
	if err := s.RecvMsg(&emptypb.Empty{}); err != nil {
		return err
	}
	return s.SendMsg(&emptypb.Empty{})
}

// backend is a plain server.
func backend(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := grpc.NewServer(grpc.UnknownServiceHandler(answer))
	done := make(chan error, 1)
	go func() { done <- s.Serve(l) }()
	t.Cleanup(func() { s.Stop(); <-done })
	return l.Addr().String()
}

// What the file says of a workload is what the agent hears.
func TestBootstrap_tellsTheAgent(t *testing.T) {
	a := serve(t, "", "")
	a.has(t, "reviews", backend(t), "")
	cfg := goldens["whole"]
	cfg.Server, cfg.Certificates = a.socket, ""
	if _, err := call(t, dial(t, cfg, "xds:///reviews.default.svc.cluster.local")); err != nil {
		t.Fatal(err)
	}
	clients := a.Clients()
	if len(clients) != 1 {
		t.Fatalf("got %d clients, want one", len(clients))
	}
	n := clients[0].Node
	if n.ID != "reviews-1" || n.Cluster != "shop" || n.Region != "eu" || n.Zone != "eu-1" || n.SubZone != "rack-a" ||
		n.Namespace != "shop" || n.ServiceAccount != "bookinfo-reviews" || len(n.Labels) != 2 || n.Labels["version"] != "v1" {
		t.Errorf("got the node %+v, want what the Config says", n)
	}
}

// While the first agent is not there, a client of Go asks the second.
func TestBootstrap_fallsBack(t *testing.T) {
	a := serve(t, "", "")
	a.has(t, "reviews", backend(t), "")
	cfg := bootstrap.Config{Server: filepath.Join(t.TempDir(), "nobody.sock"), Fallback: []string{a.socket}}
	if _, err := call(t, dial(t, cfg, "xds:///reviews")); err != nil {
		t.Error(err)
	}
}

// A client and a server take their certificates from the directories that their files
// name, and the server its listener.
func TestBootstrap_securesBothSides(t *testing.T) {
	const strict = `apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {name: default, namespace: istio-system}
spec: {mtls: {mode: STRICT}}
`
	a := serve(t, strict, "mesh")
	authority, err := ca.NewDevelopment("cluster.local", ca.Config{})
	if err != nil {
		t.Fatal(err)
	}
	workload := func(account string) bootstrap.Config {
		dir := filepath.Join(t.TempDir(), account)
		id, err := security.IDFor("cluster.local", "default", account)
		if err == nil {
			err = authority.WriteFiles(dir, id)
		}
		if err != nil {
			t.Fatal(err)
		}
		return bootstrap.Config{Server: a.socket, ServiceAccount: account, Certificates: dir, CertificateProvider: "mesh"}
	}
	a.has(t, "reviews", xdsServer(t, workload("reviews")), "reviews")
	cc := dial(t, workload("web"), "xds:///reviews")
	if how, err := call(t, cc); err != nil || how != "tls" {
		t.Errorf("got %q, %v, want a call over TLS", how, err)
	}
}

// xdsServer is an unmodified server of gRPC with a bootstrap file, once it serves.
func xdsServer(t *testing.T, cfg bootstrap.Config) string {
	t.Helper()
	creds, err := xdscreds.NewServerCredentials(xdscreds.ServerOptions{FallbackCreds: insecure.NewCredentials()})
	if err != nil {
		t.Fatal(err)
	}
	s, err := xds.NewGRPCServer(grpc.Creds(creds), grpc.UnknownServiceHandler(answer), xds.BootstrapContentsForTesting(text(t, cfg)))
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- s.Serve(l) }()
	t.Cleanup(func() { s.Stop(); <-done })
	return l.Addr().String()
}
