// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package mesh_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/balance"
	"github.com/enmesh-go/enmesh/discovery"
	"github.com/enmesh-go/enmesh/mesh"
)

// reviewsBy is a mesh over the endpoints that a registry has, whose DestinationRule has a
// loadBalancer of these fields.
func reviewsBy(t *testing.T, loadBalancer string, registry *discovery.Memory) *mesh.Mesh {
	t.Helper()
	s := &street{t: t}
	return s.open(t, nil, destinationRule("trafficPolicy: {loadBalancer: {"+loadBalancer+"}}"), mesh.WithResolver(registry))
}

// A new instance has the share that warmup gives it, by whichever of its fields.
func TestDestinationRule_warmup(t *testing.T) {
	for _, tt := range []struct {
		name, loadBalancer, picker string
		least, most                float64 // the part of its share that the new instance has
	}{
		{"for a while", "simple: RANDOM, warmupDurationSecs: 3600s", "random, slow start 1h0m0s", 0.1, 0.11},
		{"by the newer field", "simple: RANDOM, warmup: {duration: 3600s}", "random, slow start 1h0m0s", 0.1, 0.11},
		{"from little on", "simple: RANDOM, warmup: {duration: 3600s, minimumPercent: 30}", "random, slow start 1h0m0s", 0.3, 0.31},
		{"from nothing on", "simple: RANDOM, warmup: {duration: 3600s, minimumPercent: 0}", "random, slow start 1h0m0s", 0.01, 0.02},
		{"sooner", "simple: RANDOM, warmup: {duration: 3600s, aggression: 100}", "random, slow start 1h0m0s", 0.6, 1},
		{"not by a hash", "consistentHash: {httpHeaderName: end-user}, warmup: {duration: 3600s}", "ring hash", 1, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			registry := discovery.NewMemory()
			registry.Set("reviews", at("10.0.0.1:80", "v1", "a"), at("10.0.0.2:80", "v1", "a"))
			m := reviewsBy(t, tt.loadBalancer, registry)
			q := mesh.Query{Host: "reviews"}
			explain(t, m, q)
			registry.Set("reviews", at("10.0.0.1:80", "v1", "a"), at("10.0.0.2:80", "v1", "a"), at("10.0.0.3:80", "v1", "a"))
			until(t, "the third has its share", func() bool {
				d := explain(t, m, q).Destinations[0]
				if len(d.Candidates) < 3 {
					return false
				}
				if d.Algorithm != tt.picker {
					t.Errorf("got %q, want %q", d.Algorithm, tt.picker)
				}
				i := slices.IndexFunc(d.Candidates, func(c mesh.Candidate) bool { return c.Addr == "10.0.0.3:80" })
				got := d.Candidates[i].Effective
				return got >= tt.least && got <= tt.most
			})
		})
	}
}

// A consistent hash has the kind of table, and the size, that its block says: the owners of
// the keys are those of such a table, and of no other here.
func TestDestinationRule_tables(t *testing.T) {
	eps := []discovery.Endpoint{at("10.0.0.1:80", "v1", "a"), at("10.0.0.2:80", "v1", "a"), at("10.0.0.3:80", "v1", "a")}
	ring := func(size uint32) balance.Algorithm { return balance.RingHash(balance.RingHashConfig{MinSize: size}) }
	maglev := func(size uint32) balance.Algorithm { return balance.Maglev(balance.MaglevConfig{TableSize: size}) }
	said := map[string]string{}
	for _, tt := range []struct {
		block, picker string
		want          balance.Algorithm
		asBefore      bool // another block says the same
	}{
		{"", "ring hash", ring(1024), false},
		{", ringHash: {}", "ring hash", ring(1024), true},
		{", ringHash: {minimumRingSize: 1}", "ring hash", ring(1), false},
		{", ringHash: {minimumRingSize: 20000}", "ring hash", ring(20000), false},
		{", minimumRingSize: 20000", "ring hash", ring(20000), true},
		{", maglev: {tableSize: 65537}", "Maglev", maglev(65537), false},
		{", maglev: {tableSize: 7}", "Maglev", maglev(7), false},
		{", maglev: {tableSize: 251}", "Maglev", maglev(251), false},
	} {
		registry := discovery.NewMemory()
		registry.Set("reviews", eps...)
		m := reviewsBy(t, "consistentHash: {httpHeaderName: end-user"+tt.block+"}", registry)
		explain(t, m, mesh.Query{Host: "reviews"})
		for _, p := range []enmesh.Protocol{enmesh.HTTP, enmesh.GRPC} {
			wanted := balance.NewCluster(balance.ClusterConfig{Protocol: p, Algorithm: tt.want})
			wanted.Apply(eps)
			got, want := owners(t, m.Cluster(enmesh.Destination{Service: "reviews.default.svc.cluster.local"}, p)), owners(t, wanted)
			if got != want || !strings.HasPrefix(got, tt.picker+":") {
				t.Errorf("%q over %v:\n%s\nwant\n%s", tt.block, p, got, want)
			}
			if block, twice := said[p.String()+got]; twice != tt.asBefore {
				t.Errorf("%q over %v has the owners of %q, which is %t: %s", tt.block, p, block, twice, got)
			}
			said[p.String()+got] = tt.block
		}
	}
}

// owners is a cluster's picker, and who owns how many of the keys.
func owners(t *testing.T, c *balance.Cluster) string {
	t.Helper()
	if err := c.Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	x := c.Explain(&enmesh.Call{}, func(*balance.Endpoint) string { return "" })
	text := x.Picker + ":"
	for _, one := range x.Candidates {
		text += " " + one.Addr + " " + one.Score
	}
	return text
}
