// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package balance_test

import (
	"testing"

	"github.com/enmesh-go/enmesh/balance"
)

func TestMaglev_removingOneMovesFewKeys(t *testing.T) {
	const keys = 10_000
	share, astray := worst(t, balance.Maglev(balance.MaglevConfig{}), told(100, nil), keys)
	t.Logf("at worst %.2f%% of the keys move; on average %.2f%% between endpoints that stay", 100*share, float64(astray)/keys)
	if share > 0.03 {
		t.Errorf("%.2f%% of the keys move, want at most 3%%", 100*share)
	}
}

func TestMaglev_sharesFollowWeights(t *testing.T) {
	for _, weights := range [][]uint32{{1, 1, 1, 1}, {1, 2, 3, 4, 10}, {1, 1000}, {4_000_000_000, 1_000_000_000, 1_000_000_000}, {100, 100, 150}} {
		eps := told(len(weights), func(i int) uint32 { return weights[i] })
		checkShares(t, balance.Maglev(balance.MaglevConfig{}), eps, weights, func(want float64) float64 { return 0.005 * want })
	}
}

// Every endpoint has an entry as long as there are as many entries.
func TestMaglev_smallTable(t *testing.T) {
	a := balance.Maglev(balance.MaglevConfig{TableSize: 11})
	for _, n := range []int{1, 2, 11, 12, 40} {
		seen := map[string]bool{}
		for _, addr := range owners(t, over(a, told(n, unequal)), 10_000) {
			seen[addr] = true
		}
		if got, want := len(seen), min(n, 11); got != want {
			t.Errorf("%d endpoints in a table of 11: %d have keys, want %d", n, got, want)
		}
	}
}

func TestMaglevConfig_validate(t *testing.T) {
	for _, tt := range []struct {
		cfg  balance.MaglevConfig
		want string
	}{
		{balance.MaglevConfig{}, ""},
		{balance.MaglevConfig{TableSize: 2}, ""},
		{balance.MaglevConfig{TableSize: 5_000_011, BalanceFactor: 125}, ""},
		{balance.MaglevConfig{TableSize: 1}, "balance: TableSize 1 of Maglev is not a prime"},
		{balance.MaglevConfig{TableSize: 65_536}, "balance: TableSize 65536 of Maglev is not a prime"},
		{balance.MaglevConfig{TableSize: 65_535 * 3}, "balance: TableSize 196605 of Maglev is not a prime"},
		{balance.MaglevConfig{TableSize: 66_049}, "balance: TableSize 66049 of Maglev is not a prime"}, // 257²
		{balance.MaglevConfig{TableSize: 5_000_023}, "balance: TableSize 5000023 of Maglev is more than 5000011"},
		{balance.MaglevConfig{BalanceFactor: 1}, "balance: BalanceFactor 1 is below 100 percent"},
	} {
		checkError(t, tt.cfg, tt.cfg.Validate(), tt.want)
	}
}
