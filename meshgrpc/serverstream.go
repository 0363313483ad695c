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
	return s.ServerStream.SendMsg(m)
}

func (s *serverStream) head() {
	if !s.headed.Load() && s.headed.CompareAndSwap(false, true) {
		s.carrier.Answered(enmesh.Now())
	}
}
