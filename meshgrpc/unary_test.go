// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package meshgrpc_test

import (
	"context"
	"errors"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	testpb "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/balance"
	"github.com/enmesh-go/enmesh/enmeshtest"
	"github.com/enmesh-go/enmesh/meshgrpc"
)

func body(s string) *testpb.Payload { return &testpb.Payload{Body: []byte(s)} }

func TestUnary_reachesAnEndpoint(t *testing.T) {
	route, call, attempt := witness()
	endpointGate := &enmeshtest.Gate{}
	src := &clusters{gates: func(*balance.Endpoint) []enmesh.Gate { return []enmesh.Gate{endpointGate} }}
	addr := serve(t, &service{})
	src.Cluster(enmesh.Destination{Service: "ratings", Port: 9081}, enmesh.GRPC).Apply(endpoints(addr))
	var seen enmesh.Call
	_, client := dial(t, "enmesh:///ratings:9081", route(false, func(next enmesh.Next) enmesh.Next {
		return func(ctx context.Context, c *enmesh.Call) error {
			err := next(ctx, c)
			seen.Service, seen.Port, seen.Path, seen.Method, seen.Authority = c.Service, c.Port, c.Path, c.Method, c.Authority
			seen.Kind, seen.Endpoint, seen.Answer.Status = c.Kind, c.Endpoint, c.Answer.Status
			return err
		}
	}), src)
	got, err := client.UnaryCall(testContext(t), &testpb.SimpleRequest{Payload: body("hello")})
	if err != nil {
		t.Fatal(err)
	}
	if string(got.GetPayload().GetBody()) != "hello" {
		t.Errorf("payload = %q, want hello", got.GetPayload().GetBody())
	}
	if seen.Service != "ratings" || seen.Port != 9081 || seen.Path != "/grpc.testing.TestService/UnaryCall" || seen.Method != http.MethodPost ||
		seen.Authority != "ratings:9081" || seen.Kind != enmesh.Unary || seen.Answer.Status != 200 {
		t.Errorf("the chain saw %+v", seen.Destination)
	}
	if seen.Endpoint == nil || seen.Endpoint.Addr() != addr {
		t.Errorf("endpoint = %v, want %s", seen.Endpoint, addr)
	}
	settled(t, call, attempt, endpointGate)
	if r := endpointGate.Results(); len(r) != 1 || r[0].Outcome != enmesh.Success || r[0].Answered == 0 {
		t.Errorf("endpoint gate heard %+v, want one success with its head", r)
	}
}

