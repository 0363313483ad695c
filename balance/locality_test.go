// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package balance_test

import (
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/balance"
	"github.com/enmesh-go/enmesh/discovery"
)

// order is the tiers of a cluster by the localities in each, found by killing tier after tier.
func order(t *testing.T, cfg balance.LocalityConfig, eps []discovery.Endpoint) []string {
	t.Helper()
	c := placed(cfg, eps, 0)
	tiers := []string{}
	for left := len(eps); left > 0; {
		found := []string{}
		for l := range split(t, c.Picker(), 2000) {
			found = append(found, l)
		}
		slices.Sort(found)
		tiers = append(tiers, strings.Join(found, " "))
		for _, e := range c.Set().Endpoints {
			if slices.Contains(found, e.Info().Locality.String()) && e.Healthy(enmesh.Now()) {
				e.SetHealthy(false)
				left--
			}
		}
	}
	return tiers
}

func TestLocality_tiers(t *testing.T) {
	everywhere := in(3, "r3/z1/s1", "r1/z2/s1", "r1/z1/s1", "r2/z1/s1", "r1/z1/s2")
	registry := slices.Clone(everywhere)
	for i := range registry {
		if registry[i].Locality.Region == "r2" {
			registry[i].Priority = 0
		} else {
			registry[i].Priority = 7
		}
	}
	in1 := prefer.Local
	for _, tc := range []struct {
		name string
		cfg  balance.LocalityConfig
		eps  []discovery.Endpoint
		want []string
	}{
		{"by distance", prefer, everywhere,
			[]string{"r1/z1/s1", "r1/z1/s2", "r1/z2/s1", "r2/z1/s1 r3/z1/s1"}},
		{"failover", balance.LocalityConfig{Local: in1, OutlierDetection: true, Failover: []balance.RegionFailover{{From: "r9", To: "r2"}, {From: "r1", To: "r3"}}}, everywhere,
			[]string{"r1/z1/s1", "r1/z1/s2", "r1/z2/s1", "r3/z1/s1", "r2/z1/s1"}},
		{"compacted", prefer, in(2, "r1/z2/s1", "r3/z1/s1"), []string{"r1/z2/s1", "r3/z1/s1"}},
		{"without outlier detection", balance.LocalityConfig{Local: in1}, everywhere,
			[]string{"r1/z1/s1 r1/z1/s2 r1/z2/s1 r2/z1/s1 r3/z1/s1"}},
		{"disabled", balance.LocalityConfig{Local: in1, OutlierDetection: true, Disabled: true}, in(2, "r1/z1/s1", "r2/z1/s1"),
			[]string{"r1/z1/s1 r2/z1/s1"}},
		{"no place of its own", balance.LocalityConfig{OutlierDetection: true}, everywhere,
			[]string{"r1/z1/s1 r1/z1/s2 r1/z2/s1 r2/z1/s1 r3/z1/s1"}},
		{"the registry's priorities first", prefer, registry,
			[]string{"r2/z1/s1", "r1/z1/s1", "r1/z1/s2", "r1/z2/s1", "r3/z1/s1"}},
		{"labels that are places", balance.LocalityConfig{Local: in1, OutlierDetection: true,
			FailoverPriority: []string{"topology.kubernetes.io/region", "topology.kubernetes.io/zone"}}, everywhere,
			[]string{"r1/z1/s1 r1/z1/s2", "r1/z2/s1", "r2/z1/s1 r3/z1/s1"}},
		{"a label with a value, and places within", balance.LocalityConfig{Local: in1, OutlierDetection: true,
			FailoverPriority: []string{"topology.kubernetes.io/region=r2"}, Failover: []balance.RegionFailover{{From: "r1", To: "r3"}}}, everywhere,
			[]string{"r2/z1/s1", "r1/z1/s1", "r1/z1/s2", "r1/z2/s1", "r3/z1/s1"}},
		{"zone aware, peers unknown", balance.LocalityConfig{Local: in1, ZoneAware: balance.ZoneAware{Enabled: true}}, everywhere,
			[]string{"r1/z1/s1 r1/z1/s2 r1/z2/s1", "r2/z1/s1 r3/z1/s1"}},
	} {
		if got := order(t, tc.cfg, tc.eps); !slices.Equal(got, tc.want) {
			t.Errorf("%s: tiers %q, want %q", tc.name, got, tc.want)
		}
	}
}

