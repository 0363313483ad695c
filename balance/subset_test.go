// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package balance_test

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/balance"
	"github.com/enmesh-go/enmesh/discovery"
)

// fleet are the clusters of all clients of one service.
type fleet []*balance.Cluster

func newFleet(clients, size int, eps []discovery.Endpoint) fleet {
	f := make(fleet, clients)
	for i := range f {
		f[i] = balance.NewCluster(balance.ClusterConfig{Subsetting: balance.SubsetConfig{Size: size, Index: i, Count: clients}})
	}
	f.apply(eps)
	return f
}

func (f fleet) apply(eps []discovery.Endpoint) {
	for _, c := range f {
		c.Apply(eps)
	}
}

// connections is how many clients each endpoint has.
func (f fleet) connections() map[string]int {
	n := map[string]int{}
	for _, c := range f {
		for _, e := range c.Set().Endpoints {
			n[e.Addr()]++
		}
	}
	return n
}

// members is the subset of a client.
func members(c *balance.Cluster) map[string]bool {
	m := map[string]bool{}
	for _, e := range c.Set().Endpoints {
		m[e.Addr()] = true
	}
	return m
}

// lost is how many of before are not in now.
func lost(before, now map[string]bool) int {
	n := 0
	for addr := range before {
		if !now[addr] {
			n++
		}
	}
	return n
}

func TestSubset_isEven(t *testing.T) {
	for _, tt := range []struct{ clients, size, endpoints int }{
		{1, 20, 20}, {10, 20, 200}, {10, 20, 100}, {30, 20, 100}, {50, 20, 200}, {100, 5, 100},
		{7, 5, 35}, {7, 5, 34}, {13, 7, 31}, {3, 2, 6}, {3, 2, 5}, {100, 20, 333}, {99, 20, 300}, {250, 4, 997},
	} {
		got := newFleet(tt.clients, tt.size, told(tt.endpoints, nil)).connections()
		mean := float64(tt.clients*tt.size) / float64(tt.endpoints)
		least, most := math.MaxInt, 0
		for _, e := range told(tt.endpoints, nil) {
			n := got[e.Addrs[0]]
			least, most = min(least, n), max(most, n)
		}
		t.Logf("%+v: %d to %d clients, max/mean %.3f", tt, least, most, float64(most)/mean)
		if least < 1 || least < int(mean) || most > int(math.Ceil(mean)) {
			t.Errorf("%+v: an endpoint has %d to %d clients, want the mean %.2f, rounded down or up", tt, least, most, mean)
		}
		if whole := mean == math.Trunc(mean); (whole || mean >= 5) && float64(most)/mean > 1.2 {
			t.Errorf("%+v: max/mean = %.3f, want at most 1.2", tt, float64(most)/mean)
		}
	}
}

// An endpoint that goes costs its clients that one, and any client at most one more.
func TestSubset_endpointGoesAndComes(t *testing.T) {
	const clients, size, n = 40, 10, 100
	eps := told(n, nil)
	f := newFleet(clients, size, eps)
	before := make([]map[string]bool, clients)
	for i, c := range f {
		before[i] = members(c)
	}
	exchanged, needed := 0, 0
	for gone := range n {
		f.apply(slices.Delete(slices.Clone(eps), gone, gone+1))
		for i, c := range f {
			now := members(c)
			had := 0
			if before[i][eps[gone].Addrs[0]] {
				had = 1
			}
			if len(now) != size {
				t.Fatalf("client %d has %d endpoints, want %d", i, len(now), size)
			}
			if got := lost(before[i], now) - had; got > 1 {
				t.Fatalf("client %d exchanged %d endpoints beside the one that went, want at most 1", i, got)
			}
			exchanged += lost(before[i], now)
			needed += had
		}
		f.apply(eps)
		for i, c := range f {
			if lost(before[i], members(c)) > 0 {
				t.Fatalf("client %d has other endpoints when the one that went has come back", i)
			}
		}
	}
	perClient := float64(exchanged-needed) / (n * clients)
	t.Logf("%.2f endpoints exchanged per client and removal, beside the one that went", perClient)
	if perClient > 0.5 {
		t.Errorf("%.2f endpoints exchanged per client and removal beside the one that went, want at most 0.5", perClient)
	}
}

// A client that comes makes the others move by half of their distance on average.
func TestSubset_clientComes(t *testing.T) {
	const clients, size, n = 40, 20, 100
	before, after := newFleet(clients, size, told(n, nil)), newFleet(clients+1, size, told(n, nil))
	exchanged := 0
	for i := range before {
		exchanged += lost(members(before[i]), members(after[i]))
	}
	share := float64(exchanged) / (clients * size)
	t.Logf("%.1f%% of the connections are made anew, with %d clients per endpoint", 100*share, clients*size/n)
	if limit := 0.75 * n / (clients * size); share > limit {
		t.Errorf("%.1f%% of the connections are made anew, want at most %.1f%%", 100*share, 100*limit)
	}
}

