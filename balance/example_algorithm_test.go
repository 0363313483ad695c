// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package balance_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/balance"
	"github.com/enmesh-go/enmesh/discovery"
)

// A list that does not change: a subset is a version, and what is not listed is refused.
func ExampleNewStaticSource() {
	source := balance.NewStaticSource(map[string][]discovery.Endpoint{"reviews": {
		{Addrs: []string{"10.0.0.1:9080"}, Version: "v1"},
		{Addrs: []string{"10.0.0.2:9080"}, Version: "v2"},
	}}, nil) // nil: LeastRequest(2)
	for _, d := range []enmesh.Destination{{Service: "reviews", Subset: "v2"}, {Service: "ratings"}} {
		e, err := source.Cluster(d, enmesh.HTTP).Picker().Pick(nil)
		switch {
		case errors.Is(err, balance.ErrNoCluster):
			fmt.Println(d.Service, "is not known:", enmesh.ErrorOf(err).Flag)
		case err == nil:
			fmt.Println(d.Service, d.Subset, "is at", e.Addr())
		}
	}
	// Output:
	// reviews v2 is at 10.0.0.2:9080
	// ratings is not known: NC
}

// Each in turn, whatever their weights.
func ExampleRoundRobin() {
	fmt.Println(picksOf(balance.RoundRobin(), 30, 9, 1))
	// Output: [15 15]
}

// Each by chance, as often as its weight says.
func ExampleRandom() {
	picks := picksOf(balance.Random(), 10_000, 9, 1)
	fmt.Println("about nine in ten:", picks[0] > 8_700 && picks[0] < 9_300)
	// Output: about nine in ten: true
}

// picksOf is how often each of some endpoints with these weights is picked.
func picksOf(a balance.Algorithm, calls int, weights ...uint32) []int {
	var eps []discovery.Endpoint
	for i, w := range weights {
		eps = append(eps, discovery.Endpoint{Addrs: []string{fmt.Sprintf("10.0.0.%d:9080", i)}, Weight: w})
	}
	cluster := balance.NewCluster(balance.ClusterConfig{Algorithm: a})
	cluster.Apply(eps)
	picks := make([]int, len(eps))
	for range calls {
		e, err := cluster.Picker().Pick(nil)
		for i, own := range cluster.Set().Endpoints {
			if err == nil && own.Same(e) {
				picks[i]++
			}
		}
	}
	return picks
}

// Of two that are drawn, the one with fewer calls in flight.
func ExampleLeastRequest() {
	cluster := balance.NewCluster(balance.ClusterConfig{Algorithm: balance.LeastRequest(2)})
	cluster.Apply([]discovery.Endpoint{{Addrs: []string{"10.0.0.1:9080"}}, {Addrs: []string{"10.0.0.2:9080"}}})
	var busy balance.Admission
	if err := cluster.Set().Endpoints[0].Admit(context.Background(), nil, enmesh.Now(), &busy); err != nil {
		fmt.Println(err)
		return
	}
	defer busy.Release(enmesh.Result{})
	e, err := cluster.Picker().Pick(nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(e.Addr(), "in flight:", e.InFlight())
	// Output: 10.0.0.2:9080 in flight: 0
}

// As many calls in flight at both: the one that has answered sooner.
func ExamplePowerOfTwo() {
	cluster := balance.NewCluster(balance.ClusterConfig{Algorithm: balance.PowerOfTwo()})
	cluster.Apply([]discovery.Endpoint{{Addrs: []string{"10.0.0.1:9080"}}, {Addrs: []string{"10.0.0.2:9080"}}})
	for i, took := range []time.Duration{400 * time.Millisecond, 3 * time.Millisecond} {
		e, now := cluster.Set().Endpoints[i], enmesh.Now()
		var a balance.Admission
		if err := e.Admit(context.Background(), nil, now, &a); err != nil {
			fmt.Println(err)
			return
		}
		a.Release(enmesh.Result{Answered: now.Add(took), Ended: now.Add(took)})
	}
	e, err := cluster.Picker().Pick(nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(e.Addr(), "answers within", e.Latency())
	// Output: 10.0.0.2:9080 answers within 3ms
}
