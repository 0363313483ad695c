// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package sim_test

import (
	"testing"
	"time"

	"github.com/enmesh-go/enmesh/balance"
	"github.com/enmesh-go/enmesh/enmeshtest/sim"
)

const ms = time.Millisecond

func TestScratch(t *testing.T) {
	for name, a := range map[string]balance.Algorithm{"rr": balance.RoundRobin(), "random": balance.Random(), "lr": balance.LeastRequest(2), "p2c": balance.PowerOfTwo(), "wrr": balance.WeightedRoundRobin()} {
		for _, load := range []float64{0.3, 0.5, 0.7, 0.9} {
			at := time.Now()
			cfg := sim.Config{Algorithm: a, Servers: sim.Uniform(10, sim.Exponential(10*ms)), Load: load, Calls: 100_000, Seed: 1}
			r, _ := sim.Simulate(cfg)
			took := time.Since(at)
			cfg.Servers[0].Slow = 10
			s, _ := sim.Simulate(cfg)
			t.Logf("%s %.1f: max/mean %.3f p50 %v p99 %v; slow: share %.4f p50 %v p99 %v %.2f; %v", name, load, r.MaxOverMean(), r.Percentile(50), r.Percentile(99), s.Share(0), s.Percentile(50), s.Percentile(99), float64(s.Percentile(99))/float64(r.Percentile(99)), took)
		}
	}
	at := time.Now()
	sim.Run(t, sim.Config{Servers: sim.Uniform(10, sim.Exponential(10*ms)), Load: 0.7})
	t.Log("bubble", time.Since(at))
}
