// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package meshgrpc

import (
	"context"
	"runtime/debug"
	"sync/atomic"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/enmesh-go/enmesh"
)

// besideStream is a server-streaming call whose chain runs on a goroutine of its own,
// so that it can be retried while the caller does other things. What the caller asks
// of the answer waits for the chain.
type besideStream struct {
	call    *streamCall
	started atomic.Bool
	done    chan struct{} // closed when the chain has returned; stream and err are final
	stream  grpc.ClientStream
	err     error
}

func newBesideStream(x *streamCall) *besideStream {
	x.beside = true
	return &besideStream{call: x, done: make(chan struct{})}
}

// SendMsg takes the request and starts the chain. The message is not to be changed
// until the answer begins.
func (s *besideStream) SendMsg(m any) error {
	if !s.started.CompareAndSwap(false, true) {
		return status.Error(codes.Internal, "meshgrpc: a second message on a server-streaming call")
	}
	s.call.request = m
	go s.run()
	return nil
}

// run runs the chain. A panic in it becomes the caller's error: nobody could recover
// it here.
func (s *besideStream) run() {
	defer close(s.done)
	s.err = asStatus(enmesh.ErrPanic) // what is left when the chain exits the goroutine
	defer func() {
		if v := recover(); v != nil {
			s.err = asStatus(&enmesh.Error{
				Code: enmesh.Internal, Outcome: enmesh.Failure, Policy: "meshgrpc",
				Err: &enmesh.PanicError{Value: v, Stack: debug.Stack()},
			})
		}
	}()
	s.stream, s.err = s.call.open()
}

// await waits for the chain. A call that was never sent waits for its context.
func (s *besideStream) await() error {
	if !s.started.Load() {
		select {
		case <-s.done:
		case <-s.call.Carrier.Context.Done():
			if !s.started.Load() {
				return status.FromContextError(s.call.Carrier.Context.Err()).Err()
			}
		}
	}
	<-s.done
	return s.err
}

// RecvMsg waits for the chain, then receives.
func (s *besideStream) RecvMsg(m any) error {
	if err := s.await(); err != nil {
		return err
	}
	return s.stream.RecvMsg(m)
}

// Header waits for the chain. It is nil, without an error, when the call failed
// before a header came; RecvMsg tells why.
func (s *besideStream) Header() (metadata.MD, error) {
	if s.await() != nil {
		return nil, nil //nolint:nilerr // as grpc.ClientStream has it: RecvMsg tells
	}
	return s.stream.Header()
}

// Trailer is the trailer, after RecvMsg has returned an error.
func (s *besideStream) Trailer() metadata.MD {
	select {
	case <-s.done:
		if s.stream != nil {
			return s.stream.Trailer()
		}
	default:
	}
	return nil
}

// CloseSend does nothing: SendMsg has said all.
func (s *besideStream) CloseSend() error { return nil }

// Context is the stream's once the answer began, before that the call's.
func (s *besideStream) Context() context.Context {
	select {
	case <-s.done:
		if s.stream != nil {
			return s.stream.Context()
		}
	default:
	}
	return s.call.Carrier.Context
}
