// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package meshgrpc_test

import (
	"context"
	"errors"
	"io"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	testpb "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/status"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/balance"
	"github.com/enmesh-go/enmesh/enmeshtest"
	"github.com/enmesh-go/enmesh/meshgrpc"
)

// clock is a service that says how much time its callers leave it; ran counts them.
func clock(ran, left *atomic.Int64) *service {
	look := func(ctx context.Context) {
		ran.Add(1)
		left.Store(0)
		if at, ok := ctx.Deadline(); ok {
			left.Store(int64(time.Until(at)))
		}
	}
	return &service{
		unary: func(ctx context.Context, _ *testpb.SimpleRequest) (*testpb.SimpleResponse, error) {
			look(ctx)
			return &testpb.SimpleResponse{}, nil
		},
		duplex: func(ss testpb.TestService_FullDuplexCallServer) error {
			look(ss.Context())
			return nil
		},
	}
}

// A server believes a caller of a unary method so long and no longer; a stream has the time
// it was given, and who says nothing has all the time there is.
func TestServer_cutsLongDeadlines(t *testing.T) {
	for _, tt := range []struct {
		name       string
		opts       []meshgrpc.ServerOption
		stream     bool
		limit      time.Duration // the caller's; 0: none
		least, end time.Duration // what the handler has; 0: none
	}{
		{"by default", nil, false, 24 * time.Hour, 4 * time.Minute, meshgrpc.DefaultMaxDeadline},
		{"a very long one", nil, false, 1<<63 - 1, 4 * time.Minute, meshgrpc.DefaultMaxDeadline},
		{"within it", nil, false, 2 * time.Minute, time.Minute, 2 * time.Minute},
		{"as the program says", []meshgrpc.ServerOption{meshgrpc.WithMaxDeadline(time.Hour)}, false, 24 * time.Hour, 50 * time.Minute, time.Hour},
		{"zero is the default", []meshgrpc.ServerOption{meshgrpc.WithMaxDeadline(0)}, false, 24 * time.Hour, 4 * time.Minute, meshgrpc.DefaultMaxDeadline},
		{"none", nil, false, 0, 0, 0},
		{"a stream", nil, true, 24 * time.Hour, 23 * time.Hour, 24 * time.Hour},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var ran, left, chain atomic.Int64
			look := func(next enmesh.Next) enmesh.Next {
				return func(ctx context.Context, c *enmesh.Call) error {
					if at, ok := ctx.Deadline(); ok {
						chain.Store(int64(time.Until(at)))
					}
					return next(ctx, c)
				}
			}
			addr := serve(t, clock(&ran, &left), meshgrpc.NewServer(enmesh.Fixed(false, look), tt.opts...).Options()...)
			ctx := t.Context()
			if tt.limit > 0 {
				var cancel context.CancelFunc
				ctx, cancel = context.WithTimeout(ctx, tt.limit)
				defer cancel()
			}
			if err := knock(ctx, bare(t, addr), tt.stream); err != nil {
				t.Fatal(err)
			}
			for who, got := range map[string]time.Duration{"handler": time.Duration(left.Load()), "chain": time.Duration(chain.Load())} {
				if got < tt.least || got > tt.end {
					t.Errorf("the %s has %v, want %v to %v", who, got, tt.least, tt.end)
				}
			}
		})
	}
}

// knock makes one call and hears its end.
func knock(ctx context.Context, client testpb.TestServiceClient, stream bool) error {
	if !stream {
		_, err := client.UnaryCall(ctx, &testpb.SimpleRequest{})
		return err
	}
	ss, err := client.FullDuplexCall(ctx)
	if err != nil {
		return err
	}
	if _, err := ss.Recv(); !errors.Is(err, io.EOF) {
		return err
	}
	return nil
}

// The far side is told a little less than is left, so that it stops first.
func TestClient_keepsSomeTimeBack(t *testing.T) {
	for _, tt := range []struct {
		name       string
		opts       []meshgrpc.ClientOption
		kept       time.Duration
		least, end time.Duration // what the handler has of a minute
	}{
		{"by default", nil, 5 * time.Millisecond, 50 * time.Second, time.Minute},
		{"as the program says", []meshgrpc.ClientOption{meshgrpc.WithDeadlineSlack(30 * time.Second)}, 30 * time.Second, 20 * time.Second, 31 * time.Second},
		{"off", []meshgrpc.ClientOption{meshgrpc.WithDeadlineSlack(0)}, 0, 50 * time.Second, time.Minute},
	} {
		for kind, stream := range map[string]bool{"unary": false, "stream": true} {
			t.Run(tt.name+"/"+kind, func(t *testing.T) {
				var ran, left atomic.Int64
				src := &clusters{}
				src.apply("ratings", serve(t, clock(&ran, &left)))
				var told time.Time
				see := func(ctx context.Context) { told, _ = ctx.Deadline() }
				cc, err := grpc.NewClient("enmesh:///ratings", append(meshgrpc.NewClient(enmesh.Fixed(false), src, tt.opts...).DialOptions(),
					grpc.WithChainUnaryInterceptor(func(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoke grpc.UnaryInvoker, opts ...grpc.CallOption) error {
						see(ctx)
						return invoke(ctx, method, req, reply, cc, opts...)
					}),
					grpc.WithChainStreamInterceptor(func(ctx context.Context, desc *grpc.StreamDesc, cc *grpc.ClientConn, method string, open grpc.Streamer, opts ...grpc.CallOption) (grpc.ClientStream, error) {
						see(ctx)
						return open(ctx, desc, cc, method, opts...)
					}))...)
				if err != nil {
					t.Fatal(err)
				}
				defer func() { _ = cc.Close() }()
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				if err := knock(ctx, testpb.NewTestServiceClient(cc), stream); err != nil {
					t.Fatal(err)
				}
				at, _ := ctx.Deadline()
				if got := at.Sub(told); got != tt.kept {
					t.Errorf("the far side is told %v less than is left, want %v", got, tt.kept)
				}
				if got := time.Duration(left.Load()); got < tt.least || got > tt.end {
					t.Errorf("the handler has %v, want %v to %v", got, tt.least, tt.end)
				}
			})
		}
	}
}

