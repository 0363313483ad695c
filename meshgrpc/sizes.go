// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package meshgrpc

import (
	"sync/atomic"

	"google.golang.org/protobuf/proto"

	"github.com/enmesh-go/enmesh"
)

var (
	_ enmesh.Sizer = (*unaryCall)(nil)
	_ enmesh.Sizer = (*streamCall)(nil)
	_ enmesh.Sizer = (*served)(nil)
)

// prefix is what gRPC puts before each message of a body: a flag and the length.
const prefix = 5

// sizeOf is how many bytes of a body a message is, as it is encoded and before it is
// compressed; negative where it is not protobuf.
func sizeOf(m any) int64 {
	if p, ok := m.(proto.Message); ok {
		return prefix + int64(proto.Size(p))
	}
	return -1
}

// sizeOfReply is sizeOf for the message that a policy has made up in place of an answer, if
// it did.
func sizeOfReply(c *enmesh.Call) (int64, bool) {
	r := c.ReplyFor(nil)
	if r == nil || !isMessage(r) {
		return 0, false
	}
	return prefix + int64(len(r.Body)), true
}

// sizes are the bytes of a stream's messages in both directions.
type sizes struct{ request, answer size }

func (s *sizes) load() (request, answer int64) { return s.request.n.Load(), s.answer.n.Load() }

// size is the sum of the sizes of messages; negative when that of one is not known. One
// goroutine at a time adds, any may load.
type size struct{ n atomic.Int64 }

func (s *size) add(m any) {
	switch n := sizeOf(m); {
	case n < 0:
		s.n.Store(-1)
	case s.n.Load() >= 0:
		s.n.Add(n)
	}
}
