// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package balance_test

import (
	"math"
	"testing"

	"github.com/enmesh-go/enmesh/balance"
)

// What TiersOf says is what picks do.
func TestTiersOf_saysWhatPicksDo(t *testing.T) {
	for name, cfg := range localities() {
		for _, dead := range []int{0, 5, 8, 10} {
			c := placed(cfg, in(10, fourPlaces...), 50)
			for i, l := range fourPlaces {
				bad(c, l, dead-2*i)
			}
			const picks = 50_000
			got := map[*balance.Endpoint]int{}
			for range picks {
				got[mustPick(t, c.Picker(), nil)]++
			}
			var together float64
			for i, tier := range balance.TiersOf(c.Picker()) {
				var seen, parts float64
				for _, e := range tier.Endpoints {
					seen += float64(got[e]) / picks
				}
				if math.Abs(seen-tier.Load) > 0.01 {
					t.Errorf("%s, %d dead: tier %d got %.3f of picks, and says %.3f", name, dead, i, seen, tier.Load)
				}
				for _, p := range tier.Parts {
					parts += p.Load
				}
				if len(tier.Parts) > 0 && math.Abs(parts-tier.Load) > 1e-6 {
					t.Errorf("%s, %d dead: parts of tier %d have %v, the tier %v", name, dead, i, parts, tier.Load)
				}
				together += tier.Load
			}
			if math.Abs(together-1) > 1e-6 {
				t.Errorf("%s, %d dead: tiers have %v of the load together", name, dead, together)
			}
		}
	}
}

func TestTiersOf_withoutTiers(t *testing.T) {
	c := balance.NewCluster(balance.ClusterConfig{})
	if got := balance.TiersOf(c.Picker()); got != nil {
		t.Errorf("before the first set: %v, want nil", got)
	}
	c.Apply(told(3, nil))
	if got := balance.TiersOf(c.Picker()); got != nil {
		t.Errorf("least request: %v, want nil", got)
	}
	c.Configure(balance.ClusterConfig{Panic: 70})
	c.Set().Endpoints[0].SetHealthy(false)
	if got := balance.TiersOf(c.Picker()); len(got) != 1 || !got[0].Panic || got[0].Healthy != 2 || got[0].Total != 3 {
		t.Errorf("2 of 3 healthy, panic below 70%%: %+v", got)
	}
}
