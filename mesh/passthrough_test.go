// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package mesh_test

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/mesh"
	"github.com/enmesh-go/enmesh/meshhttp"
)

func TestOutboundMode_registryOnly(t *testing.T) {
	s := newStreet(t, "reviews")
	documents := subsets + "\n---\n" + forReviews("{match: [{uri: {prefix: /a}}], "+toReviews+"}, {match: [{uri: {prefix: /b}}], route: [{destination: {host: nowhere}}]}")
	for _, tt := range []struct {
		host, target string
		web          int
		rpc          string
	}{
		{"nobody", "/a/b", 404, "Unimplemented mesh: no rule and no registry knows the host [NR]"},
		{"reviews", "/c/d", 404, "Unimplemented mesh: no route matches the call [NR]"},
		{"reviews", "/b/c", 503, "Unavailable balance: the service or subset is not known [NC]"},
	} {
		if got, _ := s.overGRPC(t, s.open(t, s.rpc, documents), request{host: tt.host, target: tt.target}); got != tt.rpc {
			t.Errorf("%s%s over gRPC got %q, want %q", tt.host, tt.target, got, tt.rpc)
		}
		m := s.open(t, s.web, documents)
		_, err := get(t.Context(), (&town{t: t}).client(m), "http://"+tt.host+tt.target)
		_, flag, _ := strings.Cut(tt.rpc, "[")
		e := enmesh.ErrorOf(err)
		if e == nil || string(e.Flag)+"]" != flag || e.Status != tt.web || errors.Is(err, mesh.ErrUnknownHost) != (tt.host == "nobody") {
			t.Errorf("%s%s over HTTP got %v, want it refused with %d and %s", tt.host, tt.target, err, tt.web, flag)
		}
	}
}

// Hosts that nobody knows are called as if there were no mesh.
func TestOutboundMode_allowAny(t *testing.T) {
	s := newStreet(t, "reviews", "outside")
	for name, endpoints := range map[string]string{"http": s.web["outside"][0].Addrs[0], "grpc": s.rpc["outside"][0].Addrs[0]} {
		t.Run(name, func(t *testing.T) {
			m := s.open(t, s.web, subsets, mesh.WithOutboundMode(mesh.AllowAny))
			call := s.overHTTP
			if name == "grpc" {
				call = s.overGRPC
			}
			for range 2 {
				got, _ := call(t, m, request{host: endpoints, target: "/a/b"})
				if want := "outside v1 /a/b " + endpoints; answered(got) != want {
					t.Errorf("got %q, want %q", got, want)
				}
			}
		})
	}
}

func TestOutboundMode_allowAnyKeepsTheCallersTLS(t *testing.T) {
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, r.Host) }))
	defer server.Close()
	town := newTown(t)
	m := town.open("productpage", "v1", mesh.WithOutboundMode(mesh.AllowAny)) // with certificates of the mesh
	roots := x509.NewCertPool()
	roots.AddCert(server.Certificate())
	transport := meshhttp.NewTransport(&http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}}, m.Outbound(), m)
	defer transport.Close()
	res, err := (&http.Client{Transport: transport}).Get(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if body, err := io.ReadAll(res.Body); "https://"+string(body) != server.URL || err != nil {
		t.Errorf("got %q, %v", body, err)
	}
}
