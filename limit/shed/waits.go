// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package shed

import (
	"math"
	"runtime/metrics"
	"time"
)

// waits is Go's own histogram of how long goroutines, once ready, waited to run. It is
// kept up to date as they run (the counters of CPU in the same package are not: those
// move with the garbage collector).
type waits struct {
	sample []metrics.Sample
	before []uint64
}

func newWaits() *waits {
	w := &waits{sample: []metrics.Sample{{Name: "/sched/latencies:seconds"}}}
	w.median()
	return w
}

// median is that of the waits since it was asked last, rounded up to a bucket's end; 0 if
// there were none, and negative if the runtime does not tell.
func (w *waits) median() time.Duration {
	metrics.Read(w.sample)
	if w.sample[0].Value.Kind() != metrics.KindFloat64Histogram {
		return -1
	}
	h := w.sample[0].Value.Float64Histogram()
	if w.before == nil {
		w.before = make([]uint64, len(h.Counts))
	}
	since, total := make([]uint64, len(h.Counts)), uint64(0)
	for i, n := range h.Counts {
		since[i] = n - w.before[i]
		total += since[i]
	}
	copy(w.before, h.Counts)
	for i, seen := 0, uint64(0); i < len(since); i++ {
		if seen += since[i]; total > 0 && 2*seen >= total {
			return seconds(h.Buckets[i], h.Buckets[i+1])
		}
	}
	return 0
}

// seconds is the end of a bucket, or its beginning where it has none.
func seconds(from, to float64) time.Duration {
	if math.IsInf(to, 1) {
		to = from
	}
	return time.Duration(to * float64(time.Second))
}
