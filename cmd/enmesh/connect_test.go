// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	xdscreds "google.golang.org/grpc/credentials/xds"
	"google.golang.org/grpc/xds"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/enmesh-go/enmesh/agent/bootstrap"
	"github.com/enmesh-go/enmesh/internal/consultest"
)

// xdsBackend is an unmodified server of gRPC that gets its listener from an agent.
func xdsBackend(t *testing.T, boot string) string {
	t.Helper()
	text, err := os.ReadFile(boot)
	if err != nil {
		t.Fatal(err)
	}
	creds, err := xdscreds.NewServerCredentials(xdscreds.ServerOptions{FallbackCreds: insecure.NewCredentials()})
	if err != nil {
		t.Fatal(err)
	}
	s, err := xds.NewGRPCServer(grpc.Creds(creds), xds.BootstrapContentsForTesting(text), grpc.UnknownServiceHandler(func(_ any, s grpc.ServerStream) error {
		if err := s.RecvMsg(&emptypb.Empty{}); err != nil {
			return err
		}
		return s.SendMsg(&emptypb.Empty{})
	}))
	if err != nil {
		t.Fatal(err)
	}
	var from net.ListenConfig
	l, err := from.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- s.Serve(l) }()
	t.Cleanup(func() { s.Stop(); <-done })
	return l.Addr().String()
}

// Client and server have certificates of Consul Connect's authority: they call over mutual TLS, and
// a server is refused whose certificate is that of another service than is expected.
func TestAgent_securesByConsulsAuthority(t *testing.T) {
	n := consultest.Dev(t, consultest.Config{})
	var roots struct{ TrustDomain string }
	n.OK(http.MethodGet, "/v1/connect/ca/roots", nil, &roots)
	expects := func(host, service string) string {
		return `---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: ` + host + `, namespace: default}
spec:
  host: ` + host + `
  trafficPolicy:
    tls: {mode: ISTIO_MUTUAL, subjectAltNames: ["spiffe://` + roots.TrustDomain + `/ns/default/dc/dc1/svc/` + service + `"]}
`
	}
	const strict = `apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {name: all, namespace: istio-system}
spec: {mtls: {mode: STRICT}}
`
	dir := folder(t)
	socket := filepath.Join(dir, "xds.sock")
	at := func(name string) string { return filepath.Join(dir, name) }
	a := start(t, "-consul", n.Addr, "-policies", write(t, at("p.yaml"), strict+expects("reviews", "reviews")+expects("ratings", "ratings")),
		"-socket", socket, "-ca", "consul", "-issue", at("web")+"=web", "-issue", at("reviews")+"=reviews")
	for _, name := range []string{"web", "reviews"} {
		if err := (bootstrap.Config{Server: socket, NodeID: name, Certificates: at(name)}).WriteFile(at(name + ".json")); err != nil {
			t.Fatal(err)
		}
	}
	for deadline := time.Now().Add(hang); ; time.Sleep(50 * time.Millisecond) {
		code, out, messages := enmesh(t, "agent", "status", "-admin", a.admin)
		if code == exitWell && strings.Contains(out, "/svc/web") && strings.Contains(out, "/svc/reviews") {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("got %d\n%s%s", code, out, messages)
		}
	}
	addr := xdsBackend(t, at("reviews.json"))
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatal(err)
	}
	number, err := strconv.Atoi(port)
	if err != nil {
		t.Fatal(err)
	}
	for _, service := range []string{"reviews", "ratings"} {
		n.Register(consultest.Service{ID: service + "-1", Name: service, Address: host, Port: number})
	}
	if got := newDialer(t, at("web.json"), "xds:///reviews").call(t); got != "ok "+addr+" tls" {
		t.Errorf("got %q, want an answer of %s over TLS", got, addr)
	}
	if got := newDialer(t, at("web.json"), "xds:///ratings").ask(t, "once"); !strings.Contains(got, "SAN") {
		t.Errorf("got %q of a server that is not ratings, want that its SAN is refused", got)
	}
}
