// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package meshgrpc

import (
	"errors"
	"fmt"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"

	"github.com/enmesh-go/enmesh"
)

var _ enmesh.Capturer = (*unaryCall)(nil)

// RequestBody is the request message, encoded, if it is protobuf. A call with credentials
// of its own says more than its message and its metadata, and has none.
func (x *unaryCall) RequestBody(limit int) ([]byte, bool) {
	for _, o := range x.opts {
		if _, own := o.(grpc.PerRPCCredsCallOption); own {
			return nil, false
		}
	}
	return encoded(x.req, limit)
}

// Capture hands out the reply message, which is there already.
func (x *unaryCall) Capture(limit int, then func(*enmesh.Reply)) bool {
	if x.inside != nil {
		return false
	}
	body, ok := encoded(x.reply, limit)
	if !ok {
		return false
	}
	then(&enmesh.Reply{Status: 200, Header: map[string][]string{"Content-Type": {enmesh.MessageType}}, Body: body})
	return true
}

// encoded is a message in an encoding that is the same for equal messages.
func encoded(m any, limit int) ([]byte, bool) {
	p, ok := m.(proto.Message)
	if !ok || proto.Size(p) > limit {
		return nil, false
	}
	b, err := proto.MarshalOptions{Deterministic: true}.Marshal(p)
	return b, err == nil
}

// errReplyMessage is why a made-up message cannot be handed out.
var errReplyMessage = errors.New("a policy's made-up message does not fit the call")

// answer gives the caller what came of the call: the message that a policy made up, or
// what the exchange has.
func (x *unaryCall) answer(err error) error {
	if err == nil {
		if r := x.Call.ReplyFor(nil); r != nil && isMessage(r) {
			return x.deliver(r)
		}
	}
	return x.result(err)
}

func isMessage(r *enmesh.Reply) bool {
	values := r.Header["Content-Type"]
	return r.Status == 200 && len(values) == 1 && values[0] == enmesh.MessageType
}

// deliver puts a made-up message, and its header, where the caller wants them.
func (x *unaryCall) deliver(r *enmesh.Reply) error {
	m, ok := x.reply.(proto.Message)
	why := fmt.Errorf("%w: its message is a %T", errReplyMessage, x.reply)
	if ok {
		if why = proto.Unmarshal(r.Body, m); why == nil { // resets m before
			x.heads(r)
			return nil
		}
		why = fmt.Errorf("%w: %w", errReplyMessage, why)
	}
	return asStatus(&enmesh.Error{Code: enmesh.Internal, Outcome: enmesh.Neutral, Policy: "meshgrpc", Err: why})
}

func (x *unaryCall) heads(r *enmesh.Reply) {
	x.forget()
	if x.extras == nil || x.extras.header == nil {
		return
	}
	md := metadata.MD{}
	for k, v := range r.Header {
		if k = strings.ToLower(k); k != "content-type" {
			md[k] = v
		}
	}
	*x.extras.header = md
}
