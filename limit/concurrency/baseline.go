// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package concurrency

// The numbers of a baseline: the span is Netflix's for Gradient2.
const (
	span   = 600 // windows that it is a mean of; of all while there were fewer
	enough = 10  // windows that a look is worth
	forget = 0.9 // of a baseline that is twice the latency of now, per window
)

// baseline is the latency of the far side with nothing queued, as far as known: a mean
// over long, in nanoseconds. It does not rise while calls are at the limit: there it would
// learn the latency of the overload, and drift up with it.
type baseline struct {
	latency float64 // 0: nothing known
	windows int
}

func (b *baseline) learn(w window) {
	if b.latency > 2*w.latency {
		b.latency *= forget
	}
	b.windows++
	weight := max(2.0/(span+1), 1/float64(b.windows))
	next := b.latency + (w.latency-b.latency)*weight
	if b.windows == 1 || !w.limited || next < b.latency {
		b.latency = next
	}
}

func (b *baseline) rebases() bool { return true }

func (b *baseline) rebase(latency float64, exact bool) {
	if exact || latency < b.latency {
		b.latency, b.windows = latency, enough
	}
}
