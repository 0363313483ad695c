// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

// Package sim tries a balancing algorithm against servers that queue, slow down, fail
// and come and go, in virtual time: a million calls take about a second, and the same
// seed gives the same calls.
//
// # The problem
//
// Whether an algorithm is good shows in the 99th percentile under load, with one slow
// endpoint, while the set changes. Real servers show it in minutes, and differently
// each time; a formula exists for the simplest cases only.
//
// # The model
//
// Calls come as a Poisson process, and go on coming however slow the answers are
// (an open loop: clients that wait for answers would hide the worst). Each client
// has a real [balance.Cluster]: its picker picks, its endpoints admit and release, and
// learn from both. A [Server] works on so many calls at once, for a time
// drawn from a [Distribution], and lets the rest wait in line. An [Event]
// changes servers and the registry on the way, through the [World]. The [Result]
// keeps every call, so that any stretch of time can be looked at alone.
//
//	func TestPowerOfTwo_avoidsTheSlow(t *testing.T) {
//		servers := sim.Uniform(10, sim.Exponential(10*time.Millisecond))
//		servers[0].Slow = 10
//		r := sim.Run(t, sim.Config{Algorithm: balance.PowerOfTwo(), Servers: servers, Load: 0.7, Calls: 20_000, Seed: 1})
//		if got := r.Share(0); got > 0.03 {
//			t.Errorf("share of the slow server = %.4f, want at most 0.3 of the fair tenth", got)
//		}
//		t.Log(r.Percentile(99), r.MaxOverMean())
//	}
//
// # Order of things
//
// At one instant what was planned first happens first; calls that come at the very
// instant of an answer find it given. An event's change holds for calls that a server
// begins afterwards.
//
// # Limits
//
// There is no network, no retry and no timeout, and a client learns of a change of the set
// at once. What a picker draws is seeded through [balance.ClusterConfig], Random; an
// algorithm with random numbers of its own makes runs differ.
package sim
