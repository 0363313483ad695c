// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package balance_test

import (
	"fmt"

	"github.com/enmesh-go/enmesh/balance"
	"github.com/enmesh-go/enmesh/discovery"
)

func ExampleLocality() {
	cluster := balance.NewCluster(balance.ClusterConfig{
		Algorithm: balance.Locality(balance.LocalityConfig{
			Local:            discovery.Locality{Region: "eu", Zone: "a"},
			OutlierDetection: true,
		}, balance.RoundRobin()),
	})
	cluster.Apply([]discovery.Endpoint{
		{Addrs: []string{"10.0.0.1:80"}, Locality: discovery.Locality{Region: "us", Zone: "a"}},
		{Addrs: []string{"10.0.0.2:80"}, Locality: discovery.Locality{Region: "eu", Zone: "a"}},
		{Addrs: []string{"10.0.0.3:80"}, Locality: discovery.Locality{Region: "eu", Zone: "b"}},
	})
	for range 3 {
		e, err := cluster.Picker().Pick(nil)
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(e.Addr(), "in", e.Info().Locality)
		e.SetHealthy(false)
	}
	// Output:
	// 10.0.0.2:80 in eu/a
	// 10.0.0.3:80 in eu/b
	// 10.0.0.1:80 in us/a
}

func ExampleTiersOf() {
	cluster := balance.NewCluster(balance.ClusterConfig{
		Algorithm: balance.Locality(balance.LocalityConfig{
			Local:            discovery.Locality{Region: "eu"},
			OutlierDetection: true,
		}, balance.RoundRobin()),
	})
	cluster.Apply([]discovery.Endpoint{
		{Addrs: []string{"10.0.0.1:80"}, Locality: discovery.Locality{Region: "eu"}},
		{Addrs: []string{"10.0.0.2:80"}, Locality: discovery.Locality{Region: "eu"}},
		{Addrs: []string{"10.0.0.3:80"}, Locality: discovery.Locality{Region: "us"}},
	})
	cluster.Set().Endpoints[0].SetHealthy(false)
	for i, tier := range balance.TiersOf(cluster.Picker()) {
		fmt.Printf("tier %d: %d of %d healthy, %.0f%% of the load\n", i, tier.Healthy, tier.Total, 100*tier.Load)
	}
	// Output:
	// tier 0: 1 of 2 healthy, 70% of the load
	// tier 1: 1 of 1 healthy, 30% of the load
}

// A third of the endpoints and half of the clients are in zone a: they bear two thirds of
// what these clients send, and zone b, which has more endpoints than clients, the rest.
func ExamplePeers() {
	a, b := discovery.Locality{Region: "eu", Zone: "a"}, discovery.Locality{Region: "eu", Zone: "b"}
	peers := &balance.Peers{}
	peers.Apply([]discovery.Endpoint{{Locality: a}, {Locality: b}})
	cluster := balance.NewCluster(balance.ClusterConfig{
		Algorithm: balance.Locality(balance.LocalityConfig{
			Local:     a,
			ZoneAware: balance.ZoneAware{Enabled: true, Peers: peers},
		}, nil),
	})
	endpoints := []discovery.Endpoint{}
	for i := range 9 {
		at := b
		if i < 3 {
			at = a
		}
		endpoints = append(endpoints, discovery.Endpoint{Addrs: []string{fmt.Sprintf("10.0.0.%d:80", i)}, Locality: at})
	}
	cluster.Apply(endpoints)
	for _, part := range balance.TiersOf(cluster.Picker())[0].Parts {
		fmt.Printf("%s: %.0f%%\n", part.Locality, 100*part.Load)
	}
	// Output:
	// eu/a: 67%
	// eu/b: 33%
}
