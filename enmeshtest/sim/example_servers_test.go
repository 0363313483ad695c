// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package sim_test

import (
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/enmesh-go/enmesh/balance"
	"github.com/enmesh-go/enmesh/enmeshtest/sim"
)

// Servers that are alike are called alike.
func ExampleUniform() {
	r, err := sim.Simulate(sim.Config{
		Algorithm: balance.LeastRequest(2), Servers: sim.Uniform(10, sim.Exponential(10*time.Millisecond)), Load: 0.7, Seed: 1,
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(r.Calls(), "calls, none above 1.05 of the mean:", r.MaxOverMean() <= 1.05)
	// Output: 100000 calls, none above 1.05 of the mean: true
}

// One server with room for every call at once: its time is all that a caller sees.
func ExampleConstant() {
	servers := []sim.Server{{Service: sim.Constant(10 * time.Millisecond), Workers: 1000}}
	r, err := sim.Simulate(sim.Config{Servers: servers, Load: 0.1, Calls: 1000, Seed: 1})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(r.Percentile(50), r.Percentile(99))
	// Output: 10ms 10ms
}

func ExampleExponential() {
	d, random := sim.Exponential(10*time.Millisecond), rand.New(rand.NewPCG(1, 1))
	var sum time.Duration
	for range 100_000 {
		sum += d.Draw(random)
	}
	fmt.Println(d.Mean(), (sum / 100_000).Round(time.Millisecond))
	// Output: 10ms 10ms
}