// What has no time left that the far side could be told is not sent: at once, by whose
// deadline it is, and nothing is held against the endpoint.
func TestClient_sendsNothingWithoutTime(t *testing.T) {
	const patience, kept = time.Hour, 2 * time.Hour
	for _, tt := range []struct {
		name   string
		chain  []enmesh.Middleware
		caller time.Duration
		want   error
	}{
		{"the caller's", nil, patience, enmesh.ErrDeadline},
		{"a policy's", []enmesh.Middleware{within(patience)}, 0, errOwn},
	} {
		for kind, stream := range map[string]bool{"unary": false, "stream": true} {
			t.Run(tt.name+"/"+kind, func(t *testing.T) {
				var ran, left atomic.Int64
				gate := &enmeshtest.Gate{}
				src := &clusters{gates: func(*balance.Endpoint) []enmesh.Gate { return []enmesh.Gate{gate} }}
				src.apply("ratings", serve(t, clock(&ran, &left)))
				inside := make(chan error, 1)
				look := func(next enmesh.Next) enmesh.Next {
					return func(ctx context.Context, c *enmesh.Call) error {
						err := next(ctx, c)
						inside <- err
						return err
					}
				}
				cc, err := grpc.NewClient("enmesh:///ratings", meshgrpc.NewClient(enmesh.Fixed(false, append([]enmesh.Middleware{look}, tt.chain...)...), src, meshgrpc.WithDeadlineSlack(kept)).DialOptions()...)
				if err != nil {
					t.Fatal(err)
				}
				defer func() { _ = cc.Close() }()
				ctx := t.Context()
				if tt.caller > 0 {
					var cancel context.CancelFunc
					ctx, cancel = context.WithTimeout(ctx, tt.caller)
					defer cancel()
				}
				if err := knock(ctx, testpb.NewTestServiceClient(cc), stream); status.Code(err) != codes.DeadlineExceeded {
					t.Errorf("got %v, want DeadlineExceeded", err)
				}
				if err := <-inside; !errors.Is(err, tt.want) {
					t.Errorf("the chain ends with %v, want %v", err, tt.want)
				}
				if n := len(gate.Outcomes()); n != 0 || ran.Load() != 0 {
					t.Errorf("the endpoint was asked %d times, its handler ran %d times", n, ran.Load())
				}
			})
		}
	}
}

// The wait for an endpoint may use up the time: what is picked then is not sent.
func TestClient_sendsNothingThatWaitedTooLong(t *testing.T) {
	var ran, left atomic.Int64
	gate := &enmeshtest.Gate{}
	src := &clusters{gates: func(*balance.Endpoint) []enmesh.Gate { return []enmesh.Gate{gate} }}
	cluster := src.Cluster(enmesh.Destination{Service: "ratings"}, enmesh.GRPC)
	addr := serve(t, clock(&ran, &left))
	cc, err := grpc.NewClient("enmesh:///ratings", meshgrpc.NewClient(enmesh.Fixed(false), src, meshgrpc.WithDeadlineSlack(time.Hour-300*time.Millisecond)).DialOptions()...)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = cc.Close() }()
	ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
	defer cancel()
	time.AfterFunc(time.Second, func() { cluster.Apply(endpoints(addr)) })
	if err := knock(ctx, testpb.NewTestServiceClient(cc), false); status.Code(err) != codes.DeadlineExceeded {
		t.Errorf("got %v, want DeadlineExceeded", err)
	}
	if n := len(gate.Outcomes()); n != 0 || ran.Load() != 0 {
		t.Errorf("the endpoint was asked %d times, its handler ran %d times", n, ran.Load())
	}
}

// What is kept back costs one allocation, and no timer: a deadline is dear enough.
func TestSlack_allocations(t *testing.T) {
	addr := serve(t, &service{})
	measure := func(opts ...meshgrpc.ClientOption) float64 {
		src := &clusters{}
		src.apply("ratings", addr)
		cc, err := grpc.NewClient("enmesh:///ratings", meshgrpc.NewClient(enmesh.Fixed(false), src, opts...).DialOptions()...)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = cc.Close() }()
		client := testpb.NewTestServiceClient(cc)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		call := func() {
			if err := knock(ctx, client, false); err != nil {
				t.Fatal(err)
			}
		}
		for range 200 {
			call()
		}
		least := 1e9
		for range 5 {
			least = min(least, testing.AllocsPerRun(300, call))
		}
		return least
	}
	without, with := measure(meshgrpc.WithDeadlineSlack(0)), measure()
	t.Logf("%.0f allocations a call with a deadline, %.0f with some of it kept back", without, with)
	if with > without+1 && !raceEnabled { // the race detector allocates
		t.Errorf("what is kept back costs %.0f allocations, want 1", with-without)
	}
}
