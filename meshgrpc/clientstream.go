// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package meshgrpc

import (
	"io"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
)

// clientStream is an open stream as the caller sees it. It notes when the answer
// begins, and says why when a policy ended it.
type clientStream struct {
	grpc.ClientStream
	attempt *attempt
}

// RecvMsg receives the next message.
func (s *clientStream) RecvMsg(m any) error {
	if s.attempt.empty {
		return io.EOF
	}
	err := s.ClientStream.RecvMsg(m)
	if err != nil {
		return s.attempt.outside(err)
	}
	s.attempt.head()
	return nil
}

// Header waits for the answer's header.
func (s *clientStream) Header() (metadata.MD, error) {
	md, err := s.ClientStream.Header()
	if err != nil {
		return md, s.attempt.outside(err)
	}
	if md != nil {
		s.attempt.head()
	}
	return md, nil
}
