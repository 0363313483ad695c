// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package extgrpc_test

import (
	"context"
	"net"
	"net/netip"
	"sync"
	"testing"

	core "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	auth "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	kind "github.com/envoyproxy/go-control-plane/envoy/type/v3"
	rpc "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/enmeshtest"
	"github.com/enmesh-go/enmesh/security/authz"
	"github.com/enmesh-go/enmesh/security/authz/extgrpc"
)

// authorizer is a service that answers as the test says, and keeps what it was asked.
type authorizer struct {
	auth.UnimplementedAuthorizationServer
	answer func(context.Context, *auth.CheckRequest) (*auth.CheckResponse, error)

	mu       sync.Mutex // guards what follows
	asked    *auth.AttributeContext
	metadata metadata.MD
}

// Check is the service's.
func (a *authorizer) Check(ctx context.Context, r *auth.CheckRequest) (*auth.CheckResponse, error) {
	a.mu.Lock()
	a.asked = r.GetAttributes()
	a.metadata, _ = metadata.FromIncomingContext(ctx)
	a.mu.Unlock()
	return a.answer(ctx, r)
}

func (a *authorizer) last() (*auth.AttributeContext, metadata.MD) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.asked, a.metadata
}

// says is an authorizer with one answer, and a connection to it.
func says(t testing.TB, answer *auth.CheckResponse, err error) (*authorizer, *grpc.ClientConn) {
	t.Helper()
	a := &authorizer{answer: func(context.Context, *auth.CheckRequest) (*auth.CheckResponse, error) { return answer, err }}
	return a, start(t, a)
}

// start serves an authorizer.
func start(t testing.TB, a *authorizer) *grpc.ClientConn {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := grpc.NewServer()
	auth.RegisterAuthorizationServer(s, a)
	go func() { _ = s.Serve(l) }()
	t.Cleanup(s.Stop)
	return dial(t, l.Addr().String())
}

func dial(t testing.TB, address string) *grpc.ClientConn {
	t.Helper()
	conn, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

func mustNew(t testing.TB, conn grpc.ClientConnInterface, cfg extgrpc.Config) *extgrpc.Checker {
	t.Helper()
	k, err := extgrpc.New(conn, cfg)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// ask has a CUSTOM policy for every call.
func engine(t testing.TB, k authz.Checker) *authz.Engine {
	t.Helper()
	e, err := authz.New(authz.Config{
		Policies: []authz.Policy{{Name: "ask", Action: authz.Custom, Provider: "it", Rules: []authz.Rule{{}}}},
		Checkers: map[string]authz.Checker{"it": k},
	})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

const identity = "spiffe://cluster.local/ns/default/sa/web"

// call is a GET of /a%20b?x=1 by a workload.
func call() *enmesh.Call {
	return &enmesh.Call{
		Side: enmesh.Server, Destination: enmesh.Destination{Service: "shop"},
		Method: "GET", Path: "/a b", Query: "x=1", Scheme: "https", Authority: "shop.example",
		Header: enmeshtest.Header{}, Answer: enmesh.Answer{Header: enmeshtest.Header{}},
		Source: &enmesh.Peer{
			Addr: netip.MustParseAddrPort("10.1.2.3:4567"), Local: netip.MustParseAddrPort("10.9.9.9:8443"), Identity: identity,
		},
	}
}

// denied is an answer that refuses.
func denied(code codes.Code, status int, body string, headers ...string) *auth.CheckResponse {
	d := &auth.DeniedHttpResponse{Body: body}
	if status != 0 {
		d.Status = &kind.HttpStatus{Code: kind.StatusCode(status)}
	}
	for i := 0; i < len(headers); i += 2 {
		d.Headers = append(d.Headers, option(headers[i], headers[i+1]))
	}
	return &auth.CheckResponse{
		Status: &rpc.Status{Code: int32(code)}, HttpResponse: &auth.CheckResponse_DeniedResponse{DeniedResponse: d},
	}
}

// allowed is an answer that lets through, with changes.
func allowed(ok *auth.OkHttpResponse) *auth.CheckResponse {
	return &auth.CheckResponse{Status: &rpc.Status{}, HttpResponse: &auth.CheckResponse_OkResponse{OkResponse: ok}}
}

func option(key, value string) *core.HeaderValueOption {
	return &core.HeaderValueOption{Header: &core.HeaderValue{Key: key, Value: value}}
}