func TestLocality_failoverPriorityComparesLabels(t *testing.T) {
	eps := in(1, "a", "b", "c", "d")
	for i, labels := range []map[string]string{
		{"net": "n1", "cluster": "k1"}, {"net": "n1", "cluster": "k2"}, {"net": "n2", "cluster": "k1"}, {},
	} {
		eps[i].Labels = labels
	}
	eps[2].Version, eps[3].Version = "v1", "v1"
	for _, tc := range []struct {
		name   string
		own    map[string]string
		labels []string
		want   []string
	}{
		{"both", map[string]string{"net": "n1", "cluster": "k1"}, []string{"net", "cluster"}, []string{"a", "b", "c d"}},
		{"in the other order", map[string]string{"net": "n1", "cluster": "k1"}, []string{"cluster", "net"}, []string{"a", "c", "b d"}},
		{"values", map[string]string{"net": "n1"}, []string{"version=v1", "cluster=k1"}, []string{"c", "d", "a b"}},
		{"one that neither has", map[string]string{"net": "n1"}, []string{"rack", "net"}, []string{"a b", "c d"}},
		{"one that the client has not", nil, []string{"net"}, []string{"d", "a b c"}},
	} {
		cfg := balance.LocalityConfig{Labels: tc.own, OutlierDetection: true, FailoverPriority: tc.labels}
		if got := order(t, cfg, eps); !slices.Equal(got, tc.want) {
			t.Errorf("%s: tiers %q, want %q", tc.name, got, tc.want)
		}
	}
}

func spreadOver(from string, to ...balance.LocalityShare) balance.LocalityConfig {
	return balance.LocalityConfig{Local: prefer.Local, Distribute: []balance.Distribute{
		{From: "r9/*", To: []balance.LocalityShare{{Locality: "*", Percent: 100}}}, {From: from, To: to},
	}}
}

// Shares at 100k picks, to three sigma; what is named nowhere gets nothing.
func TestLocality_distribute(t *testing.T) {
	uneven := append(in(4, "r1/z1/s1", "r1/z2/s1"), in(12, "r1/z2/s2", "r2/z1/s1")...)
	for _, tc := range []struct {
		name string
		cfg  balance.LocalityConfig
		want map[string]float64
	}{
		{"80/20", spreadOver("r1/z1/*", balance.LocalityShare{Locality: "r1/z1/*", Percent: 80}, balance.LocalityShare{Locality: "r2/*", Percent: 20}),
			map[string]float64{"r1/z1/s1": 80, "r2/z1/s1": 20}},
		{"a share of two localities", spreadOver("r1", balance.LocalityShare{Locality: "r1/z1", Percent: 20}, balance.LocalityShare{Locality: "r1/z2/*", Percent: 80}),
			map[string]float64{"r1/z1/s1": 20, "r1/z2/s1": 20, "r1/z2/s2": 60}},
		{"the most specific one", spreadOver("*", balance.LocalityShare{Locality: "*", Percent: 30}, balance.LocalityShare{Locality: "r1/z2/s2", Percent: 70}),
			map[string]float64{"r1/z2/s2": 70, "r1/z1/s1": 6, "r1/z2/s1": 6, "r2/z1/s1": 18}},
		{"from elsewhere", spreadOver("r7", balance.LocalityShare{Locality: "r1/z1", Percent: 100}),
			map[string]float64{"r1/z1/s1": 12.5, "r1/z2/s1": 12.5, "r1/z2/s2": 37.5, "r2/z1/s1": 37.5}},
	} {
		if err := tc.cfg.Validate(); err != nil {
			t.Errorf("%s: %v", tc.name, err)
		}
		const picks = 100_000
		got := split(t, placed(tc.cfg, uneven, 0).Picker(), picks)
		for l, w := range tc.want {
			p := w / 100
			wantSplit(t, tc.name, map[string]float64{l: got[l]}, map[string]float64{l: w}, 300*math.Sqrt(p*(1-p)/picks))
		}
		if len(got) != len(tc.want) {
			t.Errorf("%s: %v, want %v", tc.name, got, tc.want)
		}
	}
}

func TestLocality_distributeFollowsHealth(t *testing.T) {
	cfg := spreadOver("r1", balance.LocalityShare{Locality: "r1", Percent: 80}, balance.LocalityShare{Locality: "r2", Percent: 20})
	c := placed(cfg, in(10, "r1/z1/s1", "r2/z1/s1", "r3/z1/s1"), 0)
	bad(c, "r1/z1/s1", 2)
	wantSplit(t, "80% healthy", split(t, c.Picker(), 50_000), map[string]float64{"r1/z1/s1": 80, "r2/z1/s1": 20}, 0.6)
	bad(c, "r1/z1/s1", 5) // 80 × 0.7 : 20
	wantSplit(t, "half healthy", split(t, c.Picker(), 50_000), map[string]float64{"r1/z1/s1": 100 * 56. / 76, "r2/z1/s1": 100 * 20. / 76}, 0.6)
	bad(c, "r1/z1/s1", 10)
	wantSplit(t, "dead", split(t, c.Picker(), 1000), map[string]float64{"r2/z1/s1": 100}, 0.001)
	bad(c, "r2/z1/s1", 10)
	wantSplit(t, "all dead, as in panic", split(t, c.Picker(), 20_000), map[string]float64{"r1/z1/s1": 50, "r2/z1/s1": 50}, 1)
	none := spreadOver("r1", balance.LocalityShare{Locality: "r8", Percent: 100})
	if _, err := placed(none, in(1, "r1/z1/s1"), 0).Picker().Pick(nil); err != balance.ErrNoEndpoint {
		t.Errorf("all load to a region without endpoints: %v, want %v", err, balance.ErrNoEndpoint)
	}
}

