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
