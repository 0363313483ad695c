// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package meshgrpc_test

import (
	"context"
	"sync/atomic"
	"testing"

	"google.golang.org/grpc"
	testpb "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/balance"
	"github.com/enmesh-go/enmesh/enmeshtest"
)

// Attempts that run at once have places of their own for what they collect; the
// caller gets the winner's, and hears of one end.
func TestUnary_hedged(t *testing.T) {
	stuck := &service{unary: func(ctx context.Context, _ *testpb.SimpleRequest) (*testpb.SimpleResponse, error) {
		_ = grpc.SendHeader(ctx, metadata.Pairs("who", "stuck"))
		<-ctx.Done()
		return nil, ctx.Err()
	}}
	quick := &service{unary: func(ctx context.Context, _ *testpb.SimpleRequest) (*testpb.SimpleResponse, error) {
		_ = grpc.SetHeader(ctx, metadata.Pairs("who", "quick"))
		_ = grpc.SetTrailer(ctx, metadata.Pairs("who", "quick"))
		return &testpb.SimpleResponse{Payload: body("quick")}, nil
	}}
	gate := &enmeshtest.Gate{}
	src := &clusters{gates: func(*balance.Endpoint) []enmesh.Gate { return []enmesh.Gate{gate} }}
	addr := serve(t, quick)
	src.apply("ratings", serve(t, stuck), addr)
	route, call, attempt := witness()
	var winner enmesh.Endpoint
	look := func(next enmesh.Next) enmesh.Next {
		return func(ctx context.Context, c *enmesh.Call) error {
			c.Header.Set("x-shared", "yes")
			err := next(ctx, c)
			winner = c.Endpoint
			return err
		}
	}
	cc, client := dial(t, "enmesh:///ratings", route(true, look, enmeshtest.Race(2)), src)
	warmBoth(t, cc, src)
	before := attempt.Admits()
	for range 20 {
		var header, trailer metadata.MD
		var p peer.Peer
		var ends atomic.Int32
		got, err := client.UnaryCall(testContext(t), &testpb.SimpleRequest{}, grpc.Header(&header), grpc.Trailer(&trailer), grpc.Peer(&p), grpc.OnFinish(func(error) { ends.Add(1) }))
		if err != nil {
			t.Fatal(err)
		}
		if string(got.GetPayload().GetBody()) != "quick" || header.Get("who")[0] != "quick" || trailer.Get("who")[0] != "quick" || p.Addr.String() != addr {
			t.Errorf("got %q, header %v, trailer %v, peer %v", got.GetPayload().GetBody(), header, trailer, p.Addr)
		}
		if ends.Load() != 1 {
			t.Errorf("OnFinish was told %d times, want once", ends.Load())
		}
		if winner == nil || winner.Addr() != addr {
			t.Errorf("the call's endpoint is %v, want %s", winner, addr)
		}
	}
	settled(t, call, attempt, gate)
	if got := attempt.Admits() - before; got != 40 {
		t.Errorf("%d attempts, want 40", got)
	}
}

func TestServerStream_hedged(t *testing.T) {
	stuck := &service{output: func(_ *testpb.StreamingOutputCallRequest, ss testpb.TestService_StreamingOutputCallServer) error {
		<-ss.Context().Done()
		return ss.Context().Err()
	}}
	gate := &enmeshtest.Gate{}
	src := &clusters{gates: func(*balance.Endpoint) []enmesh.Gate { return []enmesh.Gate{gate} }}
	src.apply("ratings", serve(t, stuck), serve(t, &service{}))
	route, call, attempt := witness()
	cc, client := dial(t, "enmesh:///ratings", route(true, enmeshtest.Race(2)), src)
	warmBoth(t, cc, src)
	settled(t, call, attempt, gate)
	before := len(call.Results())
	for range 20 {
		var header metadata.MD
		s, err := client.StreamingOutputCall(testContext(t), &testpb.StreamingOutputCallRequest{Payload: body("hi")}, grpc.Header(&header))
		if err != nil {
			t.Fatal(err)
		}
		m, err := s.Recv()
		if err != nil {
			t.Fatal(err)
		}
		if string(m.GetPayload().GetBody()) != "hi" {
			t.Errorf("message = %q", m.GetPayload().GetBody())
		}
		if err := drain(s.RecvMsg, new(testpb.StreamingOutputCallResponse)); err != nil {
			t.Error(err)
		}
		if len(header) == 0 {
			t.Error("the caller's header is empty")
		}
	}
	settled(t, call, attempt, gate)
	for _, r := range call.Results()[before:] {
		if r.Outcome != enmesh.Success || r.Answered == 0 {
			t.Errorf("the call ended as %+v, want success with a head", r)
		}
	}
}

// warmBoth waits until calls reach both endpoints.
func warmBoth(t *testing.T, cc *grpc.ClientConn, src *clusters) {
	t.Helper()
	ctx, cancel := context.WithCancel(testContext(t))
	defer cancel()
	eventually(t, "both endpoints were reached", func() bool {
		_, _ = testpb.NewTestServiceClient(cc).StreamingInputCall(ctx)
		n := 0
		for _, e := range src.Cluster(enmesh.Destination{Service: "ratings"}, enmesh.GRPC).Set().Endpoints {
			if e.InFlight() > 0 {
				n++
			}
		}
		return n == 2
	})
}