func TestUnary_errors(t *testing.T) {
	withRetryInfo, err := status.New(codes.Unavailable, "later").WithDetails(&errdetails.RetryInfo{RetryDelay: durationpb.New(2 * time.Second)})
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name       string
		far        error
		trailer    metadata.MD
		outcome    enmesh.Outcome
		retryAfter time.Duration
	}{
		{"unavailable", status.Error(codes.Unavailable, "no"), nil, enmesh.Failure, 0},
		{"the caller's fault", status.Error(codes.InvalidArgument, "bad"), nil, enmesh.Neutral, 0},
		{"a plain error", errors.New("plain"), nil, enmesh.Failure, 0},
		{"its own deadline", status.Error(codes.DeadlineExceeded, "mine"), nil, enmesh.Failure, 0},
		{"cancelled over there", status.Error(codes.Canceled, "theirs"), nil, enmesh.Neutral, 0},
		{"RetryInfo", withRetryInfo.Err(), nil, enmesh.Failure, 2 * time.Second},
		{"pushback", status.Error(codes.Unavailable, "no"), metadata.Pairs("grpc-retry-pushback-ms", "30"), enmesh.Failure, 30 * time.Millisecond},
		{"pushback at once", status.Error(codes.Unavailable, "no"), metadata.Pairs("grpc-retry-pushback-ms", "0"), enmesh.Failure, 1},
		{"pushback: do not", status.Error(codes.Unavailable, "no"), metadata.Pairs("grpc-retry-pushback-ms", "-1"), enmesh.Failure, -1},
		{"pushback: garbled", status.Error(codes.Unavailable, "no"), metadata.Pairs("grpc-retry-pushback-ms", "soon"), enmesh.Failure, -1},
	}
	var far error
	var trailer metadata.MD
	addr := serve(t, &service{unary: func(ctx context.Context, _ *testpb.SimpleRequest) (*testpb.SimpleResponse, error) {
		_ = grpc.SetTrailer(ctx, trailer)
		return nil, far
	}})
	route, _, attempt := witness()
	gate := &enmeshtest.Gate{}
	src := &clusters{gates: func(*balance.Endpoint) []enmesh.Gate { return []enmesh.Gate{gate} }}
	src.apply("ratings", addr)
	_, client := dial(t, "enmesh:///ratings", route(false), src)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			far, trailer = tt.far, tt.trailer
			var got metadata.MD
			_, err := client.UnaryCall(testContext(t), &testpb.SimpleRequest{}, grpc.Trailer(&got))
			want := status.Convert(tt.far)
			if s, _ := status.FromError(err); s.Code() != want.Code() || s.Message() != want.Message() || len(s.Details()) != len(want.Details()) {
				t.Errorf("outside: %v, want %v untouched", err, tt.far)
			}
			if enmesh.ErrorOf(err) != nil {
				t.Errorf("outside: %T, want grpc's own error", err)
			}
			settled(t, attempt, gate)
			r := attempt.Results()
			e := enmesh.ErrorOf(r[len(r)-1].Err)
			if e == nil || e.Code != enmesh.Code(want.Code()) || e.Outcome != tt.outcome || e.RetryAfter != tt.retryAfter || e.Unsent {
				t.Errorf("inside: %+v, want code %v, %v, retry after %v", e, want.Code(), tt.outcome, tt.retryAfter)
			}
			below := gate.Results()
			if b := below[len(below)-1]; enmesh.ErrorOf(b.Err) != e {
				t.Errorf("the endpoint's gate heard %v, want %v", b.Err, e)
			}
			if tt.trailer != nil && len(got) == 0 {
				t.Error("the caller's trailer is empty")
			}
		})
	}
}

func TestUnary_retryGoesElsewhere(t *testing.T) {
	var calls atomic.Int32
	var seen [2]metadata.MD
	failing := func(ctx context.Context, _ *testpb.SimpleRequest) (*testpb.SimpleResponse, error) {
		n := calls.Add(1)
		seen[n-1], _ = metadata.FromIncomingContext(ctx)
		p, _ := peer.FromContext(ctx)
		_ = grpc.SetHeader(ctx, metadata.Pairs("from", p.LocalAddr.String()))
		if n == 1 {
			return nil, status.Error(codes.Unavailable, "first")
		}
		return &testpb.SimpleResponse{Payload: body(p.LocalAddr.String())}, nil
	}
	a, b := serve(t, &service{unary: failing}), serve(t, &service{unary: failing})
	route, call, attempt := witness()
	src := &clusters{}
	src.apply("ratings", a, b)
	stamp := func(next enmesh.Next) enmesh.Next {
		return func(ctx context.Context, c *enmesh.Call) error {
			c.Header.Set("X-Attempt", []string{"", "one", "two"}[c.Attempt])
			c.Header.Set("x-mine", "replaced")
			return next(ctx, c)
		}
	}
	_, client := dial(t, "enmesh:///ratings", route(true, retry(3), stamp), src)
	mine := metadata.Pairs("x-mine", "caller's", "x-other", "kept")
	ctx := metadata.NewOutgoingContext(testContext(t), mine)
	var header metadata.MD
	var ended int
	got, err := client.UnaryCall(ctx, &testpb.SimpleRequest{}, grpc.Header(&header), grpc.WaitForReady(true), grpc.OnFinish(func(error) { ended++ }))
	if err != nil {
		t.Fatal(err)
	}
	settled(t, call, attempt)
	if calls.Load() != 2 || attempt.Admits() != 2 || call.Admits() != 1 {
		t.Errorf("calls, attempts = %d, %d, want 2, 2", calls.Load(), attempt.Admits())
	}
	if ended != 1 {
		t.Errorf("OnFinish was told %d times, want once", ended)
	}
	if h := header.Get("from"); len(h) != 1 || h[0] != string(got.GetPayload().GetBody()) {
		t.Errorf("header %v is not the last attempt's", header)
	}
	for i, want := range []string{"one", "two"} {
		if v := seen[i].Get("x-attempt"); len(v) != 1 || v[0] != want {
			t.Errorf("attempt %d carried x-attempt %q, want %q", i+1, v, want)
		}
		if v := seen[i].Get("x-mine"); len(v) != 1 || v[0] != "replaced" || seen[i].Get("x-other")[0] != "kept" {
			t.Errorf("attempt %d carried %v", i+1, seen[i])
		}
	}
	if mine.Get("x-mine")[0] != "caller's" || len(mine) != 2 {
		t.Errorf("the caller's metadata became %v", mine)
	}
}

