// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package meshgrpc

import (
	"context"
	"sync/atomic"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

	"github.com/enmesh-go/enmesh"
)

// serverStream is the stream that a handler sees: its context carries the call, and
// what it sends first is the answer's head.
type serverStream struct {
	grpc.ServerStream
	ctx     context.Context //nolint:containedctx // grpc.ServerStream has one
	carrier *enmesh.Carrier
	watcher enmesh.Watcher // nil: nobody
	sizes   *sizes
	headed  atomic.Bool
}

// Context is the chain's.
func (s *serverStream) Context() context.Context { return s.ctx }

// SendHeader sends the header, and with it the answer begins.
func (s *serverStream) SendHeader(md metadata.MD) error {
	s.head()
	return s.ServerStream.SendHeader(md)
}

// SendMsg sends a message; the first one sends the header as well.
func (s *serverStream) SendMsg(m any) error {
	s.head()
	if s.watcher != nil {
		s.watcher.Moved()
	}
	err := s.ServerStream.SendMsg(m)
	if err == nil {
		s.sizes.answer.add(m)
	}
	return err
}

// RecvMsg receives the caller's next message. On a call that is watched it gives up with
// the chain's context, which a policy may end while nothing comes; m is not to be used
// after that.
func (s *serverStream) RecvMsg(m any) error {
	if s.watcher == nil {
		return s.receive(m)
	}
	came := make(chan error, 1)
	go func() { came <- s.receive(m) }() // ends with the stream, when the handler returns
	select {
	case err := <-came:
		if err == nil {
			s.watcher.Moved()
		}
		return err
	case <-s.ctx.Done():
		return asStatus(enmesh.EndOf(s.ctx))
	}
}

// receive receives a message and counts its bytes.
func (s *serverStream) receive(m any) error {
	err := s.ServerStream.RecvMsg(m)
	if err == nil {
		s.sizes.request.add(m)
	}
	return err
}

func (s *serverStream) head() {
	if !s.headed.Load() && s.headed.CompareAndSwap(false, true) {
		s.carrier.Answered(enmesh.Now())
	}
}
