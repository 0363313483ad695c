// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package route

import (
	"context"
	"fmt"

	"github.com/enmesh-go/enmesh"
)

// maxBody bounds the body of a Direct, in bytes, as Istio does.
const maxBody = 1 << 20

// Direct answers calls without sending them (Istio's HTTPDirectResponse).
//
// A gRPC call has no place for such an answer: it fails, with the code that gRPC
// gives an HTTP status (400 is INTERNAL, 401 UNAUTHENTICATED, 403 PERMISSION_DENIED,
// 404 UNIMPLEMENTED, 429, 502, 503 and 504 UNAVAILABLE, the rest UNKNOWN, 200
// included) and with the body, or its first KiB, for its text.
type Direct struct {
	Status int    // 200 to 599; there is no default
	Body   string // at most 1 MiB; it is text/plain unless the header edits say else
}

// Middleware makes the answers; edits, Istio's headers.response, are made to each. It
// stands in the place of retry and all that is below, and fails on a Status or a Body
// out of range.
func (d Direct) Middleware(edits Ops) (enmesh.Middleware, error) {
	if d.Status < 200 || d.Status > 599 {
		return nil, fmt.Errorf("route: direct: %d is no status of an answer: 200 to 599 are", d.Status)
	}
	if len(d.Body) > maxBody {
		return nil, fmt.Errorf("route: direct: the body has %d bytes, at most %d are allowed", len(d.Body), maxBody)
	}
	reply := &enmesh.Reply{Status: d.Status, Header: replyHeader{}}
	if d.Body != "" {
		reply.Header["Content-Type"] = []string{"text/plain"}
		reply.Body = []byte(d.Body)
	}
	newEdits(edits).apply(&enmesh.Call{}, replyHeader(reply.Header))
	text := d.Body
	if text == "" {
		text = fmt.Sprintf("direct response %d", d.Status)
	}
	var web *enmesh.Error
	if code := enmesh.CodeOfStatus(d.Status); code != enmesh.OK {
		web = refusal(code, d.Status, text)
	}
	rpc := refusal(statusInGRPC(d.Status), d.Status, text)
	return func(enmesh.Next) enmesh.Next {
		return func(_ context.Context, c *enmesh.Call) error {
			if c.Protocol == enmesh.GRPC {
				return rpc
			}
			return c.SetReply(reply, web)
		}
	}, nil
}
