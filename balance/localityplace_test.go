// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package balance_test

import (
	"slices"
	"testing"

	"github.com/enmesh-go/enmesh/balance"
	"github.com/enmesh-go/enmesh/discovery"
)

func TestLocalityConfig_places(t *testing.T) {
	at := func(s string) discovery.Endpoint {
		l, err := discovery.ParseLocality(s)
		if err != nil {
			t.Fatal(err)
		}
		return discovery.Endpoint{Locality: l}
	}
	eps := []discovery.Endpoint{at("us/a/x"), at("eu/b/y"), at("eu/a/x"), at("eu/a/z")}
	local := discovery.Locality{Region: "eu", Zone: "a", SubZone: "x"}
	for name, tc := range map[string]struct {
		cfg  balance.LocalityConfig
		want []balance.Place
	}{
		"nothing known":  {balance.LocalityConfig{}, []balance.Place{{}, {}, {}, {}}},
		"nearer first":   {balance.LocalityConfig{Local: local, OutlierDetection: true}, []balance.Place{{Tier: 3}, {Tier: 2}, {Tier: 0}, {Tier: 1}}},
		"not detected":   {balance.LocalityConfig{Local: local}, []balance.Place{{}, {}, {}, {}}},
		"without a gap":  {balance.LocalityConfig{Local: discovery.Locality{Region: "eu", Zone: "c"}, OutlierDetection: true}, []balance.Place{{Tier: 1}, {}, {}, {}}},
		"by percentages": {balance.LocalityConfig{Local: local, Distribute: []balance.Distribute{{From: "eu", To: []balance.LocalityShare{{Locality: "eu/a", Percent: 80}, {Locality: "eu/b", Percent: 20}}}}}, []balance.Place{{Tier: -1}, {Share: 20, Target: 1}, {Share: 80}, {Share: 80}}},
	} {
		if got := tc.cfg.Places(eps); !slices.Equal(got, tc.want) {
			t.Errorf("%s: %+v, want %+v", name, got, tc.want)
		}
	}
}
