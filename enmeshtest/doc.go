// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

// Package enmeshtest is for those who write policies against package enmesh, and
// for those who test programs built with it.
//
// A [Wire] is a far side that follows a script, and stands where an adapter would:
// a middleware or gate is tried against it without a socket, inside a
// testing/synctest bubble. A [Gate] records what it was told. [TestMiddleware] and
// [TestGate] put a policy through every way a call can end (success, failure,
// refusal, panic, Goexit, cancellation, a body that is abandoned, a fork that lost,
// a pick that is thrown away), by one call and by many at once, and check the law that
// everything else rests on: every Admit meets exactly one Done. A gate is tried around the
// call and at an endpoint, below the pick.
//
//	func TestFixed_conforms(t *testing.T) {
//		enmeshtest.TestGate(t, func() enmesh.Gate {
//			gate, err := concurrency.NewFixed(concurrency.Config{Max: 10})
//			if err != nil {
//				t.Fatal(err)
//			}
//			return gate
//		})
//	}
//
// A [Consul] is a scripted registry, for those who write resolvers: honest by default,
// and on command as bad as a network can make it, with indexes that go backwards,
// garbage, bombs and silence.
//
// Package [github.com/enmesh-go/enmesh/enmeshtest/sim] tries balancing algorithms against
// servers that queue, slow down and fail, in virtual time.
//
// The kit never waits on real time; a policy that leaves a goroutine behind fails
// because its bubble cannot end.
package enmeshtest
