// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package balance_test

import (
	"context"
	"fmt"
	"time"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/balance"
	"github.com/enmesh-go/enmesh/discovery"
)

// Pick, admit, send, release: what an adapter does for each attempt.
func Example() {
	source := balance.NewStaticSource(map[string][]discovery.Endpoint{
		"reviews": {{Addrs: []string{"127.0.0.1:9080"}}},
	}, balance.PowerOfTwo())
	cluster := source.Cluster(enmesh.Destination{Service: "reviews"}, enmesh.HTTP)

	ctx, call := context.Background(), &enmesh.Call{}
	e, err := cluster.Picker().Pick(call)
	if err != nil {
		fmt.Println(err)
		return
	}
	var admission balance.Admission
	picked := enmesh.Now()
	if err := e.Admit(ctx, call, picked, &admission); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(e.Addr(), "in flight:", e.InFlight())
	answered := picked.Add(3 * time.Millisecond) // send the call here
	admission.Release(enmesh.Result{Answered: answered, Ended: answered})
	fmt.Println(e.Addr(), "latency:", e.Latency())
	// Output:
	// 127.0.0.1:9080 in flight: 1
	// 127.0.0.1:9080 latency: 3ms
}

func ExampleNewCluster() {
	cluster := balance.NewCluster(balance.ClusterConfig{
		Destination: enmesh.Destination{Service: "reviews", Subset: "v2"},
		Subset:      map[string]string{"version": "v2"},
	})
	cancel := cluster.Subscribe(func(s *balance.Set) {
		fmt.Printf("version %d: %d endpoints, %d added, %d removed\n", s.Version, len(s.Endpoints), len(s.Added), len(s.Removed))
	})
	defer cancel()
	cluster.Apply([]discovery.Endpoint{
		{Addrs: []string{"10.0.0.1:9080"}, Version: "v1"},
		{Addrs: []string{"10.0.0.2:9080"}, Version: "v2"},
	})
	cluster.Apply([]discovery.Endpoint{
		{Addrs: []string{"10.0.0.2:9080"}, Version: "v2"},
		{Addrs: []string{"10.0.0.3:9080"}, Version: "v2"},
	})
	// Output:
	// version 1: 1 endpoints, 1 added, 0 removed
	// version 2: 2 endpoints, 1 added, 0 removed
}

func ExampleWeightedRoundRobin() {
	source := balance.NewStaticSource(map[string][]discovery.Endpoint{"reviews": {
		{Addrs: []string{"10.0.0.1:9080"}, Weight: 3},
		{Addrs: []string{"10.0.0.2:9080"}, Weight: 1},
	}}, balance.WeightedRoundRobin())
	picker := source.Cluster(enmesh.Destination{Service: "reviews"}, enmesh.HTTP).Picker()
	picks := map[string]int{}
	for range 40 {
		e, _ := picker.Pick(nil)
		picks[e.Addr()]++
	}
	fmt.Println(picks)
	// Output: map[10.0.0.1:9080:30 10.0.0.2:9080:10]
}

func ExampleByName() {
	_, known := balance.ByName("LEAST_REQUEST")
	_, unknown := balance.ByName("FASTEST")
	fmt.Println(known, unknown)
	// Output: true false
}

// A key goes to the same endpoint, in every process, whatever the order of the list.
func ExampleRingHash() {
	ring := balance.RingHash(balance.RingHashConfig{MinSize: 4096})
	for _, list := range [][]string{{"10.0.0.1:9080", "10.0.0.2:9080", "10.0.0.3:9080"}, {"10.0.0.3:9080", "10.0.0.2:9080", "10.0.0.1:9080"}} {
		for _, key := range []uint64{4711, 4712} { // of a user; see package affinity
			fmt.Println(key, pickFrom(ring, list, key))
		}
	}
	// Output:
	// 4711 10.0.0.1:9080
	// 4712 10.0.0.2:9080
	// 4711 10.0.0.1:9080
	// 4712 10.0.0.2:9080
}

func pickFrom(a balance.Algorithm, list []string, key uint64) string {
	var eps []discovery.Endpoint
	for _, addr := range list {
		eps = append(eps, discovery.Endpoint{Addrs: []string{addr}})
	}
	source := balance.NewStaticSource(map[string][]discovery.Endpoint{"reviews": eps}, a)
	e, err := source.Cluster(enmesh.Destination{Service: "reviews"}, enmesh.HTTP).Picker().Pick(&enmesh.Call{Key: key})
	if err != nil {
		return err.Error()
	}
	return e.Addr()
}

// Calls with one key share an endpoint as long as it has no more than 1.25 times its
// share of all calls.
func ExampleMaglev() {
	maglev := balance.Maglev(balance.MaglevConfig{TableSize: 10_007, BalanceFactor: 125})
	source := balance.NewStaticSource(map[string][]discovery.Endpoint{"reviews": {
		{Addrs: []string{"10.0.0.1:9080"}}, {Addrs: []string{"10.0.0.2:9080"}}, {Addrs: []string{"10.0.0.3:9080"}},
	}}, maglev)
	cluster := source.Cluster(enmesh.Destination{Service: "reviews"}, enmesh.HTTP)
	call := &enmesh.Call{Key: 4711}
	var inFlight [30]balance.Admission
	for i := range inFlight {
		e, err := cluster.Picker().Pick(call)
		if err == nil {
			err = e.Admit(context.Background(), call, enmesh.Now(), &inFlight[i])
		}
		if err != nil {
			fmt.Println(err)
			return
		}
	}
	for _, e := range cluster.Set().Endpoints {
		fmt.Println(e.Addr(), "has", e.InFlight())
	}
	// Output:
	// 10.0.0.1:9080 has 4
	// 10.0.0.2:9080 has 13
	// 10.0.0.3:9080 has 13
}

// The third of ten clients has to do with 20 of 100 endpoints.
func ExampleSubsetConfig() {
	cluster := balance.NewCluster(balance.ClusterConfig{
		Destination: enmesh.Destination{Service: "reviews"},
		Subsetting:  balance.SubsetConfig{Size: 20, Index: 2, Count: 10},
	})
	var eps []discovery.Endpoint
	for i := range 100 {
		eps = append(eps, discovery.Endpoint{Addrs: []string{fmt.Sprintf("10.0.0.%d:9080", i)}})
	}
	cluster.Apply(eps)
	fmt.Println("connects to", len(cluster.Set().Endpoints), "of", len(eps))
	// Output: connects to 20 of 100
}

func ExampleSubsetConfig_Among() {
	clients := []string{"10.0.0.1:80", "10.0.0.2:80", "10.0.0.3:80"} // as the registry lists this process's own service
	cfg := balance.SubsetConfig{Size: 20}.Among("10.0.0.2:80", clients)
	fmt.Println("client", cfg.Index, "of", cfg.Count)
	// Output: client 1 of 3
}

// How a destination's endpoints are connected to, checked before it is put in force.
func ExampleConnectionConfig() {
	cfg := balance.ConnectionConfig{MaxConnections: 10, MaxPending: 20, MaxAge: 10 * time.Minute, Prewarm: 2}
	fmt.Println(cfg.Validate())
	cluster := balance.NewCluster(balance.ClusterConfig{Connection: cfg})
	cluster.Apply([]discovery.Endpoint{{Addrs: []string{"10.0.0.1:9080"}}})
	fmt.Println(cluster.Set().Connection.MaxAge)
	cfg.Prewarm = 11
	fmt.Println(cfg.Validate())
	// Output:
	// <nil>
	// 10m0s
	// balance: connections: Prewarm 11 is more than MaxConnections 10
}
