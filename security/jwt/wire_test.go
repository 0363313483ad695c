// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package jwt_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	testpb "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/meshgrpc"
	"github.com/enmesh-go/enmesh/meshhttp"
	"github.com/enmesh-go/enmesh/security/jwt"
)

// A6 through a real HTTP server, each token in the header and in the query.
func TestScenarioA6_overHTTP(t *testing.T) {
	a := newAuth(t, jwt.Config{Rules: rulesOf()})
	var ran atomic.Int64
	srv := httptest.NewServer(meshhttp.NewHandler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if enmesh.FromContext(r.Context()).Auth() == nil || r.Header.Get("Authorization") != "" || strings.Contains(r.RequestURI, "access_token") {
			t.Errorf("the handler got %v, %s", r.Header, r.RequestURI)
		}
		ran.Add(1)
	}), enmesh.Fixed(false, a.Middleware())))
	defer srv.Close()
	for _, tt := range samples() {
		for _, in := range []string{"header", "query"} {
			target, header := srv.URL, http.Header{}
			if in == "header" {
				header["Authorization"] = []string{"Bearer " + tt.raw}
			} else {
				target += "/?a=b&access_token=" + url.QueryEscape(tt.raw)
			}
			before := ran.Load()
			req, _ := http.NewRequest("GET", target, nil)
			req.Header = header
			resp, err := http.DefaultClient.Do(req)
			if err != nil {
				if tt.valid || ran.Load() != before {
					t.Errorf("%s in the %s: %v", tt.name, in, err)
				}
				continue // net/http does not send it, or hangs up
			}
			_, _ = io.Copy(io.Discard, resp.Body)
			_ = resp.Body.Close()
			if got := resp.StatusCode == 200; got != tt.valid || ran.Load()-before != count(tt.valid) {
				t.Errorf("%s in the %s: status %d", tt.name, in, resp.StatusCode)
			}
			if resp.StatusCode == 401 && !strings.HasPrefix(resp.Header.Get("WWW-Authenticate"), "Bearer ") {
				t.Errorf("%s in the %s: 401 without WWW-Authenticate", tt.name, in)
			}
		}
	}
	http.DefaultClient.CloseIdleConnections()
}

func count(yes bool) int64 {
	if yes {
		return 1
	}
	return 0
}

// service is grpc's interop service; a call that a test does not script counts.
type service struct {
	testpb.UnimplementedTestServiceServer
	ran    atomic.Int64
	seen   atomic.Pointer[metadata.MD]
	duplex func(testpb.TestService_FullDuplexCallServer) error
}

func (s *service) EmptyCall(ctx context.Context, _ *testpb.Empty) (*testpb.Empty, error) {
	s.ran.Add(1)
	md, _ := metadata.FromIncomingContext(ctx)
	s.seen.Store(&md)
	return &testpb.Empty{}, nil
}

func (s *service) FullDuplexCall(ss testpb.TestService_FullDuplexCallServer) error {
	return s.duplex(ss)
}

// serveGRPC is a client of a real gRPC server with the Authenticator before s.
func serveGRPC(t *testing.T, a *jwt.Authenticator, s *service) testpb.TestServiceClient {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	srv := grpc.NewServer(meshgrpc.NewServer(enmesh.Fixed(false, a.Middleware())).Options()...)
	testpb.RegisterTestServiceServer(srv, s)
	go func() { _ = srv.Serve(l) }()
	t.Cleanup(srv.Stop)
	conn, err := grpc.NewClient(l.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return testpb.NewTestServiceClient(conn)
}

// A6 through a real gRPC server.
func TestScenarioA6_overGRPC(t *testing.T) {
	s := &service{}
	rules := rulesOf()
	rules[0].OutputPayload = "x-jwt-payload"
	client := serveGRPC(t, newAuth(t, jwt.Config{Rules: rules}), s)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for _, tt := range samples() {
		before := s.ran.Load()
		_, err := client.EmptyCall(metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer "+tt.raw, "x-jwt-payload", "forged"), &testpb.Empty{})
		if (err == nil) != tt.valid || s.ran.Load()-before != count(tt.valid) {
			t.Errorf("%s: %v", tt.name, err)
		}
		if err == nil {
			md := *s.seen.Load()
			if got := md["x-jwt-payload"]; len(md["authorization"]) != 0 || len(got) > 1 || len(got) == 1 && got[0] == "forged" {
				t.Errorf("%s: the handler saw %v", tt.name, md)
			}
			continue
		}
		if code := status.Code(err); code != codes.Unauthenticated && len(tt.raw) < maxToken && printable(tt.raw) {
			t.Errorf("%s: %v, want UNAUTHENTICATED", tt.name, err)
		}
	}
	if _, err := client.EmptyCall(ctx, &testpb.Empty{}); err != nil {
		t.Error("without a token:", err)
	}
}

// maxToken is what of the 8 KiB of metadata, more than which grpc refuses by itself, is left
// for a token beside all else that a call has.
const maxToken = 8<<10 - 1<<10

// printable reports whether metadata can have the text at all.
func printable(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r > '~' })
}
