// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package balance_test

import (
	"math"
	"slices"
	"testing"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/balance"
	"github.com/enmesh-go/enmesh/discovery"
)

// owners is the address that each of n keys goes to.
func owners(t testing.TB, p balance.Picker, n int) []string {
	t.Helper()
	c := &enmesh.Call{}
	got := make([]string, n)
	for i := range got {
		c.Key = uint64(i) + 1
		got[i] = mustPick(t, p, c).Addr()
	}
	return got
}

// over is the picker over what a registry says.
func over(a balance.Algorithm, eps []discovery.Endpoint) balance.Picker {
	c := balance.NewCluster(balance.ClusterConfig{})
	c.Apply(eps)
	return a(c.Set().Endpoints)
}

// worst removes each endpoint in turn. It is the largest share of the keys that moved, and
// how many of them moved from one that stayed to another, over all removals.
func worst(t *testing.T, a balance.Algorithm, eps []discovery.Endpoint, keys int) (share float64, astray int) {
	t.Helper()
	before := owners(t, over(a, eps), keys)
	for i := range eps {
		moved := 0
		after := owners(t, over(a, slices.Delete(slices.Clone(eps), i, i+1)), keys)
		for k := range before {
			if before[k] == after[k] {
				continue
			}
			moved++
			if before[k] != eps[i].Addrs[0] {
				astray++
			}
		}
		share = max(share, float64(moved)/float64(keys))
	}
	return share, astray
}

func TestRingHash_removingOneMovesOnlyItsKeys(t *testing.T) {
	const keys = 10_000
	for name, weight := range map[string]func(int) uint32{"equal": nil, "unequal": unequal} {
		a := balance.RingHash(balance.RingHashConfig{MinSize: 10_000})
		eps := told(100, weight)
		size := balance.RingSize(over(a, eps))
		share, astray := worst(t, a, eps, keys)
		t.Logf("%s weights: %d points; at worst %.2f%% of the keys move", name, size, 100*share)
		limit := 0.02
		if weight != nil {
			limit = 0.04 // the heaviest has 5/300 of the weight
		}
		if size < 10_000 || share > limit || astray > 0 {
			t.Errorf("%s weights: ring of %d points: %.2f%% of the keys move, %d of them between endpoints that stay; want 10,000 points, at most %v%% and 0",
				name, size, 100*share, astray, 100*limit)
		}
	}
}

func TestRingHash_sharesFollowWeights(t *testing.T) {
	for _, weights := range [][]uint32{{1, 1, 1, 1}, {1, 2, 3, 4, 10}, {1, 1000}, {4_000_000_000, 1_000_000_000, 1_000_000_000}, {100, 100, 150}} {
		a := balance.RingHash(balance.RingHashConfig{MinSize: 50_000})
		eps := told(len(weights), func(i int) uint32 { return weights[i] })
		checkShares(t, a, eps, weights, func(want float64) float64 { return 5 * math.Sqrt(want/50_000) })
	}
}

// checkShares compares the shares of keys with the weights; slack is for the share that is
// wanted.
func checkShares(t *testing.T, a balance.Algorithm, eps []discovery.Endpoint, weights []uint32, slack func(want float64) float64) {
	t.Helper()
	const keys = 100_000
	seen, sum := map[string]int{}, 0.0
	for _, addr := range owners(t, over(a, eps), keys) {
		seen[addr]++
	}
	for _, w := range weights {
		sum += float64(w)
	}
	for i, w := range weights {
		want := float64(w) / sum
		sampling := 4 * math.Sqrt(want*(1-want)/keys)
		if got := float64(seen[eps[i].Addrs[0]]) / keys; math.Abs(got-want) > slack(want)+sampling {
			t.Errorf("weights %v: share of %d = %.5f, want %.5f ± %.5f", weights, i, got, want, slack(want)+sampling)
		}
	}
}

func TestRingHash_sizes(t *testing.T) {
	for _, tt := range []struct {
		cfg    balance.RingHashConfig
		n      int
		weight func(int) uint32
		want   int
	}{
		{balance.RingHashConfig{}, 0, nil, 0},
		{balance.RingHashConfig{}, 1, nil, 1024},
		{balance.RingHashConfig{}, 3, nil, 3 * 512},
		{balance.RingHashConfig{}, 16, nil, 1024},
		{balance.RingHashConfig{}, 100, nil, 6400},
		{balance.RingHashConfig{}, 101, nil, 6464}, // those that stay have what they had
		{balance.RingHashConfig{MinSize: 10_000}, 100, nil, 12_800},
		{balance.RingHashConfig{MinSize: 1, MaxSize: 50}, 100, nil, 100},
		{balance.RingHashConfig{MinSize: 1, MaxSize: 200}, 100, nil, 200},
		{balance.RingHashConfig{MaxSize: 1000}, 2, func(i int) uint32 { return uint32(1 + 9999*i) }, 626},
	} {
		p := balance.RingHash(tt.cfg)(endpoints(tt.n, tt.weight))
		if got := balance.RingSize(p); got != tt.want {
			t.Errorf("%+v over %d endpoints: %d points, want %d", tt.cfg, tt.n, got, tt.want)
		}
	}
}

func TestRingHashConfig_validate(t *testing.T) {
	for _, tt := range []struct {
		cfg  balance.RingHashConfig
		want string
	}{
		{balance.RingHashConfig{}, ""},
		{balance.RingHashConfig{MinSize: 8 << 20, BalanceFactor: 100}, ""},
		{balance.RingHashConfig{MinSize: 2000, MaxSize: 1999}, "balance: MinSize 2000 of a ring is more than MaxSize 1999"},
		{balance.RingHashConfig{MaxSize: 1000}, "balance: MinSize 1024 of a ring is more than MaxSize 1000"},
		{balance.RingHashConfig{MaxSize: 8<<20 + 1}, "balance: MaxSize 8388609 of a ring is more than 8388608"},
		{balance.RingHashConfig{BalanceFactor: 99}, "balance: BalanceFactor 99 is below 100 percent"},
	} {
		checkError(t, tt.cfg, tt.cfg.Validate(), tt.want)
	}
}

func checkError(t *testing.T, of any, err error, want string) {
	t.Helper()
	if got := errorText(err); got != want {
		t.Errorf("%+v: %q, want %q", of, got, want)
	}
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
