// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package concurrency

import "math"

// The numbers of Vegas, as Netflix has them: multiples of log10 of the limit.
const (
	vegasAlpha = 3 // fewer waiting: grow
	vegasBeta  = 6 // more waiting: shrink; also the step while nothing waits
)

// vegas takes the idea of TCP Vegas (Brakmo and Peterson, "TCP Vegas: End to End
// Congestion Avoidance on a Global Internet", 1995) with the numbers of Netflix's
// concurrency-limits (VegasLimit): of limit calls, limit·(1 - shortest/now) wait in a
// queue, and the limit keeps that between 3 and 6 times log10 of itself.
type vegas struct {
	shortest float64 // latency with nothing queued, nanoseconds; 0: nothing known
}

func (v *vegas) next(limit float64, w window) float64 {
	if v.shortest == 0 || w.latency < v.shortest {
		v.shortest = w.latency
	}
	if !w.limited {
		return limit
	}
	step := math.Max(1, math.Log10(limit))
	switch waiting := math.Ceil(limit * (1 - v.shortest/w.latency)); {
	case waiting <= step:
		return limit + vegasBeta*step
	case waiting < vegasAlpha*step:
		return limit + step
	case waiting > vegasBeta*step:
		return limit - step
	}
	return limit
}

func (v *vegas) rebase(latency float64) bool {
	v.shortest = latency
	return true
}
