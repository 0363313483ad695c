// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package enmesh

// MessageType is the Content-Type of a [Reply] whose Body is a message in the encoding of
// protocol buffers: a unary gRPC client hands it to its caller as the far side's. Any
// other reply is, in gRPC, only its status.
const MessageType = "application/grpc+proto"

// Capturer is what an [Exchange] is as well that can show the request and the answer
// whole (see [Call.RequestBody] and [Call.Capture]).
type Capturer interface {
	// RequestBody is the body, or the message, encoded; false: it cannot be had, or has
	// more than limit bytes.
	RequestBody(limit int) ([]byte, bool)
	// Capture has then called with the answer that is held. It reports false where that
	// is not possible.
	Capture(limit int, then func(*Reply)) bool
}

// RequestBody is the body of the request, or the message of a unary gRPC call in an
// encoding that is the same for equal messages. It reports false where it is larger than
// limit bytes or cannot be had without taking it from the call, as from a stream, or a
// body that is not kept. The bytes are not to be written.
func (c *Call) RequestBody(limit int) ([]byte, bool) {
	w, ok := c.wire.(Capturer)
	if !ok {
		return nil, false
	}
	return w.RequestBody(limit)
}

// Capture has then called with a copy of the answer, once the caller has read it to its
// end: at once for a unary gRPC call, whose copy has the type [MessageType]. It is for
// the chain's goroutine, when next has returned nil; then runs on the caller's, once at
// most, and not for an answer that breaks, is not read whole or is larger than limit
// bytes. Capture reports false where it will surely not run: for streams, upgrades and
// servers.
func (c *Call) Capture(limit int, then func(*Reply)) bool {
	w, ok := c.wire.(Capturer)
	return ok && w.Capture(limit, then)
}
