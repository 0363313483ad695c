// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package meshhttp

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"strings"

	"github.com/enmesh-go/enmesh"
)

// errForeignBase is about how the program was put together, not about the endpoint.
var errForeignBase = &enmesh.Error{
	Code: enmesh.FailedPrecondition, Outcome: enmesh.Neutral, Unsent: true, Status: http.StatusServiceUnavailable,
	Policy: "meshhttp",
	Err:    errors.New("the endpoint is to be reached over TLS, which needs a base that is nil or an *http.Transport"),
}

// classify explains why an attempt got no answer.
func classify(ctx context.Context, c *enmesh.Call, err error, body *requestBody) *enmesh.Error {
	if e := c.EndOf(ctx); e != nil {
		return e
	}
	if bad := body.failure(); bad != nil {
		return brokenBody(bad)
	}
	if e := enmesh.ErrorOf(err); e != nil {
		return e // a base that is a mesh itself
	}
	switch {
	case unconnected(err):
		return &enmesh.Error{
			Code: enmesh.Unavailable, Outcome: enmesh.Failure, Unsent: true, Flag: enmesh.FlagConnectFailure, Err: err,
		}
	case refusedStream(err), errors.Is(err, errRepeats), errors.Is(err, errStillborn):
		return &enmesh.Error{
			Code: enmesh.Unavailable, Outcome: enmesh.Failure, Unsent: unprocessed(c, err), Flag: enmesh.FlagConnectionEnded, Err: err,
		}
	case closedIdle(err):
		return &enmesh.Error{
			Code: enmesh.Unavailable, Outcome: enmesh.Neutral, Unsent: true, Flag: enmesh.FlagConnectionEnded, Err: err,
		}
	case callersFault(err):
		return &enmesh.Error{Code: enmesh.InvalidArgument, Outcome: enmesh.Neutral, Unsent: true, Err: err}
	case isTimeout(err):
		return &enmesh.Error{
			Code: enmesh.DeadlineExceeded, Outcome: enmesh.Failure, Flag: enmesh.FlagTimeout, Err: err,
		}
	}
	return brokenAnswer(err)
}

// brokenBody is the caller's body failing.
func brokenBody(err error) *enmesh.Error {
	return &enmesh.Error{
		Code: enmesh.Canceled, Outcome: enmesh.Neutral, Flag: enmesh.FlagCallerGone, Policy: "meshhttp",
		Err: &bodyError{err},
	}
}

// bodyError says whose error it is.
type bodyError struct{ err error }

func (e *bodyError) Error() string { return "reading the request's body: " + e.err.Error() }
func (e *bodyError) Unwrap() error { return e.err }

// brokenAnswer is a connection that ended after the request may have been sent.
func brokenAnswer(err error) *enmesh.Error {
	return &enmesh.Error{
		Code: enmesh.Unavailable, Outcome: enmesh.Failure, Flag: enmesh.FlagConnectionEnded, Err: err,
	}
}

// unconnected reports whether err is a connection that never came about, so that
// the request cannot have been sent.
func unconnected(err error) bool {
	var d *dialError
	if errors.As(err, &d) {
		return true
	}
	var op *net.OpError
	if errors.As(err, &op) {
		switch op.Op {
		case "dial", "proxyconnect", "socks connect":
			return true
		case "remote error":
			// Under TLS 1.3 a server refuses the client's certificate when the client
			// has sent its request already; it has not read it.
			return strings.Contains(op.Err.Error(), "certificate")
		}
	}
	var cert *tls.CertificateVerificationError
	var record tls.RecordHeaderError
	if errors.As(err, &cert) || errors.As(err, &record) {
		return true
	}
	text := err.Error()
	return text == "net/http: TLS handshake timeout" || strings.Contains(text, "http2: client conn could not be established")
}

// streamError has the shape of HTTP/2's stream error, which net/http's own type
// converts itself to in errors.As.
type streamError struct {
	StreamID uint32
	Code     uint32
	Cause    error
}

func (e streamError) Error() string { return "stream error" }

// refusedCode is HTTP/2's REFUSED_STREAM (RFC 9113, section 7): the request was not
// processed (section 8.7).
const refusedCode = 7

// unprocessed reports whether the request that was refused, or that net/http wanted to
// repeat, never reached the application: net/http repeats what it knows to be unsent
// or refused, and also, on a connection that proved stale, what is safe to repeat.
func unprocessed(c *enmesh.Call, err error) bool {
	return !errors.Is(err, errRepeats) || !c.Idempotent || c.Method == http.MethodPut || c.Method == http.MethodDelete
}

// refusals are net/http's texts for an HTTP/2 request that its server promised
// not to have processed, or that found no usable connection. The errors have no type,
// and are wrapped without Unwrap where net/http could not repeat the body.
var refusals = [...]string{
	goAway,
	notUsable,
	"; REFUSED_STREAM",
}

// refusedStream reports whether the server has promised that it did not process the
// request.
func refusedStream(err error) bool {
	var se streamError
	if errors.As(err, &se) {
		return se.Code == refusedCode
	}
	text := err.Error()
	if !strings.HasPrefix(text, "http2: ") {
		return false
	}
	for _, t := range refusals {
		if strings.Contains(text, t) {
			return true
		}
	}
	return false
}

const (
	// goAway is net/http's text for a request that a GOAWAY left behind.
	goAway = "http2: Transport received Server's graceful shutdown GOAWAY"

	// notUsable is its text for one whose connection took no more.
	notUsable = "http2: client conn not usable"
)

// wentAway reports whether a GOAWAY left the request behind.
func wentAway(err error) bool { return strings.Contains(err.Error(), goAway) }

// unusable reports whether a connection of HTTP/2 took no more requests, or a GOAWAY left
// this one behind.
func unusable(err error) bool { return wentAway(err) || strings.Contains(err.Error(), notUsable) }

// closedIdle reports whether net/http found that the server had closed a kept
// connection before the request was written to it. Both texts are given only where its
// reader met the end while no answer was expected yet, that is before the request
// began: a server that has ended its side of the connection takes no request from it.
// An end that is met later has no such text and proves nothing. net/http itself
// repeats such requests, but only idempotent ones. Of a new connection they say that its
// server takes none, and another one would tell the same.
func closedIdle(err error) bool {
	switch {
	case errors.Is(err, errUnsent):
		return true
	case errors.Is(err, errStillborn):
		return false
	}
	text := err.Error()
	return text == "http: server closed idle connection" || strings.Contains(text, "readLoopPeekFailLocked: ")
}

// callersFault reports whether net/http found the request itself to be wrong. Its
// errors have no type.
func callersFault(err error) bool {
	text := err.Error()
	return strings.HasPrefix(text, "net/http: invalid ") || strings.HasPrefix(text, "http: invalid ") || strings.HasPrefix(text, "unsupported protocol scheme") ||
		strings.HasPrefix(text, "http: no Host in request URL") || strings.HasPrefix(text, "http: ContentLength=")
}

func isTimeout(err error) bool {
	var t interface{ Timeout() bool }
	return errors.As(err, &t) && t.Timeout()
}