func TestSubset_namesInsteadOfNumbers(t *testing.T) {
	one, two, other := subsetOf("pod-1"), subsetOf("pod-1"), subsetOf("pod-2")
	if len(members(one)) != 10 || lost(members(one), members(two)) != 0 {
		t.Error("the same name has another subset")
	}
	if lost(members(one), members(other)) == 0 {
		t.Error("another name has the same subset")
	}
	one, two = subsetOf(""), subsetOf("")
	if len(members(one)) != 10 || lost(members(one), members(two)) != 0 {
		t.Error("two clusters of a process without a name have different places")
	}
}

func subsetOf(name string) *balance.Cluster {
	c := balance.NewCluster(balance.ClusterConfig{Subsetting: balance.SubsetConfig{Size: 10, ID: name}})
	c.Apply(told(200, nil))
	return c
}

// Clients that the registry numbers are as even as those that are numbered by hand, and
// move little when one of them goes.
func TestSubsetConfig_among(t *testing.T) {
	const clients, size, n = 40, 20, 100
	names := make([]string, clients)
	for i := range names {
		names[i] = fmt.Sprintf("10.9.0.%d:80", i)
	}
	numbered := func(names []string) map[string]*balance.Cluster {
		m := map[string]*balance.Cluster{}
		for _, own := range names {
			cfg := balance.SubsetConfig{Size: size}.Among(own, append(slices.Clone(names), names[0]))
			m[own] = balance.NewCluster(balance.ClusterConfig{Subsetting: cfg})
			m[own].Apply(told(n, nil))
		}
		return m
	}
	before := numbered(names)
	var all fleet
	for _, c := range before {
		all = append(all, c)
	}
	for addr, got := range all.connections() {
		if got != clients*size/n {
			t.Fatalf("%s has %d clients, want %d", addr, got, clients*size/n)
		}
	}
	exchanged := 0
	for gone := range names {
		for own, c := range numbered(slices.Delete(slices.Clone(names), gone, gone+1)) {
			exchanged += lost(members(before[own]), members(c))
		}
	}
	share := float64(exchanged) / (clients * clients * size)
	t.Logf("%.1f%% of the connections are made anew when a client goes", 100*share)
	if share > 0.05 {
		t.Errorf("%.1f%% of the connections are made anew when a client goes, want at most 5%%", 100*share)
	}
	unknown := balance.SubsetConfig{Size: size, Index: 3, Count: 7}.Among("stranger", names)
	if want := (balance.SubsetConfig{Size: size, ID: "stranger"}); unknown != want {
		t.Errorf("one that is not listed is %+v, want %+v", unknown, want)
	}
}

func TestSubset_orderAndRepetitionsDoNotMatter(t *testing.T) {
	eps := told(50, nil)
	f := newFleet(5, 10, eps)
	mixed := append(reversed(eps), eps[:20]...)
	for i, c := range newFleet(5, 10, mixed) {
		if len(c.Set().Endpoints) != 10 || lost(members(f[i]), members(c)) != 0 {
			t.Errorf("client %d has another subset of the same endpoints", i)
		}
	}
}

// Who listens hears of the subset alone; endpoints that stay keep what is known of them.
func TestSubset_subscribersNeverHearOfTheOthers(t *testing.T) {
	eps := told(100, nil)
	c := balance.NewCluster(balance.ClusterConfig{Subsetting: balance.SubsetConfig{Size: 20, Index: 3, Count: 10}})
	connected, sets := map[*balance.Endpoint]bool{}, 0
	cancel := c.Subscribe(func(s *balance.Set) {
		sets++
		for _, e := range s.Removed {
			delete(connected, e)
		}
		for _, e := range s.Added {
			connected[e] = true
		}
		if len(connected) != len(s.Endpoints) || len(s.Endpoints) > 20 {
			t.Errorf("set %d: %d endpoints, %d connected, want at most 20", s.Version, len(s.Endpoints), len(connected))
		}
	})
	defer cancel()
	c.Apply(eps)
	stays := c.Set().Endpoints[10]
	hold(t, stays, 3)
	c.Apply(reversed(eps))
	c.Apply(slices.Clone(eps))
	if sets != 1 {
		t.Errorf("%d sets for a list that only changed its order, want 1", sets)
	}
	for i := range 30 {
		if eps[i].Addrs[0] != stays.Addr() {
			c.Apply(slices.Delete(slices.Clone(eps), i, i+1))
		}
	}
	if !slices.Contains(c.Set().Endpoints, stays) || stays.InFlight() != 3 {
		t.Error("an endpoint that stayed is another one now")
	}
}

