// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package meshgrpc_test

import (
	"crypto/tls"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	testpb "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"

	"context"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/balance"
	"github.com/enmesh-go/enmesh/meshgrpc"
	"github.com/enmesh-go/enmesh/security"
	"github.com/enmesh-go/enmesh/security/ca"
	"github.com/enmesh-go/enmesh/security/mtls"
)

// secured is a Source that says how to dial.
type secured struct {
	clusters
	config func(*balance.Endpoint) *tls.Config
}

func (s *secured) ClientTLS(e *balance.Endpoint) *tls.Config { return s.config(e) }

func TestTLS_mutual(t *testing.T) {
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
	var who, scheme string
	var state *tls.ConnectionState
	look := func(next enmesh.Next) enmesh.Next {
		return func(ctx context.Context, c *enmesh.Call) error {
			who, scheme, state = c.Source.Identity, c.Scheme, c.Source.TLS
			return next(ctx, c)
		}
	}
	addr := serve(t, &service{unary: func(ctx context.Context, _ *testpb.SimpleRequest) (*testpb.SimpleResponse, error) {
		p, _ := peer.FromContext(ctx)
		if _, ok := p.AuthInfo.(credentials.TLSInfo); !ok {
			t.Errorf("the handler sees a %T, want grpc's TLSInfo", p.AuthInfo)
		}
		return &testpb.SimpleResponse{}, nil
	}}, meshgrpc.NewServer(enmesh.Fixed(false, look), meshgrpc.WithTLS(mtls.Server(identity("ratings")))).Options()...)
	open := serve(t, &service{})

	expect := func(account string) security.Matcher {
		return security.MustParseID("spiffe://cluster.local/ns/default/sa/" + account)
	}
	src := &secured{}
	src.config = func(e *balance.Endpoint) *tls.Config {
		switch e.Cluster().Config().Destination.Service {
		case "ratings":
			return mtls.Client(identity("reviews"), expect("ratings"))
		case "impostor":
			return mtls.Client(identity("reviews"), expect("details"))
		}
		return nil
	}
	src.apply("ratings", addr)
	src.apply("impostor", addr)
	src.apply("plain", open)

	_, client := dial(t, "enmesh:///ratings", enmesh.Fixed(false), src)
	var p peer.Peer
	// An authority of the caller's own is no business of the certificate.
	if _, err := client.UnaryCall(testContext(t), &testpb.SimpleRequest{}, grpc.Peer(&p), grpc.CallAuthority("else.where")); err != nil {
		t.Fatal(err)
	}
	if who != "spiffe://cluster.local/ns/default/sa/reviews" || scheme != "https" || state == nil {
		t.Errorf("the server saw %q over %s", who, scheme)
	}
	if info, ok := p.AuthInfo.(meshgrpc.TLSInfo); !ok || info.State.Version != tls.VersionTLS13 {
		t.Errorf("the client's AuthInfo is a %T", p.AuthInfo)
	}

	_, client = dial(t, "enmesh:///impostor", enmesh.Fixed(false), src)
	_, err = client.EmptyCall(testContext(t), &testpb.Empty{})
	if e := enmesh.ErrorOf(err); status.Code(err) != codes.Unavailable || e == nil || e.Flag != enmesh.FlagConnectFailure || !strings.Contains(err.Error(), "unexpected peer") {
		t.Errorf("a wrong identity: %v", err)
	}

	_, client = dial(t, "enmesh:///plain", enmesh.Fixed(false), src)
	if _, err := client.EmptyCall(testContext(t), &testpb.Empty{}); err != nil {
		t.Errorf("plaintext where the source says so: %v", err)
	}
}

// A certificate that nobody verified gives no identity.
func TestTLS_unverifiedIsNobody(t *testing.T) {
	authority, err := ca.NewDevelopment("cluster.local", ca.Config{})
	if err != nil {
		t.Fatal(err)
	}
	own, err := authority.Source("default", "reviews")
	if err != nil {
		t.Fatal(err)
	}
	id, err := own.Identity()
	if err != nil {
		t.Fatal(err)
	}
	who := "unset"
	look := func(next enmesh.Next) enmesh.Next {
		return func(ctx context.Context, c *enmesh.Call) error { who = c.Source.Identity; return next(ctx, c) }
	}
	lax := &tls.Config{Certificates: []tls.Certificate{*id.Certificate()}, ClientAuth: tls.RequireAnyClientCert, MinVersion: tls.VersionTLS13}
	addr := serve(t, &service{}, meshgrpc.NewServer(enmesh.Fixed(false, look), meshgrpc.WithTLS(lax)).Options()...)
	src := &secured{config: func(*balance.Endpoint) *tls.Config {
		return &tls.Config{Certificates: []tls.Certificate{*id.Certificate()}, InsecureSkipVerify: true, MinVersion: tls.VersionTLS13}
	}}
	src.apply("ratings", addr)
	_, client := dial(t, "enmesh:///ratings", enmesh.Fixed(false), src)
	if _, err := client.EmptyCall(testContext(t), &testpb.Empty{}); err != nil {
		t.Fatal(err)
	}
	if who != "" {
		t.Errorf("identity = %q, want none", who)
	}
}
