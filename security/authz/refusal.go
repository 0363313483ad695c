// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package authz

import (
	"errors"
	"net/http"
	"strings"

	"github.com/enmesh-go/enmesh"
)

// FlagExternal is Envoy's flag of a call that an external authorization service refused, or
// that was refused since the service gave no answer.
const FlagExternal enmesh.Flag = "UAEX"

var (
	// ErrDenied is found in every refusal by policy: PermissionDenied, 403 unless hidden,
	// Neutral. The text is Istio's.
	ErrDenied = errors.New("RBAC: access denied")
	// ErrNoDecision is found in the refusal of a call over which nothing could be decided:
	// a Checker failed (Unavailable, 503), or a part of the decision panicked (Internal,
	// 500). The outcome is Failure. A Checker that chooses the answer to its own failure
	// has it in that.
	ErrNoDecision = errors.New("authz: no decision")
)

// The refusals, none of which reached the handler.
var (
	denied = &enmesh.Error{
		Code: enmesh.PermissionDenied, Outcome: enmesh.Neutral, Unsent: true, Status: http.StatusForbidden,
		Policy: "authz", Err: ErrDenied,
	}
	nonexistent = &enmesh.Error{
		Code: enmesh.Unimplemented, Outcome: enmesh.Neutral, Unsent: true, Status: http.StatusNotFound,
		Policy: "authz", Err: ErrDenied,
	}
	unanswered = &enmesh.Error{
		Code: enmesh.Unavailable, Outcome: enmesh.Failure, Unsent: true, Status: http.StatusServiceUnavailable,
		Flag: FlagExternal, Policy: "authz", Err: ErrNoDecision,
	}
	broken = &enmesh.Error{
		Code: enmesh.Internal, Outcome: enmesh.Failure, Unsent: true, Status: http.StatusInternalServerError,
		Policy: "authz", Err: ErrNoDecision,
	}
)

// The answers over HTTP. The one of Hide is that of net/http's NotFound, to the byte.
var (
	deniedReply = &enmesh.Reply{
		Status: http.StatusForbidden, Header: map[string][]string{"Content-Type": {"text/plain"}}, Body: []byte(ErrDenied.Error()),
	}
	nonexistentReply = &enmesh.Reply{
		Status: http.StatusNotFound,
		Header: map[string][]string{"Content-Type": {"text/plain; charset=utf-8"}, "X-Content-Type-Options": {"nosniff"}},
		Body:   []byte("404 page not found\n"),
	}
)

// refuse is the answer to a call that the policies deny.
func (e *Engine) refuse(c *enmesh.Call) error {
	switch {
	case c.Protocol == enmesh.HTTP && e.hide:
		return c.SetReply(nonexistentReply, nonexistent)
	case c.Protocol == enmesh.HTTP:
		return c.SetReply(deniedReply, denied)
	case e.hide:
		return &hidden{c.Path}
	}
	return denied
}

// hidden is a refusal in gRPC that reads as grpc's own does of a method that is not there.
type hidden struct{ path string }

// Error is grpc's text.
func (h *hidden) Error() string {
	service, method, ok := strings.Cut(strings.TrimPrefix(h.path, "/"), "/")
	if !ok {
		return "malformed method name: " + h.path
	}
	return "unknown method " + method + " for service " + service
}

// Unwrap is the refusal as policies see it.
func (h *hidden) Unwrap() error { return nonexistent }
