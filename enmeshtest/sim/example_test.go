// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package sim_test

import (
	"fmt"
	"time"

	"github.com/enmesh-go/enmesh/balance"
	"github.com/enmesh-go/enmesh/enmeshtest/sim"
)

// Nine servers and one that is ten times slower: who notices?
func ExampleSimulate() {
	servers := sim.Uniform(10, sim.Exponential(10*time.Millisecond))
	servers[0].Slow = 10
	for _, a := range []struct {
		name string
		balance.Algorithm
	}{
		{"round robin", balance.RoundRobin()},
		{"least request", balance.LeastRequest(2)},
		{"peak EWMA", balance.PowerOfTwo()},
	} {
		r, err := sim.Simulate(sim.Config{Algorithm: a.Algorithm, Servers: servers, Load: 0.7, Seed: 1})
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Printf("%s: the slow server gets less than 3%% of the calls: %t, p99 below 150 ms: %t\n",
			a.name, r.Share(0) < 0.03, r.Percentile(99) < 150*time.Millisecond)
	}
	// Output:
	// round robin: the slow server gets less than 3% of the calls: false, p99 below 150 ms: false
	// least request: the slow server gets less than 3% of the calls: true, p99 below 150 ms: false
	// peak EWMA: the slow server gets less than 3% of the calls: true, p99 below 150 ms: true
}

// A server fails after ten seconds: what the clients see before, at once, and later.
func ExampleEvent() {
	const at = 10 * time.Second
	r, err := sim.Simulate(sim.Config{
		Algorithm: balance.PowerOfTwo(), Servers: sim.Uniform(10, sim.Exponential(10*time.Millisecond)), Calls: 20_000, Seed: 1,
		Events: []sim.Event{{At: at, Do: func(w *sim.World) { w.Fail(0, 1) }}},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("errors before:", r.Between(0, at).Errors())
	fmt.Println("below 1% in the first two seconds:", r.Between(at, at+2*time.Second).Errors() < 0.01)
	fmt.Println("below 0.1% later:", r.After(at+2*time.Second).Errors() < 0.001)
	// Output:
	// errors before: 0
	// below 1% in the first two seconds: true
	// below 0.1% later: true
}

// Distributions of service times: what they cost in the 99th percentile, when nobody
// waits.
func ExampleLognormal() {
	for _, d := range []sim.Distribution{
		sim.Constant(10 * time.Millisecond), sim.Exponential(10 * time.Millisecond), sim.Lognormal(10*time.Millisecond, 1),
	} {
		servers := []sim.Server{{Service: d, Workers: 1000}}
		r, err := sim.Simulate(sim.Config{Servers: servers, Load: 0.1, Seed: 1})
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(d.Mean(), r.Percentile(99).Round(5*time.Millisecond))
	}
	// Output:
	// 10ms 10ms
	// 10ms 45ms
	// 10ms 65ms
}
