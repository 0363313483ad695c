// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package balance_test

import (
	"math"
	"testing"
	"time"

	"github.com/enmesh-go/enmesh/balance"
)

func TestZoneShares(t *testing.T) {
	for _, tc := range []struct {
		name                   string
		clients, healthy, want []float64
	}{
		{"even", []float64{.5, .5}, []float64{.5, .5}, []float64{1, 0}},
		{"more than clients", []float64{.2, .8}, []float64{.5, .5}, []float64{1, 0}},
		{"half of the clients", []float64{.2, .8}, []float64{.1, .9}, []float64{.5, .5}},
		{"residual capacity", []float64{.4, .4, .2}, []float64{.25, .5, .25}, []float64{.625, .25, .125}},
		{"none to spare in one zone", []float64{.5, .4, .1}, []float64{.25, .25, .5}, []float64{.5, 0, .5}},
		{"clients in zones without endpoints", []float64{.4, .1}, []float64{.3, .7}, []float64{.75, .25}},
	} {
		got := balance.ZoneShares(tc.clients, tc.healthy)
		for i, w := range tc.want {
			if math.Abs(got[i]-w) > 1e-9 {
				t.Errorf("%s: %v, want %v", tc.name, got, tc.want)
				break
			}
		}
	}
}

// zoneAware is a client in r1/z1 that has peers at these places.
func zoneAware(n int, places ...string) balance.LocalityConfig {
	peers := &balance.Peers{}
	peers.Apply(in(n, places...))
	return balance.LocalityConfig{Local: prefer.Local, ZoneAware: balance.ZoneAware{Enabled: true, Peers: peers}}
}

func TestLocality_zoneAware(t *testing.T) {
	z1, z2, z3, far := "r1/z1/s1", "r1/z2/s1", "r1/z3/s1", "r2/z1/s1"
	sixEach := in(6, z1, z2, z3, far)
	for _, tc := range []struct {
		name string
		cfg  balance.LocalityConfig
		n    [4]int // endpoints in each
		dead int    // of z1
		want map[string]float64
	}{
		{"as many clients as endpoints", zoneAware(2, z1, z2, z3), [4]int{6, 6, 6, 6}, 0, map[string]float64{z1: 100}},
		{"clients elsewhere do not matter", zoneAware(2, z1, z2, z3, far), [4]int{6, 6, 6, 6}, 0, map[string]float64{z1: 100}},
		{"all clients here", zoneAware(2, z1), [4]int{6, 6, 6, 6}, 0, map[string]float64{z1: 33.3, z2: 33.3, z3: 33.3}},
		{"half the endpoints", zoneAware(2, z1, z2), [4]int{2, 4, 2, 6}, 0, map[string]float64{z1: 50, z3: 50}},
		{"some are bad", zoneAware(2, z1, z2, z3), [4]int{6, 6, 6, 6}, 3, map[string]float64{z1: 60, z2: 20, z3: 20}},
		{"all here are bad", zoneAware(2, z1, z2, z3), [4]int{6, 6, 6, 6}, 6, map[string]float64{z2: 46.7, z3: 46.7, far: 6.7}},
		{"too few", zoneAware(2, z1, z2), [4]int{2, 2, 1, 6}, 0, map[string]float64{z1: 40, z2: 40, z3: 20}},
		{"peers unknown", zoneAware(0), [4]int{2, 4, 6, 6}, 0, map[string]float64{z1: 16.7, z2: 33.3, z3: 50}},
		{"one zone", zoneAware(2, z1, z2), [4]int{6, 0, 0, 6}, 0, map[string]float64{z1: 100}},
		{"none here", zoneAware(2, z1, z2), [4]int{0, 6, 6, 6}, 0, map[string]float64{z2: 50, z3: 50}},
	} {
		eps := append(append(append(in(tc.n[0], z1), in(tc.n[1], z2)...), in(tc.n[2], z3)...), in(tc.n[3], far)...)
		c := placed(tc.cfg, eps, 0)
		bad(c, z1, tc.dead)
		wantSplit(t, tc.name, split(t, c.Picker(), 100_000), tc.want, 1.3)
	}
	small := zoneAware(1, z1, z2)
	small.ZoneAware.MinClusterSize = 3
	wantSplit(t, "a smaller minimum", split(t, placed(small, in(2, z1, z2), 0).Picker(), 1000), map[string]float64{z1: 100}, 0.001)
	cfg := zoneAware(2, z1)
	c := placed(cfg, sixEach, 0)
	mustPick(t, c.Picker(), nil)
	cfg.ZoneAware.Peers.Apply(in(2, z1, z2, z3))
	wantSplit(t, "when peers have come", split(t, c.Picker(), 1000), map[string]float64{z1: 100}, 0.001)
	leaving := in(2, z1, z2, z3)
	for i := range leaving {
		leaving[i].Draining = leaving[i].Locality.Zone != "z1"
	}
	cfg.ZoneAware.Peers.Apply(leaving)
	for end := time.Now().Add(10 * time.Second); split(t, c.Picker(), 100)[z2] == 0; { // the sum before was not long ago
		if time.Now().After(end) {
			t.Fatal("when others drain: no call goes to the other zones in 10 s")
		}
	}
	wantSplit(t, "when others drain", split(t, c.Picker(), 100_000), map[string]float64{z1: 33.3, z2: 33.3, z3: 33.3}, 0.7)
}
