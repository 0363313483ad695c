// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package meshgrpc_test

import (
	"context"
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/connectivity"
	testpb "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/status"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/balance"
	"github.com/enmesh-go/enmesh/enmeshtest"
	"github.com/enmesh-go/enmesh/meshgrpc"
)

var errOwn = &enmesh.Error{Code: enmesh.DeadlineExceeded, Outcome: enmesh.Failure, Policy: "timeout", Flag: enmesh.FlagTimeout, Err: errors.New("attempt timed out")}

// within is an attempt timeout as a policy makes one.
func within(d time.Duration) enmesh.Middleware {
	return func(next enmesh.Next) enmesh.Next {
		return func(ctx context.Context, c *enmesh.Call) error {
			ctx, cancel := context.WithTimeoutCause(ctx, d, errOwn)
			defer cancel()
			before := c.Expiry
			c.Expiry = errOwn
			err := next(ctx, c)
			c.Expiry = before
			return err
		}
	}
}

// Whoever's timer fires first, the far side's or ours: the deadline is its owner's.
func TestDeadline_belongsToItsOwner(t *testing.T) {
	const limit, calls = 5 * time.Millisecond, 500
	slow := func(ctx context.Context, _ *testpb.SimpleRequest) (*testpb.SimpleResponse, error) {
		<-ctx.Done()
		return nil, status.FromContextError(ctx.Err()).Err()
	}
	tests := []struct {
		name   string
		chain  []enmesh.Middleware
		caller time.Duration
		want   enmesh.Outcome
		policy bool
	}{
		{"a policy's", []enmesh.Middleware{within(limit)}, 10 * time.Second, enmesh.Failure, true},
		{"the caller's", nil, limit, enmesh.Neutral, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			inside, served, _ := witness()
			addr := serve(t, &service{unary: slow}, meshgrpc.NewServer(inside(false)).Options()...)
			route, call, attempt := witness()
			gate := &enmeshtest.Gate{}
			src := &clusters{gates: func(*balance.Endpoint) []enmesh.Gate { return []enmesh.Gate{gate} }}
			src.apply("ratings", addr)
			_, client := dial(t, "enmesh:///ratings", route(false, tt.chain...), src)
			if _, err := bare(t, addr).EmptyCall(shortContext(t), &testpb.Empty{}); err == nil {
				t.Fatal("the server answered")
			}
			warm(t, client)
			var wg sync.WaitGroup
			for range 20 {
				wg.Go(func() {
					for range calls / 20 {
						ctx, cancel := context.WithTimeout(context.Background(), tt.caller)
						_, err := client.UnaryCall(ctx, &testpb.SimpleRequest{})
						cancel()
						if status.Code(err) != codes.DeadlineExceeded {
							t.Errorf("error = %v, want DeadlineExceeded", err)
						}
						if got := errors.Is(err, errOwn); got != tt.policy {
							t.Errorf("%v leads to the policy: %v, want %v", err, got, tt.policy)
						}
					}
				})
			}
			wg.Wait()
			settled(t, call, attempt, gate)
			for _, g := range []*enmeshtest.Gate{call, attempt, gate} {
				for i, o := range g.Outcomes() {
					if i > 0 && o != tt.want {
						t.Fatalf("outcome = %v (%v), want %v", o, g.Results()[i].Err, tt.want)
					}
				}
			}
			settled(t, served)
			for _, o := range served.Outcomes() {
				if o != enmesh.Neutral {
					t.Fatalf("server's outcome = %v, want neutral: the caller's time was over", o)
				}
			}
		})
	}
}

func shortContext(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Millisecond)
	t.Cleanup(cancel)
	return ctx
}

// warm makes one call, so that the connection is there.
func warm(t *testing.T, client testpb.TestServiceClient) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_, _ = client.EmptyCall(ctx, &testpb.Empty{})
}

// An endpoint that accepts and never answers fails callers that gave it time enough;
// callers in a hurry hold nothing against a healthy one.
func TestDeadline_blackHole(t *testing.T) {
	const patience = 100 * time.Millisecond
	tests := []struct {
		name   string
		caller time.Duration
		want   enmesh.Outcome
	}{
		{"time enough", 6 * patience, enmesh.Failure},
		{"in a hurry", patience / 5, enmesh.Neutral},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			addr := rawServer(t, func(*http2.Framer, uint32) bool { return true })
			gate := &enmeshtest.Gate{}
			src := &clusters{gates: func(*balance.Endpoint) []enmesh.Gate { return []enmesh.Gate{gate} }}
			src.apply("ratings", addr)
			r := &enmesh.Route{Name: "patient", AttemptTimeout: patience, Next: enmesh.Send}
			cc, client := dial(t, "enmesh:///ratings", enmesh.RouterFunc(func(*enmesh.Call) *enmesh.Route { return r }), src)
			cc.Connect()
			eventually(t, "the connection is ready", func() bool { return cc.GetState() == connectivity.Ready })
			ctx, cancel := context.WithTimeout(context.Background(), tt.caller)
			defer cancel()
			if _, err := client.UnaryCall(ctx, &testpb.SimpleRequest{}); status.Code(err) != codes.DeadlineExceeded {
				t.Fatalf("error = %v, want DeadlineExceeded", err)
			}
			settled(t, gate)
			if got := gate.Outcomes(); len(got) != 1 || got[0] != tt.want {
				t.Errorf("the endpoint's gate heard %v, want %v", got, tt.want)
			}
		})
	}
}

// Waiting for a connection is not the endpoint's latency.
func TestWaitForReady_isNotLatency(t *testing.T) {
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	src := &clusters{}
	c := src.Cluster(enmesh.Destination{Service: "ratings"}, enmesh.GRPC)
	route, call, attempt := witness()
	_, client := dial(t, "enmesh:///ratings", route(false), src)
	serveOn(t, lis, &service{})
	var applied atomic.Int64
	start := time.Now()
	time.AfterFunc(300*time.Millisecond, func() {
		applied.Store(int64(time.Since(start)))
		c.Apply(endpoints(lis.Addr().String()))
	})
	if _, err := client.EmptyCall(testContext(t), &testpb.Empty{}); err != nil {
		t.Fatal(err)
	}
	took := time.Since(start)
	waited := time.Duration(applied.Load())
	if waited == 0 {
		t.Fatalf("the call took %v: it did not wait", took)
	}
	settled(t, call, attempt)
	if got := c.Set().Endpoints[0].Latency(); got <= 0 || got > took-waited {
		t.Errorf("latency = %v, want at most the %v since there was an endpoint", got, took-waited)
	}
}
