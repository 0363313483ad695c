// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package balance_test

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/balance"
)

const trials = 100_000

// tally counts the picks of each endpoint.
func tally(t *testing.T, p balance.Picker, eps []*balance.Endpoint) []float64 {
	t.Helper()
	index := map[*balance.Endpoint]int{}
	for i, e := range eps {
		index[e] = i
	}
	counts := make([]float64, len(eps))
	for range trials {
		counts[index[mustPick(t, p, nil)]]++
	}
	return counts
}

// threeSigma compares counts with probabilities.
func threeSigma(t *testing.T, what string, counts, want []float64) {
	t.Helper()
	for i, p := range want {
		sigma := math.Sqrt(trials * p * (1 - p))
		if off := math.Abs(counts[i] - trials*p); off > 3*sigma {
			t.Errorf("%s: endpoint %d has %v of %d picks, want %.0f within %.0f", what, i, counts[i], trials, trials*p, 3*sigma)
		}
	}
}

func portions(weights []uint32) []float64 {
	var sum float64
	for _, w := range weights {
		sum += float64(w)
	}
	out := make([]float64, len(weights))
	for i, w := range weights {
		out[i] = float64(w) / sum
	}
	return out
}

func weighing(weights []uint32) func(int) uint32 { return func(i int) uint32 { return weights[i] } }

var splits = [][]uint32{{90, 10}, {1, 1}, {99, 1}, {1, 2, 3, 4}, {1000, 1, 1, 1, 500}, {5, 5, 5, 5, 5, 5, 5, 5, 5, 55}}

// What is drawn at random goes by weight, to three standard deviations.
func TestWeightedSplit_isExact(t *testing.T) {
	for name, a := range map[string]func(source func() uint64) balance.Algorithm{
		"random":             func(s func() uint64) balance.Algorithm { return balance.RandomFrom(s) },
		"least request":      func(s func() uint64) balance.Algorithm { return balance.LeastRequestFrom(2, s) },
		"least request of 5": func(s func() uint64) balance.Algorithm { return balance.LeastRequestFrom(5, s) },
		"peak EWMA":          func(s func() uint64) balance.Algorithm { return balance.PowerOfTwoFrom(s) },
	} {
		for _, weights := range splits {
			eps := endpoints(len(weights), weighing(weights))
			threeSigma(t, name, tally(t, a(seeded())(eps), eps), portions(weights))
		}
	}
}

// What goes in turns goes by weight, to one turn.
func TestWeightedRoundRobin_isExact(t *testing.T) {
	for _, weights := range splits {
		eps := endpoints(len(weights), weighing(weights))
		counts := tally(t, balance.WeightedRoundRobin()(eps), eps)
		for i, p := range portions(weights) {
			if math.Abs(counts[i]-trials*p) > 2 {
				t.Errorf("weights %v: endpoint %d has %v of %d picks, want %.1f", weights, i, counts[i], trials, trials*p)
			}
		}
	}
}

// Among endpoints with 0, 1, 2... calls in flight, the least busy of two that differ is
// the one of rank r with the probability 2(n-1-r)/n(n-1).
func TestLeastRequest_twoChoices(t *testing.T) {
	const n = 8
	eps := endpoints(n, nil)
	want := make([]float64, n)
	for i, e := range eps {
		hold(t, e, i)
		want[i] = 2 * float64(n-1-i) / (n * (n - 1))
	}
	threeSigma(t, "two choices", tally(t, balance.LeastRequestFrom(2, seeded())(eps), eps), want)
}

// With weights, N draws by weight are compared by calls in flight over weight: rank r is
// the least of them with the probability S(r)^N - S(r+1)^N, where S(r) is the share of
// the weight from rank r on.
func TestLeastRequest_choicesByWeight(t *testing.T) {
	weights := []uint32{4, 1, 3, 2, 5, 1}
	for _, choices := range []int{2, 3, 5} {
		eps := endpoints(len(weights), weighing(weights))
		for i, e := range eps {
			hold(t, e, (i+1)*int(weights[i])) // 1, 2, 3... for each unit of weight
		}
		rest, want := 1.0, make([]float64, len(weights))
		for i, p := range portions(weights) {
			want[i] = math.Pow(rest, float64(choices)) - math.Pow(max(rest-p, 0), float64(choices))
			rest -= p
		}
		threeSigma(t, "choices by weight", tally(t, balance.LeastRequestFrom(choices, seeded())(eps), eps), want)
	}
}

// Peak-EWMA among idle endpoints: the cheaper with the chance of one half plus the
// difference over the sum, always from three times dearer on.
func TestPowerOfTwo_tossesWhereTheDifferenceIsSmall(t *testing.T) {
	now := enmesh.Now()
	for _, tt := range []struct {
		dearer time.Duration
		want   float64
	}{{10 * ms, 0.5}, {15 * ms, 0.7}, {20 * ms, 0.5 + 1./3}, {30 * ms, 1}, {100 * ms, 1}} {
		eps := endpoints(2, nil)
		serve(t, eps[0], now, 10*ms, nil)
		serve(t, eps[1], now, tt.dearer, nil)
		p, cheaper := balance.PowerOfTwoFrom(seeded())(eps), 0
		for range trials {
			if mustPick(t, p, &enmesh.Call{Clock: now}) == eps[0] {
				cheaper++
			}
		}
		if got := float64(cheaper) / trials; math.Abs(got-tt.want) > 0.005 {
			t.Errorf("10ms is taken over %v with a chance of %.4f, want %.4f", tt.dearer, got, tt.want)
		}
	}
}

// A cluster's own source makes its pickers repeat themselves, whatever the algorithm.
func TestClusterConfig_randomRepeats(t *testing.T) {
	for name, a := range production() {
		var first []string
		for range 2 {
			c := balance.NewCluster(balance.ClusterConfig{Algorithm: a, Random: rand.New(rand.NewPCG(3, 4)).Uint64})
			c.Apply(told(20, unequal))
			var picks []string
			for range 200 {
				picks = append(picks, mustPick(t, c.Picker(), nil).Addr())
			}
			if first == nil {
				first = picks
			} else if !slices.Equal(first, picks) {
				t.Errorf("%s: the same source gives other picks", name)
			}
		}
	}
}
