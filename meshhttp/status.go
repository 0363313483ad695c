// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package meshhttp

import (
	"errors"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/enmesh-go/enmesh"
)

// maxRetryAfter bounds what a Retry-After header may ask for; a longer one reads
// as this long.
const maxRetryAfter = 24 * time.Hour

// statusErrors has one shared error for each status from 400 to 599: saying that
// an answer is an error costs nothing.
var statusErrors = makeStatusErrors()

func makeStatusErrors() (errs [200]*enmesh.Error) {
	for i := range errs {
		errs[i] = newStatusError(400 + i)
	}
	return errs
}

func newStatusError(status int) *enmesh.Error {
	code := enmesh.CodeOfStatus(status)
	text := http.StatusText(status)
	if text == "" {
		text = "unknown status"
	}
	return &enmesh.Error{
		Code:    code,
		Outcome: enmesh.OutcomeOfCode(code),
		Status:  status,
		Err:     errors.New("meshhttp: status " + strconv.Itoa(status) + " " + text),
	}
}

// RetryHeader is on an answer whose call must not be sent again, with the value "never":
// it was tried often enough further on, or refused by a policy that says so (a negative
// enmesh.Error.RetryAfter). A Handler writes it, and retries at every hop heed it. It is
// what a trailer grpc-retry-pushback-ms of -1 is in gRPC.
const (
	RetryHeader = "Enmesh-Retry"
	retryNever  = "never"
)

// discourages reports whether a failure with that status is one that a caller might want
// to send again.
func discourages(status int) bool { return status >= 500 || status == http.StatusTooManyRequests }

// statusError is the error of an answer with that status and header, or nil below
// 400. It is shared unless the header speaks of retries.
func statusError(status int, h http.Header) *enmesh.Error {
	if status < 400 {
		return nil
	}
	var e *enmesh.Error
	if status < 600 {
		e = statusErrors[status-400]
	} else {
		e = newStatusError(status)
	}
	if v := h[RetryHeader]; len(v) > 0 && v[0] == retryNever {
		own := *e
		own.RetryAfter = -1
		return &own
	}
	if v := h["Retry-After"]; len(v) > 0 {
		if d, ok := parseRetryAfter(v[0], time.Now); ok && d != 0 {
			own := *e
			own.RetryAfter = d
			return &own
		}
	}
	return e
}

// parseRetryAfter reads a Retry-After value: whole seconds or an HTTP date
// (RFC 9110, section 10.2.3). A date that has passed is zero. It reports false for
// anything else. Negative seconds, which no standard has, are as in gRPC's pushback: -1.
func parseRetryAfter(v string, now func() time.Time) (time.Duration, bool) {
	v = strings.TrimSpace(v)
	if digits, negative := strings.CutPrefix(v, "-"); negative {
		n, ok := parseDigits(digits)
		if n == 0 {
			return 0, ok
		}
		return -1, ok
	}
	if n, ok := parseDigits(v); ok {
		if n > uint64(maxRetryAfter/time.Second) {
			return maxRetryAfter, true
		}
		return time.Duration(n) * time.Second, true
	}
	at, err := http.ParseTime(v)
	if err != nil {
		return 0, false
	}
	return min(max(at.Sub(now()), 0), maxRetryAfter), true
}

// parseDigits reads a decimal number without sign; one that is too large is the
// largest.
func parseDigits(v string) (uint64, bool) {
	if v == "" {
		return 0, false
	}
	var n uint64
	for i := range len(v) {
		d := v[i] - '0'
		if d > 9 {
			return 0, false
		}
		if n > (math.MaxUint64-uint64(d))/10 {
			n = math.MaxUint64
			continue
		}
		if n != math.MaxUint64 {
			n = n*10 + uint64(d)
		}
	}
	return n, true
}

// formatRetryAfter is d in whole seconds, rounded up.
func formatRetryAfter(d time.Duration) string {
	return strconv.FormatInt(int64((d+time.Second-1)/time.Second), 10)
}

// idempotent reports whether a request may be sent again whatever happened: by its
// method (RFC 9110, section 9.2.2), or because it carries a key by which the server
// tells a repetition.
func idempotent(method string, h http.Header) bool {
	switch method {
	case "", http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodTrace, http.MethodPut, http.MethodDelete:
		return true
	}
	return len(h["Idempotency-Key"]) > 0 || len(h["X-Idempotency-Key"]) > 0
}
