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

	// Of DeltaDiscoveryResponse: the version, type and nonce are as above.
	fieldRemoved = 6
	// Of a Resource in it.
	resourceVersion = 1
	resourceBody    = 2
	resourceName    = 3

	anyTypeURL = 1
	anyValue   = 2
)

// response is a DiscoveryResponse, or a DeltaDiscoveryResponse, that is not marshalled: the resources' bytes are
// written from where they are, once for all streams.
type response struct {
	kind           Kind
	version, nonce string
	bodies         []*anypb.Any
	size           int

	delta           bool
	names, versions []string // of the bodies, in the incremental form
	removed         []string
}

// remove says that there is no such resource.
func (r *response) remove(name string) {
	r.removed = append(r.removed, name)
	r.size += len(name) + 4
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
	for i, b := range r.bodies {
		if r.delta {
			head = appendResource(head, r.names[i], r.versions[i], b)
		} else {
			head = appendAny(protowire.AppendTag(head, fieldResources, protowire.BytesType), b)
		}
		out = append(out, mem.SliceBuffer(head[from:len(head):len(head)]))
		from = len(head)
		if v := b.GetValue(); len(v) > 0 {
			out = append(out, mem.SliceBuffer(v))
		}
	}
	for _, n := range r.removed {
		head = appendString(head, fieldRemoved, n)
	}
	if from < len(head) {
		out = append(out, mem.SliceBuffer(head[from:]))
	}
	return out
}

func appendString(b []byte, field protowire.Number, s string) []byte {
	return protowire.AppendString(protowire.AppendTag(b, field, protowire.BytesType), s)
}

// appendResource writes all of a Resource but its value, which comes last.
func appendResource(head []byte, name, version string, b *anypb.Any) []byte {
	size := protowire.SizeTag(resourceName) + protowire.SizeBytes(len(name)) +
		protowire.SizeTag(resourceVersion) + protowire.SizeBytes(len(version)) +
		protowire.SizeTag(resourceBody) + protowire.SizeBytes(sizeOf(b))
	head = protowire.AppendTag(head, fieldResources, protowire.BytesType)
	head = protowire.AppendVarint(head, uint64(size))
	head = appendString(head, resourceName, name)
	head = appendString(head, resourceVersion, version)
	return appendAny(protowire.AppendTag(head, resourceBody, protowire.BytesType), b)
}

// sizeOf is how many bytes an Any takes, without its tag and length.
func sizeOf(b *anypb.Any) int {
	return protowire.SizeTag(anyTypeURL) + protowire.SizeBytes(len(b.GetTypeUrl())) +
		protowire.SizeTag(anyValue) + protowire.SizeBytes(len(b.GetValue()))
}

// appendAny writes the length of an Any, whose tag is written, and all of it but its value.
func appendAny(head []byte, b *anypb.Any) []byte {
	url, value := b.GetTypeUrl(), b.GetValue()
	head = protowire.AppendVarint(head, uint64(sizeOf(b)))
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
