// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package stats

import (
	"math"
	"math/rand/v2"
	"testing"
)

func TestOf(t *testing.T) {
	values := make([]float64, 40)
	for i, j := range rand.Perm(40) {
		values[i] = float64(j + 1) // 1 to 40
	}
	want := Spread{Median: 20.5, Low: 14, High: 27, Q1: 10.75, Q3: 30.25}
	if got := Of(values); got != want {
		t.Errorf("spread %+v, want %+v", got, want)
	}
	if got, want := Of([]float64{3}), (Spread{3, 3, 3, 3, 3}); got != want {
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

func TestOf_holdsTheTrueMedian(t *testing.T) {
	const runs = 2000
	held := 0
	for range runs {
		values := make([]float64, 40)
		for i := range values {
			values[i] = rand.ExpFloat64()
		}
		if s := Of(values); s.Low <= math.Ln2 && math.Ln2 <= s.High {
			held++
		}
	}
	if share := float64(held) / runs; share < 0.94 {
		t.Errorf("the interval holds the median in %.3f of runs, want at least 0.95", share)
	}
}
