// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package scenario_test

import (
	"context"
	"io"
	"net/http"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/limit"
	"github.com/enmesh-go/enmesh/meshgrpc"
	"github.com/enmesh-go/enmesh/meshhttp"
)

// perSource is three units in an hour for each address, told on every answer.
func perSource(t *testing.T) *limit.Keyed {
	t.Helper()
	k, err := limit.NewKeyed(limit.KeyedConfig{
		By:   limit.BySource(0, 0),
		Each: limit.Config{Rate: 1.0 / 1200, Burst: 3, Terms: limit.Terms{Headers: limit.Always, Envoy: true, Name: "hourly"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// policy is what every answer says of the limit.
const policy = `"hourly";q=3;w=3600`

// TestLimit_overHTTP: what is left is told with every answer, and when to come back with a
// refusal.
func TestLimit_overHTTP(t *testing.T) {
	listener := loopback(t)
	handler := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "done") })
	server := &http.Server{
		Handler:           meshhttp.NewHandler(handler, enmesh.Fixed(false, perSource(t).Middleware())),
		ReadHeaderTimeout: time.Minute,
	}
	done := make(chan struct{})
	go func() { defer close(done); _ = server.Serve(listener) }()
	t.Cleanup(func() { _ = server.Close(); <-done })
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	for i, want := range []struct {
		status         int
		state, left, x string
		retry          string
	}{
		{200, `"hourly";r=2;t=1200`, "2", "1200", ""},
		{200, `"hourly";r=1;t=2400`, "1", "2400", ""},
		{200, `"hourly";r=0;t=3600`, "0", "3600", ""},
		{429, `"hourly";r=0;t=1200`, "0", "1200", "1200"},
	} {
		req, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+listener.Addr().String(), http.NoBody)
		resp, err := transport.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
		h := resp.Header
		if resp.StatusCode != want.status || h.Get("RateLimit-Policy") != policy || h.Get("RateLimit") != want.state ||
			h.Get("Retry-After") != want.retry || h.Get("X-RateLimit-Limit") != `3, 3;w=3600;name="hourly"` ||
			h.Get("X-RateLimit-Remaining") != want.left || h.Get("X-RateLimit-Reset") != want.x {
			t.Errorf("call %d: %d with %v, want %+v", i, resp.StatusCode, h, want)
		}
	}
}

// TestLimit_overGRPC: the same of unary calls and of streams, whose refusals are
// RESOURCE_EXHAUSTED with RetryInfo and the pushback that gRPC's own retries read.
func TestLimit_overGRPC(t *testing.T) {
	listener := loopback(t)
	server := grpc.NewServer(meshgrpc.NewServer(enmesh.Fixed(false, perSource(t).Middleware())).Options()...)
	checks := health.NewServer()
	grpc_health_v1.RegisterHealthServer(server, checks)
	done := make(chan struct{})
	go func() { defer close(done); _ = server.Serve(listener) }()
	t.Cleanup(func() { server.Stop(); <-done })
	cc, err := grpc.NewClient("passthrough:///"+listener.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cc.Close() })
	stub := grpc_health_v1.NewHealthClient(cc)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	unary := func() (header, trailer metadata.MD, err error) {
		_, err = stub.Check(ctx, &grpc_health_v1.HealthCheckRequest{}, grpc.Header(&header), grpc.Trailer(&trailer))
		return header, trailer, err
	}
	stream := func() (header, trailer metadata.MD, err error) {
		ctx, stop := context.WithCancel(ctx)
		defer stop()
		ss, err := stub.Watch(ctx, &grpc_health_v1.HealthCheckRequest{})
		if err != nil {
			return nil, nil, err
		}
		_, err = ss.Recv()
		header, _ = ss.Header()
		return header, ss.Trailer(), err
	}
	for i, tt := range []struct {
		kind  string
		call  func() (header, trailer metadata.MD, err error)
		state string
		code  codes.Code
	}{
		{"unary", unary, `"hourly";r=2;t=1200`, codes.OK},
		{"stream", stream, `"hourly";r=1;t=2400`, codes.OK},
		{"unary", unary, `"hourly";r=0;t=3600`, codes.OK},
		{"unary", unary, `"hourly";r=0;t=1200`, codes.ResourceExhausted},
		{"stream", stream, `"hourly";r=0;t=1200`, codes.ResourceExhausted},
	} {
		header, trailer, err := tt.call()
		if status.Code(err) != tt.code {
			t.Fatalf("call %d, %s: %v, want %v", i, tt.kind, err, tt.code)
		}
		if got := header.Get("ratelimit-policy"); len(got) != 1 || got[0] != policy {
			t.Errorf("call %d, %s: ratelimit-policy %q, want %q", i, tt.kind, got, policy)
		}
		if got := header.Get("ratelimit"); len(got) != 1 || got[0] != tt.state {
			t.Errorf("call %d, %s: ratelimit %q, want %q", i, tt.kind, got, tt.state)
		}
		if tt.code == codes.OK {
			continue
		}
		if got := trailer.Get("grpc-retry-pushback-ms"); len(got) != 1 || got[0] != "1200000" {
			t.Errorf("call %d, %s: pushback %q, want 1200000", i, tt.kind, got)
		}
		if got := retryInfo(err); got != 20*time.Minute {
			t.Errorf("call %d, %s: RetryInfo %v, want 20m", i, tt.kind, got)
		}
	}
}

func retryInfo(err error) time.Duration {
	for _, detail := range status.Convert(err).Details() {
		if info, ok := detail.(*errdetails.RetryInfo); ok {
			return info.GetRetryDelay().AsDuration()
		}
	}
	return 0
}
