// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package exthttp_test

import (
	"context"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/meshgrpc"
	"github.com/enmesh-go/enmesh/security/authz"
	"github.com/enmesh-go/enmesh/security/authz/exthttp"
)

// TestChecker_behindGRPC: the authorizer is asked over HTTP about calls of a real gRPC
// server, by their method's path and their metadata, and what it says is the caller's
// status and the handler's metadata.
func TestChecker_behindGRPC(t *testing.T) {
	a := newAuthorizer(t, func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Method != http.MethodPost || r.URL.Path != "/check/grpc.health.v1.Health/Check":
			w.WriteHeader(http.StatusTeapot)
		case r.Header.Get("X-User") == "":
			w.Header().Set("WWW-Authenticate", "Bearer")
			w.WriteHeader(http.StatusUnauthorized)
		case r.Header.Get("X-User") != "ann":
			w.WriteHeader(http.StatusForbidden)
		default:
			w.Header().Set("X-Groups", "staff")
			w.Header().Set("X-Seen", "1")
		}
	})
	k := mustNew(t, a, exthttp.Config{
		PathPrefix: "/check", IncludeRequestHeadersInCheck: []string{"x-user"},
		HeadersToUpstreamOnAllow: []string{"x-groups"}, HeadersToDownstreamOnAllow: []string{"x-seen"},
	})
	engine, err := authz.New(authz.Config{
		Checkers: map[string]authz.Checker{"login": k},
		Policies: []authz.Policy{{Name: "ask", Action: authz.Custom, Provider: "login", Rules: []authz.Rule{{}}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	var groups atomic.Pointer[string]
	server := grpc.NewServer(append(meshgrpc.NewServer(enmesh.Fixed(false, enmesh.Guard(engine))).Options(),
		grpc.ChainUnaryInterceptor(func(ctx context.Context, req any, _ *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
			md, _ := metadata.FromIncomingContext(ctx)
			got := strings.Join(md.Get("x-groups"), "|")
			groups.Store(&got)
			return next(ctx, req)
		}))...)
	healthpb.RegisterHealthServer(server, health.NewServer())
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() { defer close(done); _ = server.Serve(l) }()
	t.Cleanup(func() { server.Stop(); <-done })
	cc, err := grpc.NewClient(l.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cc.Close() })
	for user, want := range map[string]codes.Code{"": codes.Unauthenticated, "eve": codes.PermissionDenied, "ann": codes.OK} {
		groups.Store(nil)
		ctx := metadata.AppendToOutgoingContext(t.Context(), "x-groups", "root")
		if user != "" {
			ctx = metadata.AppendToOutgoingContext(ctx, "x-user", user)
		}
		var header metadata.MD
		_, err := healthpb.NewHealthClient(cc).Check(ctx, &healthpb.HealthCheckRequest{}, grpc.Header(&header))
		if status.Code(err) != want {
			t.Errorf("user %q: got %v, want %v", user, err, want)
		}
		got := groups.Load()
		if (got != nil) != (want == codes.OK) || got != nil && (*got != "staff" || len(header.Get("x-seen")) != 1) {
			t.Errorf("user %q: the handler saw the groups %v, the answer has %v; want staff, and x-seen, where it is let through", user, got, header)
		}
	}
}
