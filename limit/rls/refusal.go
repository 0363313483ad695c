// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package rls

import (
	"errors"
	"strconv"
	"time"

	service "github.com/envoyproxy/go-control-plane/envoy/service/ratelimit/v3"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/limit"
)

// ErrService is found in refusals of calls that the service said nothing about. The
// refusal is an *enmesh.Error: Unavailable, Config.StatusOnError, RLSE, Neutral.
var ErrService = errors.New("the rate limit service did not answer")

// FlagService is Envoy's response flag for it.
const FlagService enmesh.Flag = "RLSE"

func errorRefusal(status int) *enmesh.Error {
	return &enmesh.Error{
		Code:    enmesh.Unavailable,
		Outcome: enmesh.Neutral,
		Unsent:  true,
		Status:  status,
		Flag:    FlagService,
		Policy:  "rls",
		Err:     ErrService,
	}
}

// refuse makes the refusal of an answer, and for HTTP the reply that has its headers and
// body. [limit.ErrLimited] is found in it.
func (l *Limiter) refuse(c *enmesh.Call, answer *service.RateLimitResponse) error {
	e := &enmesh.Error{
		Code:       enmesh.ResourceExhausted,
		Outcome:    enmesh.Neutral,
		Unsent:     true,
		Status:     l.cfg.Status,
		Flag:       enmesh.FlagRateLimited,
		Policy:     "rls",
		RetryAfter: resetOf(answer),
		Err:        limit.ErrLimited,
	}
	if c.Protocol == enmesh.GRPC { // its answer is the status, and headers where there are any
		l.addTo(c.Answer.Header, answer)
		return e
	}
	headers := l.headers(answer)
	if len(headers) == 0 && len(answer.GetRawBody()) == 0 {
		return e
	}
	r := &enmesh.Reply{Status: e.Status, Header: map[string][]string{}, Body: answer.GetRawBody()}
	if e.RetryAfter > 0 {
		r.Header["Retry-After"] = []string{seconds(e.RetryAfter)}
	}
	for _, h := range headers {
		r.Header[h.key] = append(r.Header[h.key], h.value)
	}
	return c.SetReply(r, e)
}

// resetOf is when the last of the limits that are reached begins anew.
func resetOf(answer *service.RateLimitResponse) time.Duration {
	var after time.Duration
	for _, s := range answer.GetStatuses() {
		if s.GetCode() == service.RateLimitResponse_OVER_LIMIT {
			after = max(after, s.GetDurationUntilReset().AsDuration())
		}
	}
	return after
}

// seconds rounds up.
func seconds(d time.Duration) string {
	return strconv.FormatInt(int64((d+time.Second-1)/time.Second), 10)
}
