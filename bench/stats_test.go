// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"
)

func TestSpreadOf(t *testing.T) {
	values := make([]float64, 40)
	for i, j := range rand.Perm(40) {
		values[i] = float64(j + 1) // 1 to 40
	}
	want := Spread{Median: 20.5, Low: 14, High: 27, Q1: 10.75, Q3: 30.25}
	if got := spreadOf(values); got != want {
		t.Errorf("spread %+v, want %+v", got, want)
	}
	if got, want := spreadOf([]float64{3}), (Spread{3, 3, 3, 3, 3}); got != want {
		t.Errorf("spread of one %+v, want %+v", got, want)
	}
}

// The ranks of the interval are those of tables of the sign test.
func TestMedianRank(t *testing.T) {
	for n, want := range map[int]int{1: 0, 5: 0, 6: 0, 8: 0, 9: 1, 12: 2, 20: 5, 40: 13, 100: 39} {
		if got := medianRank(n); got != want {
			t.Errorf("n=%d: rank %d, want %d", n, got, want)
		}
	}
}

func TestSpreadOf_holdsTheTrueMedian(t *testing.T) {
	const runs = 2000
	held := 0
	for range runs {
		values := make([]float64, 40)
		for i := range values {
			values[i] = rand.ExpFloat64()
		}
		if s := spreadOf(values); s.Low <= math.Ln2 && math.Ln2 <= s.High {
			held++
		}
	}
	if share := float64(held) / runs; share < 0.94 {
		t.Errorf("the interval holds the median in %.3f of runs, want at least 0.95", share)
	}
}

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
