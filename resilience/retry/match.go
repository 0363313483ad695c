// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package retry

import "github.com/enmesh-go/enmesh"

// wants reports whether o lists the ending e of an attempt of c.
//
// What a policy refused is never wanted, since it would refuse again, nor is a
// destination that is not known or has nobody to go to: as in Envoy, such a call fails
// at once. Every other error is one of three kinds, and each
// condition speaks of one or two of them: an HTTP answer, a gRPC answer, or none.
func (o *On) wants(c *enmesh.Call, e *enmesh.Error) bool {
	switch {
	case e.Policy != "" && e.Outcome == enmesh.Neutral:
		return false
	case e.Flag.Has(enmesh.FlagNoCluster), e.Flag.Has(enmesh.FlagNoRoute), e.Flag.Has(enmesh.FlagNoHealthy):
		return false
	case !answered(e):
		return o.hasCode(e.Code) || o.wantsUnanswered(e)
	case e.Status != 0:
		return o.wantsStatus(c, e.Status)
	}
	return o.wantsAnswer(c, o.hasCode(e.Code))
}

// answered: the far side answered. Where no answer came, the adapter says so by a
// flag, and a policy by its name.
func answered(e *enmesh.Error) bool { return e.Policy == "" && e.Flag == "" }

func (o *On) wantsStatus(c *enmesh.Call, status int) bool {
	listed := o.statuses.Has(status) ||
		status >= 500 && o.has(on5xx) ||
		status >= 502 && status <= 504 && o.has(onGatewayError) ||
		status == 409 && o.has(onRetriable4xx)
	return o.wantsAnswer(c, listed)
}

// The headers by which an Envoy in front of the far side speaks about retries.
const (
	headerOverloaded  = "X-Envoy-Overloaded"
	headerRateLimited = "X-Envoy-Ratelimited"
)

// wantsAnswer lets the answer's headers overrule what is listed, as in Envoy: an
// overloaded far side is left alone, a rate-limited one unless that is listed.
func (o *On) wantsAnswer(c *enmesh.Call, listed bool) bool {
	h := c.Answer.Header
	switch {
	case h == nil:
		return listed
	case h.Get(headerOverloaded) != "":
		return false
	case h.Get(headerRateLimited) != "":
		return o.has(onRateLimited)
	}
	return listed
}

// wantsUnanswered is for attempts that failed on the way or in time.
func (o *On) wantsUnanswered(e *enmesh.Error) bool {
	if o.has(on5xx | onGatewayError | onReset) {
		return true
	}
	if !e.Unsent {
		return false
	}
	refused := !e.Flag.Has(enmesh.FlagConnectFailure)
	return o.has(onResetBeforeRequest) || refused && o.has(onRefusedStream) || !refused && o.has(onConnectFailure)
}

// consents reports whether the operator has agreed that a call which may have
// reached the application is sent again: by listing the gRPC code that it was
// answered with. An HTTP status is no consent.
func (o *On) consents(e *enmesh.Error) bool {
	return answered(e) && e.Status == 0 && o.hasCode(e.Code)
}