// A draining endpoint is replaced at once, and stays until it has left.
func TestSubset_drainingIsReplaced(t *testing.T) {
	eps := told(100, nil)
	c := balance.NewCluster(balance.ClusterConfig{Subsetting: balance.SubsetConfig{Size: 10, Count: 10}})
	c.Apply(eps)
	before := members(c)
	mine := slices.IndexFunc(eps, func(e discovery.Endpoint) bool { return before[e.Addrs[0]] })
	other := slices.IndexFunc(eps, func(e discovery.Endpoint) bool { return !before[e.Addrs[0]] })
	eps[mine].Draining, eps[other].Draining = true, true
	c.Apply(eps)
	now := members(c)
	if len(now) != 11 || !now[eps[mine].Addrs[0]] || now[eps[other].Addrs[0]] {
		t.Errorf("%d endpoints, draining ones %t and %t, want 11, the own one alone", len(now), now[eps[mine].Addrs[0]], now[eps[other].Addrs[0]])
	}
	c.Apply(slices.Delete(slices.Clone(eps), mine, mine+1))
	if now := members(c); len(now) != 10 || now[eps[mine].Addrs[0]] {
		t.Errorf("%d endpoints after the draining one has left, want 10", len(now))
	}
}

func TestSubset_policyChanges(t *testing.T) {
	c := balance.NewCluster(balance.ClusterConfig{})
	c.Apply(told(100, nil))
	kept := c.Set().Endpoints[0]
	for _, tt := range []struct{ size, want int }{{0, 100}, {30, 30}, {7, 7}, {100, 100}, {1000, 100}, {50, 50}, {0, 100}} {
		c.Configure(balance.ClusterConfig{Subsetting: balance.SubsetConfig{Size: tt.size, Index: 1, Count: 3}})
		if got := len(c.Set().Endpoints); got != tt.want {
			t.Errorf("size %d: %d endpoints, want %d", tt.size, got, tt.want)
		}
	}
	if c.Set().Endpoints[0].Addr() != kept.Addr() {
		t.Error("the registry's order is lost")
	}
}

// Only what the cluster has a use for is chosen from: subset labels and ports.
func TestSubset_ofWhatIsSelected(t *testing.T) {
	c := balance.NewCluster(balance.ClusterConfig{
		Protocol:   enmesh.GRPC,
		Subset:     map[string]string{"version": "v1"},
		Subsetting: balance.SubsetConfig{Size: 5, Index: 2, Count: 9},
	})
	eps := told(60, nil) // a third of them v1
	for i := range eps {
		eps[i].Ports = []discovery.Port{{Number: 80, Protocol: "http"}}
		if i%2 == 0 {
			eps[i].Ports = append(eps[i].Ports, discovery.Port{Number: 90, Protocol: "grpc"})
		}
	}
	c.Apply(eps)
	for _, e := range c.Set().Endpoints {
		if e.Label("version") != "v1" {
			t.Errorf("%s is of version %s", e.Addr(), e.Label("version"))
		}
	}
	if got := len(c.Set().Endpoints); got != 5 {
		t.Errorf("%d endpoints, want 5", got)
	}
}

func TestSubsetConfig_validate(t *testing.T) {
	for _, tt := range []struct {
		cfg  balance.SubsetConfig
		want string
	}{
		{balance.SubsetConfig{}, ""},
		{balance.SubsetConfig{Size: 20, Index: 9, Count: 10}, ""},
		{balance.SubsetConfig{Size: 20, ID: "pod-1"}, ""},
		{balance.SubsetConfig{Size: -1}, "balance: subset of Size -1, Index 0, Count 0: negative"},
		{balance.SubsetConfig{Size: 20, Index: 10, Count: 10}, "balance: subset with Index 10 of Count 10"},
	} {
		checkError(t, tt.cfg, tt.cfg.Validate(), tt.want)
	}
}

func BenchmarkApplySubset(b *testing.B) {
	for _, n := range []int{1000, 10_000} {
		full := told(n, nil)
		churned := slices.Clone(full)
		for i := 0; i < n; i += 100 { // 1%
			churned[i].Addrs = []string{fmt.Sprintf("10.200.%d.%d:8080", i>>8, i&255)}
		}
		b.Run(fmt.Sprintf("churn 1%%/n=%d", n), func(b *testing.B) {
			b.ReportAllocs()
			c := balance.NewCluster(balance.ClusterConfig{Subsetting: balance.SubsetConfig{Size: 20, Index: 5, Count: 30}})
			now, next := full, churned
			for b.Loop() {
				c.Apply(now)
				now, next = next, now
			}
		})
	}
}
