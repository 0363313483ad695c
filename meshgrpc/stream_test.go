// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package meshgrpc_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	testpb "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/balance"
	"github.com/enmesh-go/enmesh/enmeshtest"
)

// behave is how the test service ends a stream.
type behave int32

const (
	wellBehaved behave = iota
	failAtOnce         // trailers only
	emptyOK            // trailers only, and a success
	failLater          // after a message
	hang               // until the call is over
)

func scripted(how *atomic.Int32) *service {
	end := func(ctx context.Context, send func() error) error {
		switch behave(how.Load()) {
		case failAtOnce:
			return status.Error(codes.Unavailable, "at once")
		case emptyOK:
			return nil
		case failLater:
			if err := send(); err != nil {
				return err
			}
			return status.Error(codes.Unavailable, "later")
		case hang:
			if err := send(); err != nil {
				return err
			}
			<-ctx.Done()
			return ctx.Err()
		}
		return send()
	}
	return &service{
		output: func(_ *testpb.StreamingOutputCallRequest, ss testpb.TestService_StreamingOutputCallServer) error {
			return end(ss.Context(), func() error { return ss.Send(&testpb.StreamingOutputCallResponse{}) })
		},
		input: func(ss testpb.TestService_StreamingInputCallServer) error {
			return end(ss.Context(), func() error {
				if behave(how.Load()) != wellBehaved {
					return ss.SendHeader(metadata.Pairs("head", "yes"))
				}
				return ss.SendAndClose(&testpb.StreamingInputCallResponse{})
			})
		},
		duplex: func(ss testpb.TestService_FullDuplexCallServer) error {
			return end(ss.Context(), func() error { return ss.Send(&testpb.StreamingOutputCallResponse{}) })
		},
	}
}

// kinds open a stream of each kind and give what reads it to the end.
var kinds = map[string]func(context.Context, testpb.TestServiceClient) (read func() error, err error){
	"server": func(ctx context.Context, c testpb.TestServiceClient) (func() error, error) {
		s, err := c.StreamingOutputCall(ctx, &testpb.StreamingOutputCallRequest{})
		if err != nil {
			return nil, err
		}
		return func() error { return drain(s.RecvMsg, new(testpb.StreamingOutputCallResponse)) }, nil
	},
	"client": func(ctx context.Context, c testpb.TestServiceClient) (func() error, error) {
		s, err := c.StreamingInputCall(ctx)
		if err != nil {
			return nil, err
		}
		return func() error {
			if err := s.Send(&testpb.StreamingInputCallRequest{}); err != nil && !errors.Is(err, io.EOF) {
				return err
			}
			_, err := s.CloseAndRecv()
			return err
		}, nil
	},
	"bidi": func(ctx context.Context, c testpb.TestServiceClient) (func() error, error) {
		s, err := c.FullDuplexCall(ctx)
		if err != nil {
			return nil, err
		}
		return func() error { return drain(s.RecvMsg, new(testpb.StreamingOutputCallResponse)) }, nil
	},
}

// drain receives until the stream ends; a good end is nil.
func drain(recv func(any) error, m any) error {
	for {
		if err := recv(m); err != nil {
			if errors.Is(err, io.EOF) {
				return nil
			}
			return err
		}
	}
}

