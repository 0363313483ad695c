// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package meshgrpc

import (
	"fmt"
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/dynamicpb"

	"github.com/enmesh-go/enmesh"
)

// answer is what a policy made up in place of the handler's answer, if it did: the message
// of a unary call, or an error.
func (x *served) answer() error {
	r := x.Call.ReplyFor(nil)
	switch {
	case r == nil:
		return x.flush(nil)
	case x.unary == nil || !isMessage(r):
		return x.flush(replyError(r))
	}
	m, err := messageOf(x.Call.Path, r.Body)
	if err != nil {
		return x.refuse(&enmesh.Error{
			Code: enmesh.Internal, Outcome: enmesh.Neutral, Policy: "meshgrpc", Err: fmt.Errorf("%w: %w", errReplyMessage, err),
		})
	}
	x.resp = m
	for k, values := range r.Header {
		if k = lower(k); k != "content-type" {
			x.adds().header[k] = values
		}
	}
	return x.flush(nil)
}

// messageOf decodes the message that method answers with. Its type is found where generated
// code registers it, since a server's interceptor is not told.
func messageOf(method string, body []byte) (proto.Message, error) {
	name := protoreflect.FullName(strings.Replace(strings.TrimPrefix(method, "/"), "/", ".", 1))
	d, err := protoregistry.GlobalFiles.FindDescriptorByName(name)
	if err != nil {
		return nil, err
	}
	of, ok := d.(protoreflect.MethodDescriptor)
	if !ok {
		return nil, fmt.Errorf("%s is no method", name)
	}
	var m proto.Message = dynamicpb.NewMessage(of.Output())
	if t, err := protoregistry.GlobalTypes.FindMessageByName(of.Output().FullName()); err == nil {
		m = t.New().Interface()
	}
	return m, proto.Unmarshal(body, m)
}
