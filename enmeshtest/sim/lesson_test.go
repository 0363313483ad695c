// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package sim_test

import (
	"testing"
	"time"

	"github.com/enmesh-go/enmesh/balance"
	"github.com/enmesh-go/enmesh/enmeshtest/sim"
)

// The test of the package's comment.
func TestPowerOfTwo_avoidsTheSlow(t *testing.T) {
	servers := sim.Uniform(10, sim.Exponential(10*time.Millisecond))
	servers[0].Slow = 10
	r := sim.Run(t, sim.Config{Algorithm: balance.PowerOfTwo(), Servers: servers, Load: 0.7, Calls: 20_000, Seed: 1})
	if got := r.Share(0); got > 0.03 {
		t.Errorf("share of the slow server = %.4f, want at most 0.3 of the fair tenth", got)
	}
	t.Log(r.Percentile(99), r.MaxOverMean())
}
