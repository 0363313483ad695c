// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package meshgrpc

import (
	"math"
	"strconv"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// pushbackKey is the trailer by which a server says when to send a call again, in
// milliseconds (gRFC A6).
const pushbackKey = "grpc-retry-pushback-ms"

// pushback is what the far side wishes of retries: from the trailer, else from a
// RetryInfo detail. 0 is no wish, negative is "do not".
func pushback(st *status.Status, trailer metadata.MD) time.Duration {
	if values := trailer[pushbackKey]; len(values) > 0 {
		return parsePushback(values)
	}
	if st == nil {
		return 0
	}
	for _, detail := range st.Details() {
		if info, ok := detail.(*errdetails.RetryInfo); ok {
			return atLeastSome(info.GetRetryDelay().AsDuration())
		}
	}
	return 0
}

// parsePushback reads the trailer as gRFC A6 says: what is negative, not a number,
// or there more than once, means that the call is not to be sent again.
func parsePushback(values []string) time.Duration {
	if len(values) != 1 {
		return -1
	}
	ms, err := strconv.ParseInt(values[0], 10, 64)
	if err != nil || ms < 0 {
		return -1
	}
	if ms > math.MaxInt64/int64(time.Millisecond) {
		return math.MaxInt64
	}
	return atLeastSome(time.Duration(ms) * time.Millisecond)
}

// atLeastSome keeps a wish of "at once" apart from no wish at all.
func atLeastSome(d time.Duration) time.Duration {
	if d == 0 {
		return 1
	}
	return d
}

// pushbackText is the trailer's value for a wish other than 0.
func pushbackText(d time.Duration) string {
	if d < 0 {
		return "-1"
	}
	ms := d / time.Millisecond
	if d%time.Millisecond != 0 {
		ms++ // a wait cut short would be refused again
	}
	return strconv.FormatInt(int64(ms), 10)
}
