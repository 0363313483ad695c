// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

// Package alias draws indexes by weight in constant time (Walker, "An efficient
// method for generating discrete random variables with general distributions",
// ACM TOMS 1977; the table is built as Vose gave it, IEEE TSE 1991).
package alias

import "math/bits"

// Table is immutable. The zero Table draws nothing.
type Table struct{ cells []cell }

// cell keeps its own index when the lower draw is below keep, else gives other.
type cell struct {
	keep  uint64 // of 2^32
	other uint32
}

// New makes the table of weights. Weights of 0 are never drawn; if all are, the
// table is empty. At most 2^31 weights.
func New(weights []uint32) Table {
	var sum uint64
	for _, w := range weights {
		sum += uint64(w)
	}
	if sum == 0 {
		return Table{}
	}
	n := uint64(len(weights))
	cells := make([]cell, n)
	scaled := make([]uint64, n) // weight × n: the mean is sum
	var small, large []uint32
	for i, w := range weights {
		scaled[i] = uint64(w) * n
		if scaled[i] < sum {
			small = append(small, uint32(i))
		} else {
			large = append(large, uint32(i))
		}
	}
	for len(small) > 0 && len(large) > 0 {
		s, l := small[len(small)-1], large[len(large)-1]
		small = small[:len(small)-1]
		cells[s] = cell{keep: fraction(scaled[s], sum), other: l}
		scaled[l] -= sum - scaled[s]
		if scaled[l] < sum {
			large = large[:len(large)-1]
			small = append(small, l)
		}
	}
	for _, i := range large {
		cells[i] = cell{keep: 1 << 32, other: i}
	}
	return Table{cells}
}

// fraction is part/whole of 2^32, for part < whole.
func fraction(part, whole uint64) uint64 {
	hi, lo := part>>32, part<<32
	q, _ := bits.Div64(hi, lo, whole)
	return q
}

// Len is the number of weights, 0 for an empty table.
func (t Table) Len() int { return len(t.cells) }

// At is the index that a uniform random word draws. The table is not empty.
func (t Table) At(random uint64) int {
	i := uint32(random >> 32 * uint64(len(t.cells)) >> 32)
	c := t.cells[i]
	drawn := c.other
	if random&(1<<32-1) < c.keep { // a conditional move: no predictor guesses a draw
		drawn = i
	}
	return int(drawn)
}
