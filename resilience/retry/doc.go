// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

// Package retry makes an attempt again when that is safe and promises something.
//
// Most failures of a single attempt are gone with the next one, to another endpoint.
// But a call that is sent twice may be done twice, and a far side that fails for
// want of strength fails more when it is asked more. So a retry asks, in this order,
// and gives up at the first no:
//
//   - Does the error say anything but stop? Pushback below zero and a call whose
//     context has ended are the end.
//   - Can the call be sent again at all (its body is kept)?
//   - Is the error listed in [Config.On]?
//   - Is it safe? The call is idempotent, or it provably never reached the
//     application, or its gRPC code was listed by the operator (unless Strict).
//   - Are attempts left?
//   - Does the backoff leave, before the deadline, at least the time that half of the
//     attempts need that succeed (the median of the last 30 s)?
//   - Does the [Budget] allow it?
//
// Only then is the answer of the failed attempt dropped, which frees its connection,
// and the backoff slept. Until then the caller would still get that answer, and gets
// it whenever the retry gives up.
//
//	on, err := retry.ParseOn("gateway-error,connect-failure,refused-stream")
//	if err != nil {
//		return err
//	}
//	again, err := retry.New(retry.Config{MaxAttempts: 3, On: on})
//	if err != nil {
//		return err
//	}
//	router := enmesh.Fixed(true, again) // true: adapters keep what a replay needs
//
// # Waiting
//
// The backoff is exponential with full jitter, as Envoy's: before the n-th retry
// uniform in [0, (2^n-1)*BaseBackoff), at most MaxBackoff. When the far side says how
// long to wait, that is waited instead, cut at ten times MaxBackoff, with up to one
// BaseBackoff on top so that those told the same do not return at the same time.
//
// # Endings
//
// When the attempts are used up the error carries Envoy's flag URX, after that of the
// last attempt when there is one ("UT,URX", "UF,URX"); the last attempt's own error is
// found in it. When the context ends during a backoff, the
// error is what ended it.
//
// The far side sees which attempt it is in the header X-Envoy-Attempt-Count, from the
// second on, and over gRPC in grpc-previous-rpc-attempts as well. A retry that the budget
// refuses, and retries that are used up, mark the failure that this process answers with
// in turn, so that nobody above sends the call again either (enmesh.Call.DiscourageRetry).
//
// With [Config.Shadow] nothing is sent again; the Recorder hears of what would have been.
//
// # Where it stands
//
// Inside the overall timeout and the budget's middleware; outside the attempt
// timeout and the breaker. A call whose first attempt succeeds costs nothing.
package retry
