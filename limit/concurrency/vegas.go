// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package concurrency

import "math"

// The numbers of Vegas, as Netflix has them: multiples of log10 of the limit.
const (
	vegasAlpha = 3 // fewer waiting: grow
	vegasBeta  = 6 // more waiting: shrink; also the step while nothing waits

	vegasSmoothing = 0.5 // of the latency: calls vary
)

// vegas takes the idea of TCP Vegas (Brakmo and Peterson, "TCP Vegas: End to End
// Congestion Avoidance on a Global Internet", 1995) with the numbers of Netflix's
// concurrency-limits (VegasLimit): of limit calls, limit·(1 - baseline/now) wait in a
// queue, and the limit keeps that between 3 and 6 times log10 of itself.
//
// Netflix's takes the shortest latency that it ever saw for that of nothing queued: where
// calls vary, that is the luck of one window, and everything after it looks queued. Here
// it is the baseline.
type vegas struct {
	baseline
	now float64 // smoothed latency, nanoseconds
}

func (v *vegas) next(limit float64, w window) float64 {
	v.learn(w)
	if v.now == 0 {
		v.now = w.latency
	}
	v.now += (w.latency - v.now) * vegasSmoothing
	if !w.limited {
		return limit
	}
	step := math.Max(1, math.Log10(limit))
	switch waiting := math.Ceil(limit * (1 - v.latency/v.now)); {
	case waiting <= step:
		return limit + vegasBeta*step
	case waiting < vegasAlpha*step:
		return limit + step
	case waiting > vegasBeta*step:
		return limit - step
	}
	return limit
}
