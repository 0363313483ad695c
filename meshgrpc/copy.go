// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package meshgrpc

import (
	"context"
	"fmt"
	"strings"

	"google.golang.org/protobuf/proto"

	"github.com/enmesh-go/enmesh"
)

// copyLimit is the largest request that is copied, encoded, in bytes.
const copyLimit = 64 << 10

var _ enmesh.Copier = (*unaryCall)(nil)

// Copy makes the call a second time, with a message and metadata of its own: the
// caller may change his when his call is over. A message that is not protobuf, or
// larger than 64 KiB, is not copied, nor is a call to a target that the mesh does not
// resolve: its copy could go nowhere but where the call goes.
func (x *unaryCall) Copy(ctx context.Context, c *enmesh.Call) (*enmesh.Carrier, error) {
	if target := x.cc.Target(); !strings.HasPrefix(target, Scheme+":") {
		return nil, fmt.Errorf("%w: the mesh does not resolve %q", enmesh.ErrNoCopy, target)
	}
	req, ok := x.req.(proto.Message)
	if !ok {
		return nil, fmt.Errorf("%w: its message is a %T", enmesh.ErrNoCopy, x.req)
	}
	if n := proto.Size(req); n > copyLimit {
		return nil, fmt.Errorf("%w: its message, of %d bytes, is larger than %d", enmesh.ErrNoCopy, n, copyLimit)
	}
	reply, err := newLike(x.reply)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", enmesh.ErrNoCopy, err)
	}
	y := &unaryCall{invoker: x.invoker, req: proto.Clone(req), reply: reply}
	y.Duplicate(ctx, y, c)
	y.branch(&x.exchange)
	y.writes = writes{slow: &slowWrites{edited: x.headers().all()}, loaded: true}
	return &y.Carrier, nil
}
