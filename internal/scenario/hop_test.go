// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package scenario_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/balance"
	"github.com/enmesh-go/enmesh/internal/ledger"
	"github.com/enmesh-go/enmesh/meshgrpc"
	"github.com/enmesh-go/enmesh/meshhttp"
	"github.com/enmesh-go/enmesh/resilience"
	"github.com/enmesh-go/enmesh/resilience/retry"
)

// ask is one idempotent call, and what a service does for one.
type ask func(context.Context) error

// protocol is how one service asks another.
type protocol struct {
	name  string
	serve func(t *testing.T, f ask) (addr string)
	ask   func(w *town) ask
}

var (
	overHTTP = protocol{"HTTP", serveHTTP, askHTTP}
	overGRPC = protocol{"gRPC", serveGRPC, askGRPC}
)

// paths are the ways from a client over A to B.
var paths = [][2]protocol{{overHTTP, overHTTP}, {overGRPC, overGRPC}, {overHTTP, overGRPC}, {overGRPC, overHTTP}}

var errDown = errors.New("as the test asked")

// serveHTTP serves f behind our Handler: its error is a 503.
func serveHTTP(t *testing.T, f ask) string {
	t.Helper()
	l := loopback(t)
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := f(r.Context()); err != nil {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		_, _ = io.WriteString(w, "done")
	})
	server := &http.Server{Handler: meshhttp.NewHandler(h, enmesh.Fixed(false)), ReadHeaderTimeout: time.Minute}
	done := make(chan struct{})
	go func() { defer close(done); _ = server.Serve(l) }()
	t.Cleanup(func() { _ = server.Close(); <-done })
	return l.Addr().String()
}

// askHTTP is a GET.
func askHTTP(w *town) ask {
	client := w.client(false)
	return func(ctx context.Context) error {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+shop+"/", http.NoBody)
		if err != nil {
			return err
		}
		resp, err := client.Do(req)
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		if _, err := io.Copy(io.Discard, resp.Body); err != nil {
			return fmt.Errorf("body: %w", err)
		}
		if resp.StatusCode >= http.StatusBadRequest {
			return fmt.Errorf("status %d", resp.StatusCode)
		}
		return nil
	}
}

// asked is a gRPC service of one method.
type asked struct {
	grpc_health_v1.UnimplementedHealthServer
	f ask
}

func (s asked) Check(ctx context.Context, _ *grpc_health_v1.HealthCheckRequest) (*grpc_health_v1.HealthCheckResponse, error) {
	if err := s.f(ctx); err != nil {
		return nil, status.Error(codes.Unavailable, "as the test asked")
	}
	return &grpc_health_v1.HealthCheckResponse{}, nil
}

// serveGRPC serves f behind our interceptors: its error is UNAVAILABLE.
func serveGRPC(t *testing.T, f ask) string {
	t.Helper()
	l := loopback(t)
	server := grpc.NewServer(meshgrpc.NewServer(enmesh.Fixed(false)).Options()...)
	grpc_health_v1.RegisterHealthServer(server, asked{f: f})
	done := make(chan struct{})
	go func() { defer close(done); _ = server.Serve(l) }()
	t.Cleanup(func() { server.Stop(); <-done })
	return l.Addr().String()
}

// askGRPC is a unary call.
func askGRPC(w *town) ask {
	stub := w.stub()
	return func(ctx context.Context) error {
		_, err := stub.Check(ctx, &grpc_health_v1.HealthCheckRequest{})
		return err
	}
}

// to makes a client of the service at addrs, with that chain, on a route whose calls may be repeated.
func (p protocol) to(t *testing.T, chain []enmesh.Middleware, addrs ...string) ask {
	t.Helper()
	w := newTown(t, balance.ConnectionConfig{}, addrs...)
	repeats := func(next enmesh.Next) enmesh.Next {
		return func(ctx context.Context, c *enmesh.Call) error {
			c.Idempotent = true
			return next(ctx, c)
		}
	}
	w.chain, w.resends = append([]enmesh.Middleware{repeats}, chain...), true
	return p.ask(w)
}

// thrice tries a call three times at most: within a budget, or not.
func thrice(t *testing.T, budget *resilience.Budget) []enmesh.Middleware {
	t.Helper()
	on, err := retry.ParseOn("5xx,unavailable,reset,connect-failure")
	if err != nil {
		t.Fatal(err)
	}
	cfg := retry.Config{MaxAttempts: 3, On: on, BaseBackoff: time.Millisecond}
	if budget != nil {
		cfg.Budget = budget
	}
	again, err := retry.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if budget == nil {
		return []enmesh.Middleware{again}
	}
	return []enmesh.Middleware{budget.Middleware(), again}
}

func newBudget(t *testing.T, cfg resilience.BudgetConfig) *resilience.Budget {
	t.Helper()
	b, err := resilience.NewBudget(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// asLoad is an ask as the call of a ledger.
func asLoad(f ask) ledger.Call {
	return func(ctx context.Context, _ string) (string, error) { return "", f(ctx) }
}

// target is the last service of a path: it fails, or takes its time, when it is told so.
type target struct {
	fails atomic.Bool
	hits  atomic.Int64
}

func (b *target) serve(context.Context) error {
	b.hits.Add(1)
	if b.fails.Load() {
		return errDown
	}
	return nil
}
