// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package extgrpc

import (
	"errors"
	"fmt"
	"net/http"

	core "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	auth "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/internal/headername"
	"github.com/enmesh-go/enmesh/security/authz"
)

// policyName is how refusals and decisions name this package.
const policyName = "extgrpc"

// FlagDenied is Envoy's response flag for what an external authorizer refused.
const FlagDenied enmesh.Flag = "UAEX"

// What is found in refusals.
var (
	// ErrDenied: the authorizer said no.
	ErrDenied = errors.New("extgrpc: denied by the external authorizer")
	// ErrService: the authorizer gave no answer, or one that says nothing.
	ErrService = fmt.Errorf("extgrpc: the external authorizer did not answer: %w", authz.ErrNoDecision)
)

// Refusals that need no building, by status.
var denials = map[int]*enmesh.Error{
	http.StatusUnauthorized: refusal(http.StatusUnauthorized, ErrDenied),
	http.StatusForbidden:    refusal(http.StatusForbidden, ErrDenied),
}

// denial is the refusal with a status.
func denial(status int) *enmesh.Error {
	if e := denials[status]; e != nil {
		return e
	}
	return refusal(status, ErrDenied)
}

// refusal is the caller's fault, so that nobody's breaker counts it. What has no code of
// its own, as a redirection, is a permission that is missing.
func refusal(status int, cause error) *enmesh.Error {
	code := enmesh.PermissionDenied
	if status >= http.StatusBadRequest {
		code = enmesh.CodeOfStatus(status)
	}
	return &enmesh.Error{
		Code: code, Outcome: enmesh.Neutral, Unsent: true, Status: status, Flag: FlagDenied, Policy: policyName, Err: cause,
	}
}

// statusOf is the HTTP status of a denial: the authorizer's, else what its code stands for
// when that is the caller's fault, else 403. A status of success would be taken for an
// answer, and is 403.
func statusOf(answer *auth.CheckResponse) int {
	if status := int(answer.GetDeniedResponse().GetStatus().GetCode()); status != 0 {
		if status < http.StatusMultipleChoices || status > 599 {
			return http.StatusForbidden
		}
		return status
	}
	code := enmesh.Code(answer.GetStatus().GetCode())
	if enmesh.OutcomeOfCode(code) == enmesh.Neutral && code != enmesh.Canceled {
		return enmesh.StatusOfCode(code)
	}
	return http.StatusForbidden
}

// deny makes the caller's answer of the authorizer's.
func (k *Checker) deny(c *enmesh.Call, answer *auth.CheckResponse) error {
	denied := answer.GetDeniedResponse()
	e := denial(statusOf(answer))
	if c.Protocol == enmesh.GRPC { // its answer is the status, and headers where there are any
		if c.Answer.Header != nil {
			for _, h := range denied.GetHeaders() {
				set(c.Answer.Header, h)
			}
		}
		return e
	}
	if len(denied.GetHeaders()) == 0 && denied.GetBody() == "" {
		return e
	}
	r := &enmesh.Reply{Status: e.Status, Header: map[string][]string{}, Body: []byte(denied.GetBody())}
	for _, h := range denied.GetHeaders() {
		reply(r.Header, h)
	}
	return c.SetReply(r, e)
}

// reply adds a header to a refusal; one that comes twice, as Set-Cookie may, has both
// values.
func reply(to map[string][]string, h *core.HeaderValueOption) {
	name, value := h.GetHeader().GetKey(), valueOf(h.GetHeader())
	if !settable(name) || !headername.ValidValue(value) {
		return
	}
	name = http.CanonicalHeaderKey(name)
	to[name] = append(to[name], value)
}
