// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package route_test

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/enmesh-go/enmesh/balance/route"
)

func TestSplit_keepsItsShares(t *testing.T) {
	const picks = 200_000
	for _, weights := range [][]uint32{
		{90, 10}, {1, 1, 1}, {0, 5, 0, 5}, {1, 99}, {1, 999_999}, {4_000_000_000, 4_000_000_000, 1}, {0, 0}, {0}, {7},
	} {
		s := route.NewSplit(weights)
		seen := make([]float64, len(weights))
		for range picks {
			seen[s.Pick()]++
		}
		var sum float64
		for _, w := range weights {
			sum += float64(w)
		}
		for i, w := range weights {
			p := float64(w) / sum
			if sum == 0 {
				p = 1 / float64(len(weights))
			}
			slack := 4*math.Sqrt(p*(1-p)*picks) + 1
			if p == 0 {
				slack = 0
			}
			if math.Abs(seen[i]-p*picks) > slack {
				t.Errorf("weights %v: %d picked %v times of %d, want %.0f ± %.0f", weights, i, seen[i], picks, p*picks, slack)
			}
		}
	}
	if got := route.NewSplit(nil).Pick(); got != -1 {
		t.Errorf("pick from no weights = %d, want -1", got)
	}
}

// Shares are exact to three sigma at 100,000 calls: 90/10 is 10% ± 0.3.
func TestSplit_isExact(t *testing.T) {
	const picks = 100_000
	for seed := range uint64(5) {
		for _, weights := range [][]uint32{{90, 10}, {80, 20}, {50, 25, 25}, {1, 99}} {
			random, s := rand.New(rand.NewPCG(seed, 4)), route.NewSplit(weights)
			seen, sum := make([]float64, len(weights)), 0.0
			for _, w := range weights {
				sum += float64(w)
			}
			for range picks {
				seen[route.PickFrom(s, random.Uint64())]++
			}
			for i, w := range weights {
				p := float64(w) / sum
				if sigma := math.Sqrt(p * (1 - p) * picks); math.Abs(seen[i]-p*picks) > 3*sigma {
					t.Errorf("seed %d, weights %v: %d has %v of %d, want %.0f ± %.0f", seed, weights, i, seen[i], picks, p*picks, 3*sigma)
				}
			}
		}
	}
}

func TestSplit_allocatesNothing(t *testing.T) {
	s := route.NewSplit([]uint32{1, 2, 3})
	if got := testing.AllocsPerRun(1000, func() { s.Pick() }); got != 0 {
		t.Errorf("Pick allocates %v times, want 0", got)
	}
}

func BenchmarkSplit(b *testing.B) {
	for name, n := range map[string]int{"2": 2, "1000": 1000} {
		weights := make([]uint32, n)
		for i := range weights {
			weights[i] = uint32(i%7 + 1)
		}
		s := route.NewSplit(weights)
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				s.Pick()
			}
		})
	}
}
