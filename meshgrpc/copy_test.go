// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package meshgrpc_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	testpb "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/metadata"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/meshgrpc"
)

// twin copies every call; the copy, or why there is none, is left for the test.
func twin(copies chan<- *enmesh.Carrier, refusals chan<- error) enmesh.Middleware {
	return func(next enmesh.Next) enmesh.Next {
		return func(ctx context.Context, c *enmesh.Call) error {
			c.Header.Set("x-policy", "1")
			k, err := c.Copy(context.Background())
			if err != nil {
				refusals <- err
				return next(ctx, c)
			}
			k.Call.Header.Set("x-copy", "1")
			k.Call.Authority += "-shadow"
			copies <- k
			return next(ctx, c)
		}
	}
}

func TestUnary_copyIsACallOfItsOwn(t *testing.T) {
	type seen struct{ copied, own, policy, authority, text string }
	calls := make(chan seen, 2)
	one := func(md metadata.MD, key string) string { return strings.Join(md.Get(key), ",") }
	server := &service{unary: func(ctx context.Context, in *testpb.SimpleRequest) (*testpb.SimpleResponse, error) {
		md, _ := metadata.FromIncomingContext(ctx)
		calls <- seen{one(md, "x-copy"), one(md, "x-own"), one(md, "x-policy"), one(md, ":authority"), string(in.GetPayload().GetBody())}
		_ = grpc.SetHeader(ctx, metadata.Pairs("copied", one(md, "x-copy")))
		return &testpb.SimpleResponse{Payload: in.GetPayload()}, nil
	}}
	src := &clusters{}
	src.apply("ratings", serve(t, server))
	route, call, attempt := witness()
	copies, refusals := make(chan *enmesh.Carrier, 1), make(chan error, 1)
	_, client := dial(t, "enmesh:///ratings", route(true, twin(copies, refusals)), src)
	for _, extra := range [][]string{nil, {"x-policy", "caller's"}} { // a header that is added, and one that is replaced
		ctx := metadata.AppendToOutgoingContext(testContext(t), append([]string{"x-own", "mine"}, extra...)...)
		in := &testpb.SimpleRequest{Payload: body("text")}
		var header metadata.MD
		out, err := client.UnaryCall(ctx, in, grpc.Header(&header))
		if err != nil {
			t.Fatal(err)
		}
		if got := <-calls; got != (seen{"", "mine", "1", "ratings", "text"}) {
			t.Errorf("the call was %+v", got)
		}
		in.Payload.Body[0] = '#' // the caller has the message back
		k := <-copies
		k.Enter(route(false))
		err = k.Run()
		k.Finish(err)
		if got := <-calls; err != nil || got != (seen{"1", "mine", "1", "ratings-shadow", "text"}) {
			t.Errorf("the copy was %+v, %v", got, err)
		}
		if one(header, "copied") != "" || string(out.GetPayload().GetBody()) != "text" {
			t.Errorf("the copy's answer is the caller's: %v, %q", header, out.GetPayload().GetBody())
		}
	}
	settled(t, call, attempt)
}

// A copy would be sent to the very target of the call, and do everything twice.
func TestUnary_foreignTargetsAreNotCopied(t *testing.T) {
	addr := serve(t, &service{})
	copies, refusals := make(chan *enmesh.Carrier, 1), make(chan error, 1)
	c := meshgrpc.NewClient(enmesh.Fixed(false, twin(copies, refusals)), nil)
	cc, err := grpc.NewClient("passthrough:///"+addr, grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithChainUnaryInterceptor(c.Unary()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cc.Close() })
	if _, err := testpb.NewTestServiceClient(cc).EmptyCall(testContext(t), &testpb.Empty{}); err != nil {
		t.Fatal(err)
	}
	if err := <-refusals; !errors.Is(err, enmesh.ErrNoCopy) {
		t.Errorf("copied with %v, want ErrNoCopy", err)
	}
}

func TestUnary_whatCannotBeCopied(t *testing.T) {
	src := &clusters{}
	src.apply("ratings", serve(t, &service{}))
	copies, refusals := make(chan *enmesh.Carrier, 1), make(chan error, 1)
	_, client := dial(t, "enmesh:///ratings", enmesh.Fixed(false, twin(copies, refusals)), src)
	if _, err := client.UnaryCall(testContext(t), &testpb.SimpleRequest{Payload: body(strings.Repeat("x", 65<<10))}); err != nil {
		t.Fatal(err)
	}
	if err := <-refusals; !errors.Is(err, enmesh.ErrNoCopy) {
		t.Errorf("a large message: %v, want ErrNoCopy", err)
	}
	stream, err := client.FullDuplexCall(testContext(t))
	if err != nil {
		t.Fatal(err)
	}
	if err := <-refusals; !errors.Is(err, enmesh.ErrNoCopy) {
		t.Errorf("a stream: %v, want ErrNoCopy", err)
	}
	if err := stream.CloseSend(); err != nil {
		t.Error(err)
	}
	_, _ = stream.Recv()
}
