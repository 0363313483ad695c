// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package meshhttp

import (
	"context"
	"strconv"
	"strings"
	"time"

	"github.com/enmesh-go/enmesh"
)

// DefaultDeadlineHeader carries the time that a caller still has, in whole
// milliseconds. The name is Envoy's, so that a sidecar on either side reads and
// writes the same one.
const DefaultDeadlineHeader = "X-Envoy-Expected-Rq-Timeout-Ms"

// DefaultMaxDeadline is the longest time that a server believes a caller.
const DefaultMaxDeadline = 5 * time.Minute

// writeDeadline tells the far side how long the caller still waits.
func writeDeadline(ctx context.Context, h *headerView, name string, slack time.Duration) {
	if name == "" {
		return
	}
	deadline, ok := ctx.Deadline()
	if !ok {
		return
	}
	ms := max((time.Until(deadline) - slack).Milliseconds(), 1)
	h.Set(name, strconv.FormatInt(ms, 10))
}

// readDeadline reads how long the caller waits: at most limit, zero or less when
// its time is over. It reports false when the value says nothing.
func readDeadline(value string, limit time.Duration) (time.Duration, bool) {
	value = strings.TrimSpace(value)
	digits, negative := strings.CutPrefix(value, "-")
	ms, ok := parseDigits(digits)
	switch {
	case !ok:
		return 0, false
	case negative:
		return 0, true
	case ms >= uint64(limit/time.Millisecond):
		return limit, true
	}
	return time.Duration(ms) * time.Millisecond, true //nolint:gosec // below limit
}

// withDeadline gives ctx the deadline that the caller announced, if any. The cause
// says that it is the caller's own. cancel is nil when ctx is unchanged.
func withDeadline(ctx context.Context, value string, limit time.Duration) (context.Context, context.CancelFunc) {
	if value == "" {
		return ctx, nil
	}
	left, ok := readDeadline(value, limit)
	if !ok {
		return ctx, nil
	}
	return context.WithTimeoutCause(ctx, left, enmesh.ErrDeadline)
}
