// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package balance_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/enmesh-go/enmesh/balance"
)

// smooth is nginx's smooth weighted round robin, by its definition: every turn each
// endpoint gains its weight, the richest is taken and pays the sum of all.
func smooth(weights []uint32) []uint32 {
	var sum int64
	for _, w := range weights {
		sum += int64(w)
	}
	gained := make([]int64, len(weights))
	round := make([]uint32, sum)
	for k := range round {
		best := 0
		for i, w := range weights {
			if gained[i] += int64(w); gained[i] > gained[best] {
				best = i
			}
		}
		gained[best] -= sum
		round[k] = uint32(best)
	}
	return round
}

// longestRun is the most turns in a row that one endpoint has, from round to round.
func longestRun(round []uint32) int {
	longest, now := 1, 1
	for k := 1; k < 2*len(round); k++ {
		if round[k%len(round)] != round[(k-1)%len(round)] {
			now = 0
		}
		now++
		longest = max(longest, now)
	}
	return min(longest, len(round))
}

// deviation is how far the count of an endpoint is ever from its share.
func deviation(round, weights []uint32) float64 {
	worst, seen := 0.0, make([]float64, len(weights))
	for k, i := range round {
		seen[i]++
		for i, w := range weights {
			want := float64(k+1) * float64(w) / float64(len(round))
			worst = max(worst, math.Abs(seen[i]-want))
		}
	}
	return worst
}

// partitions are all ways to write a sum as weights of at most most, the largest first.
func partitions(sum, most uint32) [][]uint32 {
	if sum == 0 {
		return [][]uint32{nil}
	}
	var all [][]uint32
	for first := min(sum, most); first > 0; first-- {
		for _, rest := range partitions(sum-first, first) {
			all = append(all, append([]uint32{first}, rest...))
		}
	}
	return all
}

func TestLayOut_orders(t *testing.T) {
	for _, tt := range []struct {
		weights []uint32
		want    string
	}{
		{[]uint32{5, 1, 1}, "[0 1 0 0 2 0 0]"},
		{[]uint32{3, 1, 1, 1}, "[0 1 0 2 0 3]"},
		{[]uint32{1, 1, 1}, "[0 1 2]"},
		{[]uint32{2, 3}, "[1 0 1 0 1]"},
		{[]uint32{4}, "[0 0 0 0]"},
	} {
		if got := fmt.Sprint(balance.LayOut(tt.weights)); got != tt.want {
			t.Errorf("round of %v = %s, want %s", tt.weights, got, tt.want)
		}
	}
}

// For weights of all kinds: every endpoint has its turns, is never a whole turn from its
// share, and never has more in a row than with nginx's algorithm.
func TestLayOut_isAsSmoothAsNginx(t *testing.T) {
	heavy := make([]uint32, 101)
	for i := range heavy {
		heavy[i] = 1
	}
	heavy[0] = 100
	cases := [][]uint32{{5, 1, 1}, {10, 1, 1, 1}, {100, 1}, {7, 7, 3}, {1, 2, 3, 4, 5}, heavy}
	rnd := rand.New(rand.NewPCG(1, 2))
	for sum := uint32(2); sum <= 18; sum++ {
		cases = append(cases, partitions(sum, sum-1)...)
	}
	for range 1000 {
		weights := make([]uint32, 2+rnd.IntN(12))
		for i := range weights {
			weights[i] = 1 + uint32(rnd.ExpFloat64()*8)
		}
		cases = append(cases, weights)
	}
	for _, weights := range cases {
		round := balance.LayOut(weights)
		had := make([]uint32, len(weights))
		for _, i := range round {
			had[i]++
		}
		if fmt.Sprint(had) != fmt.Sprint(weights) {
			t.Fatalf("weights %v: turns %v", weights, had)
		}
		if got := deviation(round, weights); got >= 1 {
			t.Errorf("weights %v: an endpoint is %.3f turns from its share, want less than 1", weights, got)
		}
		if got, want := longestRun(round), longestRun(smooth(weights)); got > want {
			t.Errorf("weights %v: %d turns in a row, nginx has %d", weights, got, want)
		}
	}
	if got := longestRun(balance.LayOut(heavy)); got != 1 {
		t.Errorf("100 and a hundred times 1: %d turns in a row, want 1", got)
	}
}
