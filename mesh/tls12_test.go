// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package mesh_test

import (
	"crypto/tls"
	"io"
	"log"
	"net"
	"net/http"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"

	"github.com/enmesh-go/enmesh/discovery"
	"github.com/enmesh-go/enmesh/mesh"
	"github.com/enmesh-go/enmesh/meshhttp"
	"github.com/enmesh-go/enmesh/security/mtls"
)

// TestMesh_servesTLS12 to those who have no more, over both protocols and to servers that
// listen by themselves, if it is said; who has more gets more.
func TestMesh_servesTLS12(t *testing.T) {
	for _, lax := range []bool{false, true} {
		var opts []mesh.Option
		if lax {
			opts = append(opts, mesh.WithTLS12())
		}
		f := newFort(t, "", opts...)
		byItself, overGRPC := loopback(t), loopback(t)
		listensItself(t, f.mesh, byItself)
		overMeshGRPC(t, f.mesh, overGRPC)
		for _, most := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
			src, err := f.authority.Source("shop", "web")
			if err != nil {
				t.Fatal(err)
			}
			cfg := mtls.Client(src, f.mesh.Status().Identity.ID, mtls.AllowTLS12(), mtls.Protocols("h2"))
			cfg.MaxVersion = most
			for what, addr := range map[string]string{"Listen": f.addr, "ServerTLS": byItself.Addr().String(), "gRPC": overGRPC.Addr().String()} {
				want := most == tls.VersionTLS13 || lax
				got, err := spoken(t, addr, cfg)
				if (err == nil) != want || want && got != most {
					t.Errorf("%s, allowed %t, a client of at most %s: got %s, %v", what, lax, tls.VersionName(most), tls.VersionName(got), err)
				}
			}
			cc, err := grpc.NewClient(overGRPC.Addr().String(), grpc.WithTransportCredentials(credentials.NewTLS(cfg)))
			if err != nil {
				t.Fatal(err)
			}
			if _, err := check(t.Context(), cc); (err == nil) != (most == tls.VersionTLS13 || lax) {
				t.Errorf("a call of gRPC, allowed %t, a client of at most %s: %v", lax, tls.VersionName(most), err)
			}
			_ = cc.Close()
		}
	}
}

// spoken is the version of TLS that a server speaks with a client. In TLS 1.3 a server's
// refusal comes after the client's side of the handshake.
func spoken(t *testing.T, addr string, cfg *tls.Config) (uint16, error) {
	t.Helper()
	dialer := tls.Dialer{NetDialer: &net.Dialer{Timeout: 10 * time.Second}, Config: cfg}
	conn, err := dialer.DialContext(t.Context(), "tcp", addr)
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	return conn.(*tls.Conn).ConnectionState().Version, nil
}

// TestMesh_callsTLS12: a server that has no more is called, over both protocols, if it is
// said.
func TestMesh_callsTLS12(t *testing.T) {
	authority, town := newRegistrar(t), newTown(t)
	cfg := mtls.Server(authority.source("shop"), mtls.AllowTLS12())
	configure := cfg.GetConfigForClient
	cfg.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		one, err := configure(hello)
		if one != nil {
			one.MaxVersion = tls.VersionTLS12
		}
		return one, err
	}
	web, rpc := loopback(t), loopback(t)
	server := meshhttp.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	server.TLSConfig, server.ErrorLog = cfg, log.New(io.Discard, "", 0)
	calls := grpc.NewServer(grpc.Creds(credentials.NewTLS(cfg)))
	grpc_health_v1.RegisterHealthServer(calls, health.NewServer())
	ended := make(chan struct{}, 2)
	go func() { _ = server.ServeTLS(web, "", ""); ended <- struct{}{} }()
	go func() { _ = calls.Serve(rpc); ended <- struct{}{} }()
	t.Cleanup(func() { _ = server.Close(); calls.Stop(); <-ended; <-ended })
	for name, l := range map[string]net.Listener{"web": web, "rpc": rpc} {
		town.registry.Set(name, discovery.Endpoint{Addrs: []string{l.Addr().String()}, Namespace: "default", ServiceAccount: "shop"})
	}
	for _, lax := range []bool{false, true} {
		opts := []mesh.Option{
			mesh.WithWorkload(mesh.Workload{Service: "front"}), mesh.WithResolver(town.registry), mesh.WithCertificates(authority.source("front")),
		}
		if lax {
			opts = append(opts, mesh.WithTLS12())
		}
		front := opened(t, opts...)
		if _, err := get(t.Context(), town.client(front), "http://web/"); (err == nil) != lax {
			t.Errorf("HTTP, allowed %t: %v", lax, err)
		}
		if _, err := check(t.Context(), town.conn(front, "enmesh:///rpc")); (err == nil) != lax {
			t.Errorf("gRPC, allowed %t: %v", lax, err)
		}
	}
}