func TestUnary_refusals(t *testing.T) {
	refusal := &enmesh.Error{Code: enmesh.ResourceExhausted, Outcome: enmesh.Neutral, Policy: "limit", Flag: enmesh.FlagRateLimited, RetryAfter: 3 * time.Second, Err: errors.New("rate limited")}
	refuse := func(enmesh.Next) enmesh.Next { return func(context.Context, *enmesh.Call) error { return refusal } }
	gate := &enmeshtest.Gate{Refuse: func(*enmesh.Call) error { return refusal }}
	tests := []struct {
		name  string
		chain []enmesh.Middleware
		gates []enmesh.Gate
		opts  []grpc.CallOption
	}{
		{"above the pick", []enmesh.Middleware{refuse}, nil, nil},
		{"by the endpoint's gate", nil, []enmesh.Gate{gate}, nil},
		{"by the endpoint's gate, wait for ready", nil, []enmesh.Gate{gate}, []grpc.CallOption{grpc.WaitForReady(true)}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			src := &clusters{gates: func(*balance.Endpoint) []enmesh.Gate { return tt.gates }}
			src.apply("ratings", serve(t, &service{}))
			_, client := dial(t, "enmesh:///ratings", enmesh.Fixed(false, tt.chain...), src)
			_, err := client.UnaryCall(testContext(t), &testpb.SimpleRequest{}, tt.opts...)
			if got := status.Code(err); got != codes.ResourceExhausted {
				t.Errorf("code = %v (%v), want ResourceExhausted", got, err)
			}
			if !errors.Is(err, refusal) || enmesh.ErrorOf(err) != refusal {
				t.Errorf("%v does not lead to the refusal", err)
			}
			details := status.Convert(err).Details()
			if len(details) != 1 {
				t.Fatalf("details = %v, want RetryInfo", details)
			}
			if info, ok := details[0].(*errdetails.RetryInfo); !ok || info.GetRetryDelay().AsDuration() != 3*time.Second {
				t.Errorf("details = %v, want RetryInfo of 3 s", details)
			}
		})
	}
}

// What policies rewrite goes on the wire.
func TestUnary_rewritten(t *testing.T) {
	var authority string
	addr := serve(t, &service{unary: func(ctx context.Context, _ *testpb.SimpleRequest) (*testpb.SimpleResponse, error) {
		md, _ := metadata.FromIncomingContext(ctx)
		authority = md.Get(":authority")[0]
		return &testpb.SimpleResponse{}, nil
	}})
	src := &clusters{}
	src.apply("ratings", addr)
	rewrite := func(next enmesh.Next) enmesh.Next {
		return func(ctx context.Context, c *enmesh.Call) error {
			c.Authority = "rewritten:80"
			if c.Path == "/grpc.testing.TestService/CacheableUnaryCall" {
				c.Path = "/grpc.testing.TestService/UnaryCall"
			}
			return next(ctx, c)
		}
	}
	_, client := dial(t, "enmesh:///ratings", enmesh.Fixed(false, rewrite), src)
	for range 2 {
		if _, err := client.CacheableUnaryCall(testContext(t), &testpb.SimpleRequest{}); err != nil {
			t.Fatal(err)
		}
	}
	if authority != "rewritten:80" {
		t.Errorf("authority = %q, want rewritten:80", authority)
	}
}

