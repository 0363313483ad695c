// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package meshgrpc_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	testpb "google.golang.org/grpc/interop/grpc_testing"

	"github.com/enmesh-go/enmesh"
)

// inquirer is a gate above the pick that asks the stream, when it has ended, for what
// only somebody who holds none of grpc's locks is told.
type inquirer struct {
	stream atomic.Pointer[grpc.ClientStream]
	asked  chan error
}

func (*inquirer) Admit(context.Context, *enmesh.Call) (enmesh.Token, error) {
	return enmesh.Token{}, nil
}

func (a *inquirer) Done(enmesh.Token, enmesh.Result) {
	s := a.stream.Load()
	if s == nil {
		a.asked <- nil // it ended before it was handed out
		return
	}
	told := make(chan struct{})
	go func() {
		defer close(told)
		_ = (*s).Trailer()
		_ = (*s).Context()
	}()
	select {
	case <-told:
		a.asked <- nil
	case <-time.After(5 * time.Second):
		a.asked <- fmt.Errorf("the stream did not answer: a lock of grpc's is held")
	}
}

// What stands above the pick hears of a stream's end with no lock of grpc's held, so
// that it may look at the stream. Below the pick it is otherwise: see [enmesh.Gate].
func TestStream_endIsToldWithoutLocks(t *testing.T) {
	open := map[string]func(context.Context, testpb.TestServiceClient) (grpc.ClientStream, error){
		"server": func(ctx context.Context, c testpb.TestServiceClient) (grpc.ClientStream, error) {
			return c.StreamingOutputCall(ctx, &testpb.StreamingOutputCallRequest{})
		},
		"client": func(ctx context.Context, c testpb.TestServiceClient) (grpc.ClientStream, error) {
			return c.StreamingInputCall(ctx)
		},
		"bidi": func(ctx context.Context, c testpb.TestServiceClient) (grpc.ClientStream, error) {
			return c.FullDuplexCall(ctx)
		},
	}
	endings := map[string]struct {
		how behave
		end func(s grpc.ClientStream, cancel context.CancelFunc, cc *grpc.ClientConn)
	}{
		"to its end":          {wellBehaved, func(grpc.ClientStream, context.CancelFunc, *grpc.ClientConn) {}},
		"trailers only":       {failAtOnce, func(grpc.ClientStream, context.CancelFunc, *grpc.ClientConn) {}},
		"error in the middle": {failLater, func(grpc.ClientStream, context.CancelFunc, *grpc.ClientConn) {}},
		"cancelled":           {hang, func(_ grpc.ClientStream, cancel context.CancelFunc, _ *grpc.ClientConn) { cancel() }},
		"connection closed":   {hang, func(_ grpc.ClientStream, _ context.CancelFunc, cc *grpc.ClientConn) { _ = cc.Close() }},
	}
	for kind, open := range open {
		for _, resends := range []bool{false, true} {
			for name, ending := range endings {
				t.Run(fmt.Sprintf("%s/resends=%v/%s", kind, resends, name), func(t *testing.T) {
					var how atomic.Int32
					how.Store(int32(ending.how))
					gate := &inquirer{asked: make(chan error, 1)}
					src := &clusters{}
					src.apply("ratings", serve(t, scripted(&how)))
					cc, client := dial(t, "enmesh:///ratings", enmesh.Fixed(resends, enmesh.Guard(gate)), src)
					ctx, cancel := context.WithCancel(testContext(t))
					defer cancel()
					s, err := open(ctx, client)
					if err != nil {
						t.Fatal(err)
					}
					gate.stream.Store(&s)
					ending.end(s, cancel, cc)
					_ = s.CloseSend()
					_ = drain(s.RecvMsg, answerOf(kind))
					select {
					case err := <-gate.asked:
						if err != nil {
							t.Error(err)
						}
					case <-time.After(10 * time.Second):
						t.Error("the gate did not hear of the end")
					}
				})
			}
		}
	}
}

// answerOf makes what a stream of a kind receives into.
func answerOf(kind string) any {
	if kind == "client" {
		return new(testpb.StreamingInputCallResponse)
	}
	return new(testpb.StreamingOutputCallResponse)
}
