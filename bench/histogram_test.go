// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"math"
	"testing"
	"time"
)

func TestHistogram(t *testing.T) {
	for d := range time.Duration(5000) {
		near(t, d)
	}
	for d := time.Duration(5000); d < time.Hour; d += d / 7 {
		near(t, d)
	}
	if bucketOf(-1) != 0 || bucketOf(math.MaxInt64) >= buckets {
		t.Errorf("the ends fall into buckets %d and %d of %d", bucketOf(-1), bucketOf(math.MaxInt64), buckets)
	}
	var h, other, none histogram
	for i := range 100 {
		half := &h
		if i%2 == 0 {
			half = &other
		}
		half.add(time.Duration(i+1) * time.Millisecond)
	}
	h.merge(&other)
	for q, want := range map[float64]time.Duration{0.5: 51 * time.Millisecond, 0.99: 100 * time.Millisecond} {
		if got := h.quantile(q); math.Abs(float64(got-want)) > float64(want)/32 {
			t.Errorf("quantile %v is %v, want %v", q, got, want)
		}
	}
	if got := none.quantile(0.5); got != 0 {
		t.Errorf("quantile of nothing is %v", got)
	}
}

// near checks that a latency's bucket is near it.
func near(t *testing.T, d time.Duration) {
	t.Helper()
	if got := middleOf(bucketOf(d)); math.Abs(float64(got-d)) > float64(d)/32 {
		t.Errorf("%v is counted as %v", d, got)
	}
}