func TestUnary_answerOfTheChain(t *testing.T) {
	addr := serve(t, &service{unary: func(ctx context.Context, in *testpb.SimpleRequest) (*testpb.SimpleResponse, error) {
		_ = grpc.SetHeader(ctx, metadata.Pairs("from", "handler"))
		_ = grpc.SetTrailer(ctx, metadata.Pairs("after", "all"))
		return &testpb.SimpleResponse{Payload: in.GetPayload()}, nil
	}})
	src := &clusters{}
	src.apply("ratings", addr)
	var header, trailer string
	look := func(next enmesh.Next) enmesh.Next {
		return func(ctx context.Context, c *enmesh.Call) error {
			err := next(ctx, c)
			header, trailer = "", c.Answer.Trailer.Get("After")
			if c.Answer.Header != nil {
				header = c.Answer.Header.Get("From")
				c.Answer.Header.Set("from", "policy")
			}
			return err
		}
	}
	r := enmesh.Fixed(false, look)
	for _, tt := range []struct {
		name string
		opts []meshgrpc.ClientOption
		ask  bool
		want string
	}{
		{"nobody asks", nil, false, ""},
		{"the caller asks", nil, true, "handler"},
		{"the client is told to", []meshgrpc.ClientOption{meshgrpc.WithAnswerHeaders()}, false, "handler"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cc, err := grpc.NewClient("enmesh:///ratings", meshgrpc.NewClient(r, src, tt.opts...).DialOptions()...)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = cc.Close() }()
			var md metadata.MD
			var opts []grpc.CallOption
			if tt.ask {
				opts = append(opts, grpc.Header(&md))
			}
			if _, err := testpb.NewTestServiceClient(cc).UnaryCall(testContext(t), &testpb.SimpleRequest{}, opts...); err != nil {
				t.Fatal(err)
			}
			if header != tt.want || trailer != "all" {
				t.Errorf("the chain saw header %q, trailer %q, want %q and all", header, trailer, tt.want)
			}
			if tt.ask && md.Get("from")[0] != "policy" {
				t.Errorf("the caller's header = %v, want the policy's edit", md)
			}
		})
	}
}

// A panic in the chain goes on to the caller, and every gate has heard of the end.
func TestUnary_panicInTheChain(t *testing.T) {
	gate := &enmeshtest.Gate{}
	src := &clusters{gates: func(*balance.Endpoint) []enmesh.Gate { return []enmesh.Gate{gate} }}
	src.apply("ratings", serve(t, &service{}))
	route, call, attempt := witness()
	after := func(next enmesh.Next) enmesh.Next {
		return func(ctx context.Context, c *enmesh.Call) error { _ = next(ctx, c); panic("after the answer") }
	}
	_, client := dial(t, "enmesh:///ratings", route(false, after), src)
	func() {
		defer func() {
			if recover() == nil {
				t.Error("the panic was swallowed")
			}
		}()
		_, _ = client.EmptyCall(testContext(t), &testpb.Empty{})
	}()
	settled(t, call, attempt, gate)
	if gate.Admits() != 1 {
		t.Errorf("the endpoint's gate admitted %d, want 1", gate.Admits())
	}
}

func TestUnary_madeUpAnswer(t *testing.T) {
	reply := func(enmesh.Next) enmesh.Next {
		return func(_ context.Context, c *enmesh.Call) error { return c.SetReply(&enmesh.Reply{Status: 302}, nil) }
	}
	src := &clusters{}
	_, client := dial(t, "enmesh:///ratings", enmesh.Fixed(false, reply), src)
	if _, err := client.EmptyCall(testContext(t), &testpb.Empty{}); status.Code(err) != codes.Unknown {
		t.Errorf("error = %v, want Unknown: gRPC has no redirect", err)
	}
	if _, err := client.FullDuplexCall(testContext(t)); status.Code(err) != codes.Unknown {
		t.Errorf("stream: error = %v, want Unknown", err)
	}
}