// Every kind of stream, in both modes, ended in every way: each gate hears of one end
// for each admission, with the right outcome.
func TestStream_endings(t *testing.T) {
	tests := []struct {
		name    string
		how     behave
		end     func(t *testing.T, cancel context.CancelFunc, cc *grpc.ClientConn, read func() error) error
		code    codes.Code
		outcome enmesh.Outcome // of the call
		neutral bool           // or Neutral: by race
	}{
		{"to its end", wellBehaved, nil, codes.OK, enmesh.Success, false},
		{"trailers only", failAtOnce, nil, codes.Unavailable, enmesh.Failure, false},
		{"error in the middle", failLater, nil, codes.Unavailable, enmesh.Failure, false},
		{"cancelled", hang, func(_ *testing.T, cancel context.CancelFunc, _ *grpc.ClientConn, read func() error) error {
			go func() { cancel() }()
			return read()
		}, codes.Canceled, enmesh.Neutral, false},
		{"abandoned", hang, func(_ *testing.T, cancel context.CancelFunc, _ *grpc.ClientConn, _ func() error) error {
			cancel()
			return status.Error(codes.Canceled, "")
		}, codes.Canceled, enmesh.Neutral, false},
		{"connection closed", hang, func(_ *testing.T, _ context.CancelFunc, cc *grpc.ClientConn, read func() error) error {
			_ = cc.Close()
			if status.Code(read()) == codes.OK {
				return nil
			}
			return status.Error(codes.Canceled, "") // or Unavailable: by race
		}, codes.Canceled, enmesh.Failure, true},
	}
	for kind, open := range kinds {
		for _, resends := range []bool{false, true} {
			for _, tt := range tests {
				t.Run(fmt.Sprintf("%s/resends=%v/%s", kind, resends, tt.name), func(t *testing.T) {
					var how atomic.Int32
					how.Store(int32(tt.how))
					route, call, attempt := witness()
					gate := &enmeshtest.Gate{}
					src := &clusters{gates: func(*balance.Endpoint) []enmesh.Gate { return []enmesh.Gate{gate} }}
					src.apply("ratings", serve(t, scripted(&how)))
					cc, client := dial(t, "enmesh:///ratings", route(resends), src)
					ctx, cancel := context.WithCancel(testContext(t))
					defer cancel()
					read, err := open(ctx, client)
					if err == nil {
						if tt.end == nil {
							err = read()
						} else {
							err = tt.end(t, cancel, cc, read)
						}
					}
					if got := status.Code(err); got != tt.code {
						t.Errorf("code = %v (%v), want %v", got, err, tt.code)
					}
					eventually(t, "the chain has begun", func() bool { return call.Admits() == 1 })
					settled(t, call, attempt, gate)
					for i, g := range []*enmeshtest.Gate{call, attempt, gate} {
						for _, o := range g.Outcomes() {
							if o != tt.outcome && !(tt.neutral && o == enmesh.Neutral) {
								t.Errorf("gate %d: outcome = %v, want %v", i, o, tt.outcome)
							}
						}
					}
					if call.Admits() != 1 {
						t.Errorf("%d calls were admitted, want 1", call.Admits())
					}
				})
			}
		}
	}
}

func TestStream_deadline(t *testing.T) {
	for kind, open := range kinds {
		for _, resends := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/resends=%v", kind, resends), func(t *testing.T) {
				var how atomic.Int32
				how.Store(int32(hang))
				route, call, attempt := witness()
				src := &clusters{}
				src.apply("ratings", serve(t, scripted(&how)))
				_, client := dial(t, "enmesh:///ratings", route(resends), src)
				ctx, cancel := context.WithTimeout(context.Background(), 150*time.Millisecond)
				defer cancel()
				read, err := open(ctx, client)
				if err == nil {
					err = read()
				}
				if got := status.Code(err); got != codes.DeadlineExceeded {
					t.Errorf("code = %v (%v), want DeadlineExceeded", got, err)
				}
				settled(t, call, attempt)
				for _, o := range append(call.Outcomes(), attempt.Outcomes()...) {
					if o != enmesh.Neutral {
						t.Errorf("outcome = %v, want neutral: the caller's deadline was short", o)
					}
				}
			})
		}
	}
}

func TestServerStream_emptyAnswer(t *testing.T) {
	var how atomic.Int32
	how.Store(int32(emptyOK))
	route, call, attempt := witness()
	src := &clusters{}
	src.apply("ratings", serve(t, scripted(&how)))
	_, client := dial(t, "enmesh:///ratings", route(true, retry(3)), src)
	s, err := client.StreamingOutputCall(testContext(t), &testpb.StreamingOutputCallRequest{})
	if err != nil {
		t.Fatal(err)
	}
	m := &testpb.StreamingOutputCallResponse{Payload: body("mine")}
	for range 2 {
		if err := s.RecvMsg(m); !errors.Is(err, io.EOF) {
			t.Errorf("RecvMsg = %v, want io.EOF", err)
		}
	}
	if string(m.GetPayload().GetBody()) != "mine" {
		t.Error("the caller's message was touched")
	}
	settled(t, call, attempt)
	if got := call.Outcomes(); len(got) != 1 || got[0] != enmesh.Success {
		t.Errorf("outcomes = %v, want one success", got)
	}
}