func TestLocalityConfig_Validate(t *testing.T) {
	share := func(l string, p uint32) balance.LocalityShare {
		return balance.LocalityShare{Locality: l, Percent: p}
	}
	all := spreadOver("r1", share("*", 100))
	for _, tc := range []struct {
		name string
		cfg  balance.LocalityConfig
		want string // "": valid
	}{
		{"zero", balance.LocalityConfig{}, ""},
		{"failover", balance.LocalityConfig{Failover: []balance.RegionFailover{{From: "a", To: "b"}}, FailoverPriority: []string{"x", "y=z"}}, ""},
		{"failover to itself", balance.LocalityConfig{Failover: []balance.RegionFailover{{From: "a", To: "a"}}}, "itself"},
		{"failover to nowhere", balance.LocalityConfig{Failover: []balance.RegionFailover{{From: "a"}}}, "no region"},
		{"failover to a zone", balance.LocalityConfig{Failover: []balance.RegionFailover{{From: "a", To: "b/c"}}}, "without zones"},
		{"sum", spreadOver("r1", share("r1", 80), share("r2", 10)), "90%"},
		{"none", spreadOver("r1", share("r1", 100), share("r2", 0)), "0%"},
		{"twice", spreadOver("r1", share("r1", 50), share("r1", 50)), "twice"},
		{"from twice", balance.LocalityConfig{Distribute: slices.Concat(all.Distribute, all.Distribute)}, "twice"},
		{"empty part", spreadOver("r1//s1", share("r1", 100)), "not a region"},
		{"half a wildcard", spreadOver("r1", share("r*", 100)), "whole part"},
		{"four parts", spreadOver("r1", share("a/b/c/d", 100)), "not a region"},
		{"distribute and failover", balance.LocalityConfig{Distribute: all.Distribute, FailoverPriority: []string{"x"}}, "excludes"},
		{"distribute and zones", balance.LocalityConfig{Distribute: all.Distribute, ZoneAware: balance.ZoneAware{Enabled: true}}, "excludes"},
		{"label without key", balance.LocalityConfig{FailoverPriority: []string{"=x"}}, "no key"},
		{"zones by label", balance.LocalityConfig{ZoneAware: balance.ZoneAware{Enabled: true}, FailoverPriority: []string{"topology.kubernetes.io/zone"}}, "by itself"},
		{"negative", balance.LocalityConfig{RemoteAfter: -1}, "counts attempts"},
	} {
		err := tc.cfg.Validate()
		if (tc.want == "") != (err == nil) || err != nil && !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: %v, want %q", tc.name, err, tc.want)
		}
	}
}

func TestLocalityConfig_Equal(t *testing.T) {
	full := func() balance.LocalityConfig {
		return balance.LocalityConfig{
			Local: prefer.Local, Labels: map[string]string{"a": "b"}, OutlierDetection: true,
			Failover: []balance.RegionFailover{{From: "a", To: "b"}}, FailoverPriority: []string{"x"},
			Distribute:  []balance.Distribute{{From: "a", To: []balance.LocalityShare{{Locality: "b", Percent: 100}}}},
			RemoteAfter: 2,
		}
	}
	if !full().Equal(full()) {
		t.Error("two of the same are not equal")
	}
	for i, change := range []func(*balance.LocalityConfig){
		func(c *balance.LocalityConfig) { c.Disabled = true },
		func(c *balance.LocalityConfig) { c.Local.Zone = "" },
		func(c *balance.LocalityConfig) { c.Labels["a"] = "c" },
		func(c *balance.LocalityConfig) { c.OutlierDetection = false },
		func(c *balance.LocalityConfig) { c.Failover[0].To = "c" },
		func(c *balance.LocalityConfig) { c.FailoverPriority[0] = "y" },
		func(c *balance.LocalityConfig) { c.Distribute[0].To[0].Percent = 1 },
		func(c *balance.LocalityConfig) { c.ZoneAware.Peers = &balance.Peers{} },
		func(c *balance.LocalityConfig) { c.RemoteAfter = 0 },
	} {
		changed := full()
		change(&changed)
		if full().Equal(changed) {
			t.Errorf("change %d: still equal", i)
		}
	}
}
