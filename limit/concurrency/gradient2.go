// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package concurrency

import "math"

// The numbers of Gradient2, as Netflix has them.
const (
	gradientSmoothing = 0.2 // how much of a step is taken at once
	gradientQueue     = 4   // calls that may wait: what the limit grows by
	gradientQueuePart = 0.04
	gradientSpan      = 600 // windows that the long latency is a mean of
	gradientFloor     = 0.5 // a limit is never more than halved by one step
	gradientForget    = 0.9 // of a long latency that is twice that of now, per window
)

// gradient2 is the algorithm of Netflix's concurrency-limits
// (https://github.com/Netflix/concurrency-limits, Gradient2Limit): the limit follows the
// ratio of the latency of long to that of now, and allows a few more.
//
// It differs in three things. The queue that it allows is 4% of the limit where that is
// more than 4, so that a large limit grows as quickly as a small one. The long latency
// does not rise while calls are at the limit: there Netflix's learns the latency of the
// overload, and drifts up with it; what takes its place is the look at an emptier far
// side (see control). And the tolerance is not 1.5, with which half of what the far side
// can do would wait in front of it.
type gradient2 struct {
	tolerance float64
	long      float64 // nanoseconds; 0: nothing known
}

func (g *gradient2) next(limit float64, w window) float64 {
	g.learn(w)
	if !w.limited {
		return limit
	}
	gradient := min(max(g.tolerance*g.long/w.latency, gradientFloor), 1)
	aim := limit*gradient + max(gradientQueue, gradientQueuePart*limit)
	return limit + gradientSmoothing*(aim-limit)
}

func (g *gradient2) learn(w window) {
	if g.long == 0 {
		g.long = w.latency
		return
	}
	if g.long > 2*w.latency {
		g.long *= gradientForget
	}
	next := g.long + (w.latency-g.long)*2/(gradientSpan+1)
	if w.limited {
		next = math.Min(next, g.long)
	}
	g.long = next
}

func (g *gradient2) rebase(latency float64) bool {
	g.long = latency
	return true
}
