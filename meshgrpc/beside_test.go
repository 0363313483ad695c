// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package meshgrpc_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	testpb "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/enmesh-go/enmesh"
)

// A server-streaming call on a route that resends is retried until headers arrive,
// and not after.
func TestServerStream_retriesUntilHeaders(t *testing.T) {
	tests := []struct {
		name      string
		headFirst bool
		calls     int32
		code      codes.Code
	}{
		{"before headers", false, 2, codes.OK},
		{"after headers", true, 1, codes.Unavailable},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var calls atomic.Int32
			addr := serve(t, &service{output: func(_ *testpb.StreamingOutputCallRequest, ss testpb.TestService_StreamingOutputCallServer) error {
				if calls.Add(1) == 1 {
					if tt.headFirst {
						_ = ss.SendHeader(metadata.Pairs("head", "yes"))
					}
					ss.SetTrailer(metadata.Pairs("try", "first"))
					return status.Error(codes.Unavailable, "first")
				}
				_ = ss.SendHeader(metadata.Pairs("try", "second"))
				return ss.Send(&testpb.StreamingOutputCallResponse{})
			}})
			route, call, attempt := witness()
			src := &clusters{}
			src.apply("ratings", addr)
			_, client := dial(t, "enmesh:///ratings", route(true, retry(3)), src)
			ended := make(chan error, 2)
			s, err := client.StreamingOutputCall(testContext(t), &testpb.StreamingOutputCallRequest{}, grpc.OnFinish(func(err error) { ended <- err }))
			if err != nil {
				t.Fatal(err)
			}
			header, err := s.Header()
			if err != nil {
				t.Fatal(err)
			}
			if !tt.headFirst && len(header.Get("try")) != 1 {
				t.Errorf("header = %v, want the second attempt's", header)
			}
			err = drain(s.RecvMsg, new(testpb.StreamingOutputCallResponse))
			if status.Code(err) != tt.code {
				t.Errorf("error = %v, want %v", err, tt.code)
			}
			if calls.Load() != tt.calls {
				t.Errorf("the server was called %d times, want %d", calls.Load(), tt.calls)
			}
			settled(t, call, attempt)
			if got := int32(attempt.Admits()); got != tt.calls {
				t.Errorf("%d attempts, want %d", got, tt.calls)
			}
			if err := <-ended; status.Code(err) != tt.code {
				t.Errorf("OnFinish heard %v, want %v", err, tt.code)
			}
			if len(ended) != 0 {
				t.Error("OnFinish was told twice")
			}
		})
	}
}

// A caller opens a watch, acts, and only then receives: the watch must be on the way
// before it receives, and NewStream must not wait for the server's first word.
func TestServerStream_watchActReceive(t *testing.T) {
	for _, resends := range []bool{false, true} {
		t.Run(fmt.Sprintf("resends=%v", resends), func(t *testing.T) {
			acted := make(chan struct{})
			watching := make(chan struct{})
			addr := serve(t, &service{
				output: func(_ *testpb.StreamingOutputCallRequest, ss testpb.TestService_StreamingOutputCallServer) error {
					close(watching)
					select {
					case <-acted:
					case <-ss.Context().Done():
						return ss.Context().Err()
					}
					return ss.Send(&testpb.StreamingOutputCallResponse{})
				},
				unary: func(context.Context, *testpb.SimpleRequest) (*testpb.SimpleResponse, error) {
					<-watching
					close(acted)
					return &testpb.SimpleResponse{}, nil
				},
			})
			route, call, attempt := witness()
			src := &clusters{}
			src.apply("ratings", addr)
			_, client := dial(t, "enmesh:///ratings", route(resends, retry(3)), src)
			ctx := testContext(t)
			s, err := client.StreamingOutputCall(ctx, &testpb.StreamingOutputCallRequest{})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := client.UnaryCall(ctx, &testpb.SimpleRequest{}); err != nil {
				t.Fatal(err)
			}
			if err := drain(s.RecvMsg, new(testpb.StreamingOutputCallResponse)); err != nil {
				t.Error(err)
			}
			settled(t, call, attempt)
		})
	}
}

// A panic on the goroutine of a chain that runs beside the caller is an error there.
func TestServerStream_panicBeside(t *testing.T) {
	route, call, attempt := witness()
	src := &clusters{}
	src.apply("ratings", serve(t, &service{}))
	_, client := dial(t, "enmesh:///ratings", route(true, func(enmesh.Next) enmesh.Next {
		return func(context.Context, *enmesh.Call) error { panic("policy") }
	}), src)
	s, err := client.StreamingOutputCall(testContext(t), &testpb.StreamingOutputCallRequest{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Recv(); status.Code(err) != codes.Internal {
		t.Errorf("error = %v, want Internal", err)
	}
	settled(t, call, attempt)
}

// What policies do to the answer's header is what the caller sees.
func TestServerStream_headerAsPoliciesLeftIt(t *testing.T) {
	addr := serve(t, &service{output: func(_ *testpb.StreamingOutputCallRequest, ss testpb.TestService_StreamingOutputCallServer) error {
		_ = ss.SendHeader(metadata.Pairs("origin", "server", "gone", "yes"))
		return ss.Send(&testpb.StreamingOutputCallResponse{})
	}})
	edit := func(next enmesh.Next) enmesh.Next {
		return func(ctx context.Context, c *enmesh.Call) error {
			err := next(ctx, c)
			c.Answer.Header.Set("origin", "policy")
			c.Answer.Header.Del("gone")
			return err
		}
	}
	src := &clusters{}
	src.apply("ratings", addr)
	_, client := dial(t, "enmesh:///ratings", enmesh.Fixed(true, edit), src)
	s, err := client.StreamingOutputCall(testContext(t), &testpb.StreamingOutputCallRequest{})
	if err != nil {
		t.Fatal(err)
	}
	header, err := s.Header()
	if err != nil || header.Get("origin")[0] != "policy" || len(header.Get("gone")) != 0 {
		t.Errorf("header %v, %v; want it edited", header, err)
	}
	for err == nil {
		_, err = s.Recv()
	}
}
