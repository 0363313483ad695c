// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package tracing

import (
	"context"
	"encoding/hex"

	"go.opentelemetry.io/otel/trace"

	"github.com/enmesh-go/enmesh"
)

// The headers of the W3C trace context, as net/http writes keys: others cost an
// allocation each time they are set.
const (
	parentHeader = "Traceparent"
	stateHeader  = "Tracestate"
)

// The lengths of a version 00 traceparent, and of what is carried at most.
const (
	parentLength   = 55
	maxParent      = 256
	maxStateLength = 2048
)

// carried is a context with the trace context that a server was called with, for
// the calls that its handler makes.
type carried struct {
	context.Context //nolint:containedctx // it is a context
	parent, state   string
}

// carriedKey finds a carried context.
type carriedKey struct{}

// Value finds the carried context itself, then what the parent has.
func (c *carried) Value(key any) any {
	if _, ok := key.(carriedKey); ok {
		return c
	}
	return c.Context.Value(key)
}

// receive is the server's part without an SDK: it keeps what came in.
func receive(next enmesh.Next) enmesh.Next {
	return func(ctx context.Context, c *enmesh.Call) error {
		if c.Header == nil {
			return next(ctx, c)
		}
		parent := c.Header.Get(parentHeader)
		if !valid(parent) {
			return next(ctx, c)
		}
		state := c.Header.Get(stateHeader)
		if len(state) > maxStateLength {
			state = ""
		}
		return next(&carried{ctx, parent, state}, c)
	}
}

// forward is the client's part without an SDK: a span that somebody else started
// goes out; else what a server received; else what the caller wrote itself.
func forward(next enmesh.Next) enmesh.Next {
	return func(ctx context.Context, c *enmesh.Call) error {
		if c.Header != nil {
			if s := trace.SpanContextFromContext(ctx); s.IsValid() {
				write(c.Header, format(s), s.TraceState().String())
			} else if k, ok := ctx.Value(carriedKey{}).(*carried); ok && c.Header.Get(parentHeader) == "" {
				write(c.Header, k.parent, k.state)
			}
		}
		return next(ctx, c)
	}
}

func write(h enmesh.Header, parent, state string) {
	h.Set(parentHeader, parent)
	if state != "" {
		h.Set(stateHeader, state)
	}
}

// format is the traceparent of a span, version 00. It costs the string.
func format(s trace.SpanContext) string {
	var b [parentLength]byte
	traceID, spanID := s.TraceID(), s.SpanID()
	copy(b[:], "00-")
	hex.Encode(b[3:], traceID[:])
	b[35] = '-'
	hex.Encode(b[36:], spanID[:])
	copy(b[52:], "-00")
	if s.IsSampled() {
		b[54] = '1'
	}
	return string(b[:])
}

// valid reports whether a text is a traceparent: version, trace, span and flags in
// lower-case hexadecimal digits, neither id all zeros. A later version than 00 may
// have more after that (https://www.w3.org/TR/trace-context/, 3.2).
func valid(p string) bool {
	if len(p) < parentLength || len(p) > maxParent || p[2] != '-' || p[35] != '-' || p[52] != '-' {
		return false
	}
	version := p[:2]
	if !isHex(version) || version == "ff" || version == "00" && len(p) != parentLength {
		return false
	}
	if len(p) > parentLength && p[parentLength] != '-' {
		return false
	}
	for i := parentLength; i < len(p); i++ {
		if p[i] <= ' ' || p[i] > '~' {
			return false
		}
	}
	return isID(p[3:35]) && isID(p[36:52]) && isHex(p[53:55])
}

// hexDigits is true for lower-case hexadecimal digits.
var hexDigits = func() (digits [256]bool) {
	for _, c := range []byte("0123456789abcdef") {
		digits[c] = true
	}
	return digits
}()

func isHex(s string) bool {
	for i := range len(s) {
		if !hexDigits[s[i]] {
			return false
		}
	}
	return true
}

// isID is isHex, and not all zeros.
func isID(s string) bool {
	for i := range len(s) {
		if s[i] != '0' {
			return isHex(s)
		}
	}
	return false
}
