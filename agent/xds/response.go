// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package xds

import (
	"fmt"

	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/encoding/proto"
	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/types/known/anypb"
)

// Fields of envoy.service.discovery.v3.DiscoveryResponse and of Any.
const (
	fieldVersion   = 1
	fieldResources = 2
	fieldTypeURL   = 4
	fieldNonce     = 5

	anyTypeURL = 1
	anyValue   = 2
)

// response is a DiscoveryResponse that is not marshalled: the resources' bytes are
// written from where they are, once for all streams.
type response struct {
	kind           Kind
	version, nonce string
	bodies         []*anypb.Any
	size           int
}

func (r *response) add(body *anypb.Any) {
	r.bodies = append(r.bodies, body)
	r.size += len(body.GetTypeUrl()) + len(body.GetValue()) + 16
}

// buffers is the message on the wire: what differs between streams is written,
// what does not is pointed to.
func (r *response) buffers() mem.BufferSlice {
	head := make([]byte, 0, 128+len(r.bodies)*96)
	out := make(mem.BufferSlice, 0, 1+2*len(r.bodies))
	head = appendString(head, fieldVersion, r.version)
	head = appendString(head, fieldTypeURL, r.kind.TypeURL())
	head = appendString(head, fieldNonce, r.nonce)
	from := 0
	for _, b := range r.bodies {
		head = appendAny(head, b)
		out = append(out, mem.SliceBuffer(head[from:len(head):len(head)]))
		from = len(head)
		if v := b.GetValue(); len(v) > 0 {
			out = append(out, mem.SliceBuffer(v))
		}
	}
	if from < len(head) {
		out = append(out, mem.SliceBuffer(head[from:]))
	}
	return out
}

func appendString(b []byte, field protowire.Number, s string) []byte {
	return protowire.AppendString(protowire.AppendTag(b, field, protowire.BytesType), s)
}

// appendAny writes all of a resource but its value.
func appendAny(head []byte, b *anypb.Any) []byte {
	url, value := b.GetTypeUrl(), b.GetValue()
	size := protowire.SizeTag(anyTypeURL) + protowire.SizeBytes(len(url)) +
		protowire.SizeTag(anyValue) + protowire.SizeBytes(len(value))
	head = protowire.AppendTag(head, fieldResources, protowire.BytesType)
	head = protowire.AppendVarint(head, uint64(size))
	head = appendString(head, anyTypeURL, url)
	head = protowire.AppendTag(head, anyValue, protowire.BytesType)
	return protowire.AppendVarint(head, uint64(len(value)))
}

// codec is gRPC's own for protocol buffers, which also knows request and response.
type codec struct{ encoding.CodecV2 }

func newCodec() codec { return codec{encoding.GetCodecV2(proto.Name)} }

// Marshal writes a message.
func (c codec) Marshal(v any) (mem.BufferSlice, error) {
	if r, ok := v.(*response); ok {
		return r.buffers(), nil
	}
	b, err := c.CodecV2.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("xds: %w", err)
	}
	return b, nil
}

// Unmarshal reads a message.
func (c codec) Unmarshal(data mem.BufferSlice, v any) error {
	if r, ok := v.(*request); ok {
		b := data.MaterializeToBuffer(mem.DefaultBufferPool())
		defer b.Free()
		return r.read(b.ReadOnlyData())
	}
	if err := c.CodecV2.Unmarshal(data, v); err != nil {
		return fmt.Errorf("xds: %w", err)
	}
	return nil
}
