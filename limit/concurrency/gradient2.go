// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package concurrency

// The numbers of Gradient2, as Netflix has them, but the part and what is clear.
const (
	gradientSmoothing = 0.2  // how much of a step is taken at once
	gradientHaste     = 0.5  // of a step down
	gradientQueue     = 4    // calls that may wait: what the limit grows by,
	gradientQueuePart = 0.04 // or this part of it where that is more
	gradientFloor     = 0.5  // a limit is never more than halved by one step
	gradientClear     = 0.33 // of the tolerance: below it nothing waits, and a step is taken whole
)

// gradient2 is the algorithm of Netflix's concurrency-limits
// (https://github.com/Netflix/concurrency-limits, Gradient2Limit): the limit follows the
// ratio of the latency of long to that of now, and allows a few more.
//
// It differs in five things. Where nothing waits at all the limit grows by whole steps, so
// that a program that has just begun does not refuse for long. The queue that it allows is a part of the limit where that
// is more than 4, so that a large limit grows as quickly as a small one. The latency of
// long does not drift up under overload (see baseline and control). A step down is taken by
// half, so that a queue that has just built up does not stay for many windows. And the tolerance is
// not 1.5, with which half of what the far side can do would wait in front of it.
type gradient2 struct {
	baseline
	tolerance float64
}

func (g *gradient2) next(limit float64, w window) float64 {
	g.learn(w)
	if !w.limited {
		return limit
	}
	queue := max(gradientQueue, gradientQueuePart*limit)
	if w.latency <= (1+(g.tolerance-1)*gradientClear)*g.latency {
		return limit + queue
	}
	gradient := min(max(g.tolerance*g.latency/w.latency, gradientFloor), 1)
	aim := limit*gradient + queue
	if aim < limit {
		return limit + gradientHaste*(aim-limit)
	}
	return limit + gradientSmoothing*(aim-limit)
}
