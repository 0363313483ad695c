// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package exthttp

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/internal/headername"
	"github.com/enmesh-go/enmesh/security/authz"
)

// policyName is how refusals and decisions name this package.
const policyName = "exthttp"

// FlagDenied is Envoy's response flag for what an external authorizer refused.
const FlagDenied enmesh.Flag = "UAEX"

// What is found in refusals.
var (
	// ErrDenied: the authorizer said no.
	ErrDenied = errors.New("exthttp: denied by the external authorizer")
	// ErrService: the authorizer gave no answer, or a status of 500 and above.
	ErrService = fmt.Errorf("exthttp: the external authorizer did not answer: %w", authz.ErrNoDecision)
)

// errorRefusal is the refusal of calls that nothing is known of.
func errorRefusal(status int) *enmesh.Error {
	return refusal(status, ErrService)
}

// denials are the refusals that need no building: those that carry no more than a status.
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

// deny makes the caller's answer of the authorizer's. A refusal with a status of success
// would be taken for an answer, and is 403.
func (k *Checker) deny(c *enmesh.Call, resp *http.Response, body []byte) error {
	status := resp.StatusCode
	if status < http.StatusMultipleChoices {
		status = http.StatusForbidden
	}
	e := denial(status)
	if c.Protocol == enmesh.GRPC { // its answer is the status, and headers where there are any
		for name, values := range resp.Header {
			if c.Answer.Header != nil && k.passesOn(name) && http.CanonicalHeaderKey(name) != "Content-Type" {
				replace(c.Answer.Header, name, values)
			}
		}
		return e
	}
	r := &enmesh.Reply{Status: status, Header: make(map[string][]string, len(resp.Header)), Body: body}
	for name, values := range resp.Header {
		if k.passesOn(name) {
			r.Header[name] = values
		}
	}
	return c.SetReply(r, e)
}

// passesOn reports whether a refusal has the authorizer's header.
func (k *Checker) passesOn(name string) bool {
	return !headername.OfMessage(name) && k.cfg.denied.Has(name)
}
