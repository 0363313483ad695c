// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package alias_test

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/enmesh-go/enmesh/balance/internal/alias"
)

// The table's cells add up to the weights, to within what 32 bits can tell.
func TestTable_isExact(t *testing.T) {
	rnd := rand.New(rand.NewPCG(7, 8))
	for _, n := range []int{1, 2, 3, 7, 100, 1000} {
		weights := make([]uint32, n)
		var sum float64
		for i := range weights {
			if weights[i] = rnd.Uint32() >> rnd.UintN(32); i%5 == 4 {
				weights[i] = 0
			}
			sum += float64(weights[i])
		}
		table := alias.New(weights)
		got := make([]float64, n)
		for column := range n {
			// The middle of the column's share of words; the lower half decides.
			high := (uint64(column)<<32 + 1<<31) / uint64(n)
			own := table.At(high << 32)
			other := table.At(high<<32 | (1<<32 - 1))
			keep := boundary(table, high)
			got[own] += keep
			got[other] += 1 - keep
		}
		for i, w := range weights {
			want := float64(w) / sum * float64(n)
			if math.Abs(got[i]-want) > 1e-6*float64(n) || w == 0 && got[i] != 0 {
				t.Errorf("n=%d: weight %d of %v gets %v columns, want %v", n, w, sum, got[i], want)
			}
		}
	}
}

// boundary is the part of a column that draws what its lowest word draws.
func boundary(table alias.Table, high uint64) float64 {
	first := table.At(high << 32)
	low, up := uint64(0), uint64(1<<32)
	for low+1 < up {
		if middle := (low + up) / 2; table.At(high<<32|middle) == first {
			low = middle
		} else {
			up = middle
		}
	}
	return float64(up) / (1 << 32)
}

func TestTable_empty(t *testing.T) {
	for _, weights := range [][]uint32{nil, {0}, {0, 0}} {
		if got := alias.New(weights).Len(); got != 0 {
			t.Errorf("table of %v has %d columns, want 0", weights, got)
		}
	}
	if got := alias.New([]uint32{0, 3}).Len(); got != 2 {
		t.Errorf("Len = %d, want 2", got)
	}
}

func TestTable_extremes(t *testing.T) {
	table := alias.New([]uint32{math.MaxUint32, math.MaxUint32, 0})
	for _, r := range []uint64{0, 1, 1 << 31, 1 << 32, 1<<63 - 1, math.MaxUint64} {
		if got := table.At(r); got != 0 && got != 1 {
			t.Errorf("At(%x) = %d, want 0 or 1", r, got)
		}
	}
}

func BenchmarkNew(b *testing.B) {
	weights := make([]uint32, 10_000)
	for i := range weights {
		weights[i] = uint32(i%100 + 1)
	}
	b.ReportAllocs()
	for b.Loop() {
		alias.New(weights)
	}
}
