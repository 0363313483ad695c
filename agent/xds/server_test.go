// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package xds_test

import (
	"context"
	"fmt"
	"net"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	grpcxds "google.golang.org/grpc/xds"

	"github.com/enmesh-go/enmesh/agent/xds"
)

// backend is a server that any client of gRPC can call.
func backend(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := grpc.NewServer()
	healthv1.RegisterHealthServer(s, health.NewServer())
	done := make(chan struct{})
	go func() { defer close(done); _ = s.Serve(l) }()
	t.Cleanup(func() { s.Stop(); <-done })
	return l.Addr().String()
}

// serve starts a server on loopback and gives its address.
func serve(t testing.TB, cfg xds.Config) (*xds.Server, string) {
	t.Helper()
	l, err := xds.ListenLoopback("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return serveOn(t, cfg, l), l.Addr().String()
}

func serveOn(t testing.TB, cfg xds.Config, l net.Listener) *xds.Server {
	t.Helper()
	if cfg.Log == nil {
		cfg.Log = quiet()
	}
	s, err := xds.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- s.Serve(l) }()
	t.Cleanup(func() {
		_ = s.Close()
		if err := <-done; err != nil {
			t.Errorf("Serve: got %v, want nil", err)
		}
	})
	return s
}

// client is grpc-go's own, told by the server at uri.
func client(t testing.TB, uri, node, target string) *grpc.ClientConn {
	t.Helper()
	r, err := grpcxds.NewXDSResolverWithConfigForTesting(fmt.Appendf(nil, `{
		"xds_servers": [{"server_uri": %q, "channel_creds": [{"type": "insecure"}], "server_features": ["xds_v3"]}],
		"node": {"id": %q, "locality": {"zone": "a"}, "metadata": {"namespace": "default", "labels": {"app": "web"}}}
	}`, uri, node))
	if err != nil {
		t.Fatal(err)
	}
	cc, err := grpc.NewClient("xds:///"+target, grpc.WithResolvers(r), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cc.Close() })
	return cc
}

func check(cc *grpc.ClientConn) error {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	_, err := healthv1.NewHealthClient(cc).Check(ctx, &healthv1.HealthCheckRequest{})
	return err
}

// status is what the server knows of one resource of one node.
func statusOf(s *xds.Server, node string, k xds.Kind, name string) xds.Status {
	for _, c := range s.Clients() {
		for _, r := range c.Resources {
			if c.Node.ID == node && r.Kind == k && r.Name == name {
				return r
			}
		}
	}
	return xds.Status{}
}

func TestServer_aClientOfGRPCCallsWhatTheCatalogSays(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("unix sockets are served on Linux")
	}
	cat := newScript()
	cat.set(serviceOf("reviews:9080", backend(t))...)
	l, err := xds.ListenUnix(filepath.Join(t.TempDir(), "xds.sock"), xds.UnixConfig{})
	if err != nil {
		t.Fatal(err)
	}
	s := serveOn(t, xds.Config{Catalog: cat}, l)
	cc := client(t, "unix://"+l.Addr().(*net.UnixAddr).Name, "web-1", "reviews:9080")
	if err := check(cc); err != nil {
		t.Fatal(err)
	}
	for k := xds.Listener; k <= xds.Endpoints; k++ {
		eventually(t, k.String()+" accepted", func() bool { return statusOf(s, "web-1", k, "reviews:9080").State == xds.Accepted })
	}
	n := s.Clients()[0].Node
	if n.Client != "gRPC Go" || n.Version == "" || n.Namespace != "default" || n.Labels["app"] != "web" || n.Zone != "a" || !n.Peer.Known {
		t.Errorf("node: got %+v", n)
	}
}

func TestServer_aChangeReachesTheClient(t *testing.T) {
	cat := newScript()
	cat.set(serviceOf("reviews", "127.0.0.1:1")...)
	_, addr := serve(t, xds.Config{Catalog: cat})
	cc := client(t, addr, "web-1", "reviews")
	if err := check(cc); err == nil {
		t.Fatal("the backend is not there: got nil, want an error")
	}
	cat.set(endpointsOf("reviews", backend(t)))
	eventually(t, "answered", func() bool { return check(cc) == nil })
}

func TestServer_aRestartIsNotNoticedByCalls(t *testing.T) { // X1, X2, X10
	cat := newScript()
	cat.set(serviceOf("reviews", backend(t))...)
	l, err := xds.ListenLoopback("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	first := serveOn(t, xds.Config{Catalog: cat}, l)
	cc := client(t, addr, "web-1", "reviews")
	if err := check(cc); err != nil {
		t.Fatal(err)
	}
	_ = first.Close()
	for range 20 {
		if err := check(cc); err != nil {
			t.Fatalf("while the server is away: %v", err)
		}
	}
	if l, err = net.Listen("tcp", addr); err != nil {
		t.Fatal(err)
	}
	second := serveOn(t, xds.Config{Catalog: cat}, l)
	eventually(t, "the client is back", func() bool {
		if err := check(cc); err != nil {
			t.Fatalf("while the client comes back: %v", err)
		}
		return statusOf(second, "web-1", xds.Endpoints, "reviews").State == xds.Accepted
	})
	cat.set(endpointsOf("reviews", "127.0.0.1:1"))
	eventually(t, "the change arrived", func() bool { return check(cc) != nil })
}
