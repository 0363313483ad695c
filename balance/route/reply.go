// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package route

import (
	"errors"
	"net/textproto"
	"slices"
	"strings"

	"github.com/enmesh-go/enmesh"
)

// maxText bounds what a made-up answer says in a gRPC status, in bytes.
const maxText = 1024

// replyHeader is the header of a made-up answer, while it is made.
type replyHeader map[string][]string

var _ enmesh.Header = replyHeader(nil)

func (h replyHeader) Get(key string) string {
	if vs := h.Values(key); len(vs) > 0 {
		return vs[0]
	}
	return ""
}
func (h replyHeader) Values(key string) []string { return h[textproto.CanonicalMIMEHeaderKey(key)] }
func (h replyHeader) Set(key, value string) {
	h[textproto.CanonicalMIMEHeaderKey(key)] = []string{value}
}
func (h replyHeader) Del(key string) { delete(h, textproto.CanonicalMIMEHeaderKey(key)) }
func (h replyHeader) Add(key, value string) {
	key = textproto.CanonicalMIMEHeaderKey(key)
	h[key] = append(slices.Clip(h[key]), value)
}

// statusInGRPC is what a gRPC call makes of an HTTP status that came without a status
// of gRPC's own (grpc/doc/http-grpc-status-mapping.md). A success is no exception: there is
// no message.
func statusInGRPC(status int) enmesh.Code {
	switch status {
	case 400:
		return enmesh.Internal
	case 401:
		return enmesh.Unauthenticated
	case 403:
		return enmesh.PermissionDenied
	case 404:
		return enmesh.Unimplemented
	case 429, 502, 503, 504:
		return enmesh.Unavailable
	}
	return enmesh.Unknown
}

// refusal is a made-up answer as an error: what it is for gRPC, and from 400 on for
// HTTP inside the chain.
func refusal(code enmesh.Code, status int, text string) *enmesh.Error {
	if len(text) > maxText {
		text = strings.ToValidUTF8(text[:maxText], "")
	}
	return &enmesh.Error{
		Code: code, Outcome: enmesh.Neutral, Unsent: true, Status: status, Policy: "route", Err: errors.New(text),
	}
}
