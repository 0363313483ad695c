// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

// Package breaker refuses calls to a far side that only fails, so that callers learn
// it at once and the far side can recover.
//
// A breaker is closed while all is well. It trips when too many calls in a row, or too
// large a share of them, have failed, or were slow; then it is open and refuses every call
// for [Config.OpenFor]. After that it is half-open: it lets a few probes through and
// closes when they succeed, or opens again when one fails.
//
//	trip, err := breaker.New(breaker.Config{ConsecutiveFailures: 5, OpenFor: 2 * time.Second})
//	if err != nil {
//		return err
//	}
//	router := enmesh.Fixed(false, trip.Middleware())
//
// What counts is the outcome: a far side's 4xx, a cancelled call, another policy's
// refusal and a deadline too short are Neutral, and neither trip nor close. A probe
// that ends so makes room for another.
//
// For one service or route, use [Breaker.Middleware] inside the retry. A Breaker is also a
// gate and can be hung on each endpoint (balance.ClusterConfig.Gates); there it refuses
// what was already picked, and a retry goes elsewhere. Outlier detection, which keeps the
// pick away, is mostly the better choice.
//
// # What it does not fall for
//
//   - Late ends. What was admitted under another state, or before a Reset, does not count.
//   - Probes that hang. Each has a lease on its place, [Config.ProbeTimeout] long, which a
//     panic or a cancelled call gives back at once.
//   - Its own process's pauses. A failure, or a slow answer, across which the process did
//     not run for a second (it was stopped, its machine slept) says nothing about the
//     far side.
//   - Hooks that call it. [OnChange] is called outside locks, and in order.
//
// An operator can overrule it: [Breaker.ForceOpen], [Breaker.ForceClosed],
// [Breaker.Reset].
//
// A Breaker is safe for concurrent use and holds state: one that is made anew is
// closed.
package breaker
