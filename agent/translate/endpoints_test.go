// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package translate_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	endpointpb "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"

	"github.com/enmesh-go/enmesh/agent/translate"
	agentxds "github.com/enmesh-go/enmesh/agent/xds"
	"github.com/enmesh-go/enmesh/discovery"
)

// detected has instances sorted by locality.
const detected = `
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: s}
spec: {host: s, trafficPolicy: {outlierDetection: {}}}
`

const sCluster = "outbound|80||s.default.svc.cluster.local"

// places is an assignment in short: "0 eu/a 100: 10.0.0.1 10.0.0.2", weights in percent of
// their priority.
func places(t testing.TB, c *translate.Catalog, n *agentxds.Node, name string) []string {
	t.Helper()
	m := &endpointpb.ClusterLoadAssignment{}
	if err := resource(t, c, n, agentxds.Endpoints, name).UnmarshalTo(m); err != nil {
		t.Fatal(err)
	}
	sums := map[uint32]uint64{}
	for _, l := range m.GetEndpoints() {
		sums[l.GetPriority()] += uint64(l.GetLoadBalancingWeight().GetValue())
	}
	var out []string
	for _, l := range m.GetEndpoints() {
		var addrs []string
		for _, e := range l.GetLbEndpoints() {
			addrs = append(addrs, strings.TrimPrefix(e.GetEndpoint().GetAddress().GetSocketAddress().GetAddress(), "10.0.0."))
		}
		percent := 100 * float64(l.GetLoadBalancingWeight().GetValue()) / float64(sums[l.GetPriority()])
		out = append(out, fmt.Sprintf("%d %s/%s %.0f: %s", l.GetPriority(), l.GetLocality().GetRegion(), l.GetLocality().GetZone(), percent, strings.Join(addrs, " ")))
	}
	return out
}

func TestEndpoints(t *testing.T) {
	at := func(last int, region, zone string, more ...func(*discovery.Endpoint)) discovery.Endpoint {
		e := discovery.Endpoint{Addrs: []string{fmt.Sprintf("10.0.0.%d:80", last)}, Locality: discovery.Locality{Region: region, Zone: zone}}
		for _, f := range more {
			f(&e)
		}
		return e
	}
	doubted := func(e *discovery.Endpoint) { e.Unconfirmed = true }
	unhealthy := func(e *discovery.Endpoint) { e.Draining, e.Unhealthy = true, true }
	draining := func(e *discovery.Endpoint) { e.Draining = true }
	heavy := func(e *discovery.Endpoint) { e.Weight = 3 }
	named := func(e *discovery.Endpoint) { e.Addrs = []string{"host.example:80"} }
	second := func(e *discovery.Endpoint) { e.Priority = 7 }
	for name, tc := range map[string]struct {
		policy string
		set    []discovery.Endpoint
		want   []string
	}{
		"all alike without outlier detection": {"", []discovery.Endpoint{at(1, "us", "x"), at(2, "eu", "a", heavy)}, []string{"0 eu/a 75: 2", "0 us/x 25: 1"}},
		"nearer first":                        {detected, []discovery.Endpoint{at(1, "us", "x"), at(2, "eu", "b"), at(3, "eu", "a")}, []string{"0 eu/a 100: 3", "1 eu/b 100: 2", "2 us/x 100: 1"}},
		"without gaps":                        {detected, []discovery.Endpoint{at(1, "us", "x"), at(3, "eu", "a")}, []string{"0 eu/a 100: 3", "1 us/x 100: 1"}},
		"each address once":                   {"", []discovery.Endpoint{at(1, "eu", "a"), at(1, "us", "b"), at(2, "eu", "a")}, []string{"0 eu/a 100: 1 2"}},
		"no names, and none that drain":       {"", []discovery.Endpoint{at(1, "eu", "a", named), at(2, "eu", "a", draining), at(3, "eu", "a")}, []string{"0 eu/a 100: 3"}},
		"the registry's tiers":                {"", []discovery.Endpoint{at(1, "eu", "a", second), at(2, "eu", "a")}, []string{"0 eu/a 100: 2", "1 eu/a 100: 1"}},
		"doubted ones last":                   {"", []discovery.Endpoint{at(1, "eu", "a", doubted), at(2, "eu", "a"), at(3, "eu", "a"), at(4, "eu", "a")}, []string{"0 eu/a 100: 2 3 4", "1 eu/a 100: 1"}},
		"a little doubt moves no load":        {detected, []discovery.Endpoint{at(1, "eu", "a", doubted), at(2, "eu", "a"), at(3, "eu", "a"), at(4, "eu", "a"), at(5, "us", "a")}, []string{"0 eu/a 100: 2 3 4", "1 us/a 100: 5", "2 eu/a 100: 1"}},
		"half doubted moves what is over":     {detected, []discovery.Endpoint{at(1, "eu", "a", doubted), at(2, "eu", "a"), at(5, "us", "a"), at(6, "us", "a")}, []string{"0 eu/a 70: 2", "0 us/a 30: 5 6", "1 eu/a 100: 1"}},
		"so do the unhealthy":                 {detected, []discovery.Endpoint{at(1, "eu", "a", unhealthy), at(2, "eu", "a", unhealthy), at(3, "eu", "a", unhealthy), at(4, "eu", "a"), at(5, "us", "a")}, []string{"0 eu/a 35: 4", "0 us/a 65: 5", "1 eu/a 100: 1 2 3"}},
		"and not those that drain":            {detected, []discovery.Endpoint{at(1, "eu", "a", draining), at(2, "eu", "a", draining), at(4, "eu", "a"), at(5, "us", "a")}, []string{"0 eu/a 100: 4", "1 us/a 100: 5"}},
		"all doubted":                         {detected, []discovery.Endpoint{at(1, "eu", "a", doubted)}, []string{"0 eu/a 100: 1"}},
		"none":                                {detected, nil, nil},
	} {
		t.Run(name, func(t *testing.T) {
			c, registry := open(t, translate.Config{}, tc.policy)
			registry.Set("s", tc.set...)
			n := &agentxds.Node{Region: "eu", Zone: "a"}
			if got := places(t, c, n, sCluster); !slices.Equal(got, tc.want) {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
}

func TestEndpoints_ofASubsetThatIsNotDefinedAreNone(t *testing.T) {
	c, registry := open(t, translate.Config{}, detected)
	registry.Set("s", discovery.Endpoint{Addrs: []string{"10.0.0.1:80"}})
	if got := places(t, c, &agentxds.Node{}, "outbound|80|v9|s.default.svc.cluster.local"); got != nil {
		t.Errorf("got %q, want none", got)
	}
}
