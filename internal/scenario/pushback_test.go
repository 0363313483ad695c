// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package scenario_test

import (
	"context"
	"net/http"
	"sync"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/internal/ledger"
	"github.com/enmesh-go/enmesh/resilience/retry"
)

// wisher refuses every call, and says when it may come again.
type wisher struct {
	grpc_health_v1.UnimplementedHealthServer
	header  string        // Retry-After
	trailer []string      // grpc-retry-pushback-ms
	info    time.Duration // RetryInfo
	early   bool          // the header of the gRPC answer is sent before the failure
	mu      sync.Mutex    // guards at
	at      []time.Time   // of the attempts
}

func (w *wisher) note() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.at = append(w.at, time.Now())
}

func (w *wisher) ServeHTTP(rw http.ResponseWriter, _ *http.Request) {
	w.note()
	if w.header != "" {
		rw.Header().Set("Retry-After", w.header)
	}
	rw.WriteHeader(http.StatusServiceUnavailable)
}

func (w *wisher) Check(ctx context.Context, _ *grpc_health_v1.HealthCheckRequest) (*grpc_health_v1.HealthCheckResponse, error) {
	w.note()
	if w.early {
		_ = grpc.SendHeader(ctx, metadata.Pairs("begun", "yes"))
	}
	for _, v := range w.trailer {
		_ = grpc.SetTrailer(ctx, metadata.Pairs("grpc-retry-pushback-ms", v))
	}
	st := status.New(codes.Unavailable, "as the test asked")
	if w.info != 0 {
		st, _ = st.WithDetails(&errdetails.RetryInfo{RetryDelay: durationpb.New(w.info)})
	}
	return nil, st.Err()
}

// TestScenarioO11_whatTheFarSideWishes: a wish is waited for, an absurd one is cut to the cap (ten times
// MaxBackoff, here half a second) and no attempt comes much later, a negative one is the end, garbage is
// no wish in HTTP and in gRPC the end. gRPC's codes are found in trailers alone and after a header.
func TestScenarioO11_whatTheFarSideWishes(t *testing.T) {
	ledger.Baseline(t)
	on, err := retry.ParseOn("503,unavailable")
	if err != nil {
		t.Fatal(err)
	}
	again, err := retry.New(retry.Config{MaxAttempts: 2, On: on, BaseBackoff: time.Millisecond, MaxBackoff: 50 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	const limit, wish = 500 * time.Millisecond, 200 * time.Millisecond
	const latest = 10 * limit // of the second attempt, on a machine that is busy
	for _, tt := range []struct {
		name     string
		p        protocol
		far      *wisher
		attempts int
		wait     time.Duration // at least
	}{
		{"HTTP, none", overHTTP, &wisher{}, 2, 0},
		{"HTTP, absurd", overHTTP, &wisher{header: "99999"}, 2, limit},
		{"HTTP, larger than a number", overHTTP, &wisher{header: "99999999999999999999999"}, 2, limit},
		{"HTTP, negative", overHTTP, &wisher{header: "-1"}, 1, 0},
		{"HTTP, a date", overHTTP, &wisher{header: time.Now().Add(time.Hour).UTC().Format(http.TimeFormat)}, 2, limit},
		{"HTTP, a date gone by", overHTTP, &wisher{header: "Mon, 02 Jan 2006 15:04:05 GMT"}, 2, 0},
		{"HTTP, garbage", overHTTP, &wisher{header: "soon, I think"}, 2, 0},
		{"gRPC, none", overGRPC, &wisher{}, 2, 0},
		{"gRPC, after a header", overGRPC, &wisher{early: true}, 2, 0},
		{"gRPC, a wish", overGRPC, &wisher{trailer: []string{"200"}}, 2, wish},
		{"gRPC, a wish after a header", overGRPC, &wisher{early: true, trailer: []string{"200"}}, 2, wish},
		{"gRPC, absurd", overGRPC, &wisher{trailer: []string{"99999999"}}, 2, limit},
		{"gRPC, negative", overGRPC, &wisher{trailer: []string{"-1"}}, 1, 0},
		{"gRPC, garbage", overGRPC, &wisher{trailer: []string{"soon"}}, 1, 0},
		{"gRPC, two wishes", overGRPC, &wisher{trailer: []string{"1", "2"}}, 1, 0},
		{"gRPC, RetryInfo", overGRPC, &wisher{info: wish}, 2, wish},
		{"gRPC, absurd RetryInfo", overGRPC, &wisher{info: 24 * time.Hour}, 2, limit},
		{"gRPC, negative RetryInfo", overGRPC, &wisher{info: -time.Second}, 1, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l := loopback(t)
			done := make(chan struct{})
			if tt.p.name == "HTTP" {
				server := &http.Server{Handler: tt.far, ReadHeaderTimeout: time.Minute}
				go func() { defer close(done); _ = server.Serve(l) }()
				defer func() { _ = server.Close(); <-done }()
			} else {
				server := grpc.NewServer()
				grpc_health_v1.RegisterHealthServer(server, tt.far)
				go func() { defer close(done); _ = server.Serve(l) }()
				defer func() { server.Stop(); <-done }()
			}
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			if err := tt.p.to(t, []enmesh.Middleware{again}, l.Addr().String())(ctx); err == nil {
				t.Error("the call is answered")
			}
			tt.far.mu.Lock()
			defer tt.far.mu.Unlock()
			if got := len(tt.far.at); got != tt.attempts {
				t.Fatalf("%d attempts, want %d", got, tt.attempts)
			}
			if tt.attempts == 1 {
				return
			}
			if waited := tt.far.at[1].Sub(tt.far.at[0]); waited < tt.wait || waited > latest {
				t.Errorf("it came again after %v, want %v and at most %v", waited, tt.wait, latest)
			}
		})
	}
}