// A stream cancelled while it is being opened may end before its chain has returned.
func TestBidi_cancelledWhileOpening(t *testing.T) {
	route, call, attempt := witness()
	gate := &enmeshtest.Gate{}
	src := &clusters{gates: func(*balance.Endpoint) []enmesh.Gate { return []enmesh.Gate{gate} }}
	src.apply("ratings", serve(t, &service{}))
	_, client := dial(t, "enmesh:///ratings", route(true, retry(2)), src)
	if _, err := client.EmptyCall(testContext(t), &testpb.Empty{}); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for i := range 200 {
		ctx, cancel := context.WithCancel(testContext(t))
		wg.Go(func() {
			pause(time.Duration(i) * time.Microsecond)
			cancel()
		})
		if s, err := client.FullDuplexCall(ctx); err == nil {
			_ = s.Send(&testpb.StreamingOutputCallRequest{})
		}
	}
	wg.Wait()
	settled(t, call, attempt, gate)
}

func TestStream_openIsRetried(t *testing.T) {
	var calls atomic.Int32
	refuseOnce := &enmesh.Error{Code: enmesh.Unavailable, Outcome: enmesh.Neutral, Policy: "test", Unsent: true}
	gate := &enmeshtest.Gate{Refuse: func(*enmesh.Call) error {
		if calls.Add(1) == 1 {
			return refuseOnce
		}
		return nil
	}}
	route, call, attempt := witness()
	src := &clusters{gates: func(*balance.Endpoint) []enmesh.Gate { return []enmesh.Gate{gate} }}
	src.apply("ratings", serve(t, &service{}))
	_, client := dial(t, "enmesh:///ratings", route(true, retry(3)), src)
	s, err := client.StreamingInputCall(testContext(t))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Send(&testpb.StreamingInputCallRequest{}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.CloseAndRecv(); err != nil {
		t.Error(err)
	}
	settled(t, call, attempt, gate)
	if attempt.Admits() != 2 {
		t.Errorf("%d attempts, want 2", attempt.Admits())
	}
}

// A policy that refuses the answer after the stream was opened leaves no stream open.
func TestStream_refusedAfterOpening(t *testing.T) {
	var how atomic.Int32
	how.Store(int32(hang))
	refusal := &enmesh.Error{Code: enmesh.FailedPrecondition, Outcome: enmesh.Neutral, Policy: "test"}
	route, call, attempt := witness()
	src := &clusters{}
	src.apply("ratings", serve(t, scripted(&how)))
	after := func(next enmesh.Next) enmesh.Next {
		return func(ctx context.Context, c *enmesh.Call) error {
			if err := next(ctx, c); err != nil {
				return err
			}
			return refusal
		}
	}
	_, client := dial(t, "enmesh:///ratings", route(false, after), src)
	_, err := client.FullDuplexCall(testContext(t))
	if status.Code(err) != codes.FailedPrecondition || !errors.Is(err, refusal) {
		t.Errorf("error = %v, want the refusal", err)
	}
	settled(t, call)
	settled(t, attempt)
}

// A long answer does not count as latency: the head does.
func TestStream_latencyIsTheHeads(t *testing.T) {
	for _, resends := range []bool{false, true} {
		release := make(chan struct{})
		addr := serve(t, &service{output: func(_ *testpb.StreamingOutputCallRequest, ss testpb.TestService_StreamingOutputCallServer) error {
			if err := ss.Send(&testpb.StreamingOutputCallResponse{}); err != nil {
				return err
			}
			<-release
			return nil
		}})
		src := &clusters{}
		src.apply("ratings", addr)
		route, call, attempt := witness()
		_, client := dial(t, "enmesh:///ratings", route(resends), src)
		start := time.Now()
		s, err := client.StreamingOutputCall(testContext(t), &testpb.StreamingOutputCallRequest{})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Recv(); err != nil {
			t.Fatal(err)
		}
		head := time.Since(start)
		time.AfterFunc(300*time.Millisecond, func() { close(release) })
		if _, err := s.Recv(); !errors.Is(err, io.EOF) {
			t.Errorf("the stream ended with %v", err)
		}
		settled(t, call, attempt)
		eventually(t, "the call has ended", func() bool { return len(call.Results()) == 1 })
		e := src.Cluster(enmesh.Destination{Service: "ratings"}, enmesh.GRPC).Set().Endpoints[0]
		if got := e.Latency(); got <= 0 || got > head {
			t.Errorf("latency = %v, want the head's, which was there after %v", got, head)
		}
		r := call.Results()[0]
		if r.Answered == 0 || r.Ended.Sub(r.Answered) < 250*time.Millisecond {
			t.Errorf("the stream ran %v after its head, want 300 ms", r.Ended.Sub(r.Answered))
		}
	}
}
