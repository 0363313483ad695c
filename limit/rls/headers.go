// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package rls

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"

	core "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	service "github.com/envoyproxy/go-control-plane/envoy/service/ratelimit/v3"

	"github.com/enmesh-go/enmesh"
)

// header is one that an answer gets.
type header struct{ key, value string }

// headers are those that the answer to the call gets.
func (l *Limiter) headers(answer *service.RateLimitResponse) []header {
	var all []header
	for _, h := range answer.GetResponseHeadersToAdd() {
		if one, ok := headerOfValue(h); ok {
			all = append(all, one)
		}
	}
	if l.cfg.Headers {
		all = append(all, limits(answer)...)
	}
	return all
}

// headerOfValue reads what the service sends; it has text or, since lately, bytes. A name
// of HTTP/2's own is left out, as is what no header can hold.
func headerOfValue(h *core.HeaderValue) (header, bool) {
	value := h.GetValue()
	if value == "" {
		value = string(h.GetRawValue())
	}
	if key := h.GetKey(); key == "" || strings.ContainsAny(key, ": \t\r\n\x00") || strings.ContainsAny(value, "\r\n\x00") {
		return header{}, false
	}
	return header{http.CanonicalHeaderKey(h.GetKey()), value}, true
}

// addTo adds the headers of the service's answer to an answer's, if both are there.
func (l *Limiter) addTo(to enmesh.Header, answer *service.RateLimitResponse) {
	if to == nil || answer == nil {
		return
	}
	for _, h := range l.headers(answer) {
		to.Add(h.key, h.value)
	}
}

// prepare sets the headers that the service wants in the request.
func prepare(c *enmesh.Call, answer *service.RateLimitResponse) {
	for _, h := range answer.GetRequestHeadersToAdd() {
		if one, ok := headerOfValue(h); ok && c.Header != nil {
			c.Header.Add(one.key, one.value)
		}
	}
}

// limits are the X-RateLimit headers of the limit of which least is left, with all
// limits and their windows behind it, as Envoy writes them.
func limits(answer *service.RateLimitResponse) []header {
	var nearest *service.RateLimitResponse_DescriptorStatus
	var windows strings.Builder
	for _, s := range answer.GetStatuses() {
		if s.GetCurrentLimit() == nil {
			continue
		}
		if nearest == nil || s.GetLimitRemaining() < nearest.GetLimitRemaining() {
			nearest = s
		}
		limit := s.GetCurrentLimit()
		if window := unitSeconds[limit.GetUnit()]; window > 0 {
			fmt.Fprintf(&windows, ", %d;w=%d", limit.GetRequestsPerUnit(), window)
			if limit.GetName() != "" {
				fmt.Fprintf(&windows, ";name=%q", limit.GetName())
			}
		}
	}
	if nearest == nil {
		return nil
	}
	return []header{
		{"X-Ratelimit-Limit", strconv.FormatUint(uint64(nearest.GetCurrentLimit().GetRequestsPerUnit()), 10) + windows.String()},
		{"X-Ratelimit-Remaining", strconv.FormatUint(uint64(nearest.GetLimitRemaining()), 10)},
		{"X-Ratelimit-Reset", seconds(nearest.GetDurationUntilReset().AsDuration())},
	}
}

// unitSeconds are the windows, as Envoy counts them.
var unitSeconds = map[service.RateLimitResponse_RateLimit_Unit]int{
	service.RateLimitResponse_RateLimit_SECOND: 1,
	service.RateLimitResponse_RateLimit_MINUTE: 60,
	service.RateLimitResponse_RateLimit_HOUR:   60 * 60,
	service.RateLimitResponse_RateLimit_DAY:    24 * 60 * 60,
	service.RateLimitResponse_RateLimit_WEEK:   7 * 24 * 60 * 60,
	service.RateLimitResponse_RateLimit_MONTH:  30 * 24 * 60 * 60,
	service.RateLimitResponse_RateLimit_YEAR:   365 * 24 * 60 * 60,
}
