// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package meshgrpc_test

import (
	"context"
	"crypto/tls"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	testpb "google.golang.org/grpc/interop/grpc_testing"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/balance"
	"github.com/enmesh-go/enmesh/meshgrpc"
	"github.com/enmesh-go/enmesh/security"
	"github.com/enmesh-go/enmesh/security/ca"
	"github.com/enmesh-go/enmesh/security/mtls"
)

// TestWithListener_tellsPlaintextFromTLS: on one port, calls over mutual TLS have an
// identity and calls in plaintext have none, and no TLS.
func TestWithListener_tellsPlaintextFromTLS(t *testing.T) {
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
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	lis, err := mtls.NewListener(inner, mtls.ListenerConfig{
		Source: identity("ratings"), Mode: func(uint16) mtls.Mode { return mtls.Permissive },
	})
	if err != nil {
		t.Fatal(err)
	}
	var from enmesh.Peer
	look := func(next enmesh.Next) enmesh.Next {
		return func(ctx context.Context, c *enmesh.Call) error {
			from = *c.Source
			return next(ctx, c)
		}
	}
	serveOn(t, lis, &service{}, meshgrpc.NewServer(enmesh.Fixed(false, look), meshgrpc.WithListener()).Options()...)

	src := &secured{}
	src.config = func(*balance.Endpoint) *tls.Config {
		return mtls.Client(identity("reviews"), security.MustParseID("spiffe://cluster.local/ns/default/sa/ratings"))
	}
	src.apply("ratings", lis.Addr().String())
	_, client := dial(t, "enmesh:///ratings", enmesh.Fixed(false), src)
	if _, err := client.UnaryCall(testContext(t), &testpb.SimpleRequest{}); err != nil {
		t.Fatal(err)
	}
	if want := "spiffe://cluster.local/ns/default/sa/reviews"; from.Identity != want || from.TLS == nil || !from.Local.IsValid() {
		t.Errorf("over TLS the caller is %q, TLS %t, at %v; want %q", from.Identity, from.TLS != nil, from.Local, want)
	}

	cc, err := grpc.NewClient(lis.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cc.Close() })
	if _, err := testpb.NewTestServiceClient(cc).UnaryCall(testContext(t), &testpb.SimpleRequest{}); err != nil {
		t.Fatal(err)
	}
	if from.Identity != "" || from.TLS != nil {
		t.Errorf("in plaintext the caller is %q, TLS %t; want nobody", from.Identity, from.TLS != nil)
	}
}

// TestWithListener_refusesOtherProtocols: a TLS connection that was not made for HTTP/2, or
// has had no handshake, is not served.
func TestWithListener_refusesOtherProtocols(t *testing.T) {
	authority, err := ca.NewDevelopment("cluster.local", ca.Config{})
	if err != nil {
		t.Fatal(err)
	}
	own, err := authority.Source("default", "ratings")
	if err != nil {
		t.Fatal(err)
	}
	for name, shaken := range map[string]bool{"another protocol": true, "no handshake": false} {
		inner, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		lis := tls.NewListener(inner, mtls.Server(own))
		if shaken {
			if lis, err = mtls.NewListener(inner, mtls.ListenerConfig{Source: own}); err != nil {
				t.Fatal(err)
			}
		}
		serveOn(t, lis, &service{}, meshgrpc.NewServer(enmesh.Fixed(false), meshgrpc.WithListener()).Options()...)
		conn, err := net.Dial("tcp", inner.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
		c := tls.Client(conn, mtls.Client(own, security.InTrustDomain("cluster.local"), mtls.Protocols("http/1.1")))
		if n, err := c.Read(make([]byte, 1)); err == nil {
			t.Errorf("%s: %d bytes were sent", name, n)
		}
	}
}

// TestConnection_inPlaintextEndsWhenPolicyWantsTLS: calls go on without a failure, and over
// mutual TLS soon after policy says so.
func TestConnection_inPlaintextEndsWhenPolicyWantsTLS(t *testing.T) {
	t.Parallel()
	authority, err := ca.NewDevelopment("cluster.local", ca.Config{})
	if err != nil {
		t.Fatal(err)
	}
	own, err := authority.Source("default", "ratings")
	if err != nil {
		t.Fatal(err)
	}
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	lis, err := mtls.NewListener(inner, mtls.ListenerConfig{Source: own, Mode: func(uint16) mtls.Mode { return mtls.Permissive }})
	if err != nil {
		t.Fatal(err)
	}
	var plaintext atomic.Bool
	look := func(next enmesh.Next) enmesh.Next {
		return func(ctx context.Context, c *enmesh.Call) error {
			plaintext.Store(c.Source.TLS == nil)
			return next(ctx, c)
		}
	}
	serveOn(t, lis, &service{}, meshgrpc.NewServer(enmesh.Fixed(false, look), meshgrpc.WithListener()).Options()...)
	var strict atomic.Bool
	secure := mtls.Client(own, security.InTrustDomain("cluster.local"))
	src := &secured{config: func(*balance.Endpoint) *tls.Config {
		if strict.Load() {
			return secure
		}
		return nil
	}}
	src.apply("ratings", lis.Addr().String())
	_, client := dial(t, "enmesh:///ratings", enmesh.Fixed(false), src)
	call := func() {
		t.Helper()
		if _, err := client.UnaryCall(testContext(t), &testpb.SimpleRequest{}); err != nil {
			t.Fatal(err)
		}
	}
	call()
	stream, err := client.FullDuplexCall(testContext(t))
	if err != nil {
		t.Fatal(err)
	}
	if !plaintext.Load() {
		t.Fatal("the first call was not in plaintext")
	}
	strict.Store(true)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(5 * time.Second); plaintext.Load(); <-tick.C {
		if time.Now().After(end) {
			t.Fatal("calls still go in plaintext")
		}
		call()
	}
	begin := time.Now()
	if _, err := stream.Recv(); err == nil || time.Since(begin) > 5*time.Second {
		t.Errorf("the stream in plaintext: %v after %v; want it cut", err, time.Since(begin))
	}
}
