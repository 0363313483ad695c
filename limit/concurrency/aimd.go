// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package concurrency

// aimd is additive increase, multiplicative decrease (Chiu and Jain, "Analysis of the
// Increase and Decrease Algorithms for Congestion Avoidance in Computer Networks", 1989),
// as Netflix's concurrency-limits have it (AIMDLimit): one more after every window that
// was in time, a tenth less after one that was not.
type aimd struct {
	timeout float64 // nanoseconds
	backoff float64
}

func (a *aimd) next(limit float64, w window) float64 {
	if w.latency > a.timeout {
		return limit * a.backoff
	}
	if w.limited {
		return limit + 1
	}
	return limit
}

// rebases is false: the bound is the operator's.
func (a *aimd) rebases() bool { return false }

func (a *aimd) rebase(float64, bool) {}
