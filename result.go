// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package enmesh

import "time"

// Result is how a call, or one attempt of it, ended.
type Result struct {
	Err      error
	Outcome  Outcome // OutcomeOf(Err), worked out once
	Answered Instant // when the answer's head came; 0: none came
	Ended    Instant // the one reading that all hooks share

	// Call is the call, or the attempt, that ended: what a gate that describes calls
	// (telemetry) reads when it is told. It may be nil. Read it in Done and nowhere
	// later; a gate below the pick may be told while the call is on its next attempt,
	// and leaves it alone.
	Call *Call
}

// Latency is the time from start to the answer's head, or to the end when no
// answer came. Balancing and outlier detection use it; Ended.Sub(start) would
// count an hour-long stream as an hour of latency.
func (r Result) Latency(start Instant) time.Duration {
	if r.Answered != 0 {
		return r.Answered.Sub(start)
	}
	return r.Ended.Sub(start)
}
