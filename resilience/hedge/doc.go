// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

// Package hedge sends a call a second time when its answer is late, and takes the answer
// that comes first.
//
// Of many servers one is always slow for a moment, and a caller who asks many of them
// waits for that one. A second request to another endpoint, sent only when the first has
// not been answered after the time that most calls need, cuts that tail for a few percent
// of more work: Dean and Barroso, "The Tail at Scale" (CACM 56, 2013), whose hedged
// requests these are.
//
//	budget, err := resilience.NewBudget(resilience.BudgetConfig{})
//	if err != nil {
//		return err
//	}
//	twice, err := hedge.New(hedge.Config{Percentile: 0.95, Budget: budget})
//	if err != nil {
//		return err
//	}
//	router := enmesh.Fixed(true, budget.Middleware(), twice) // true: adapters keep what a replay needs
//
// # What is hedged
//
// Calls that may be done twice: idempotent by themselves or by their route. Of those,
// HTTP requests whose body can be had twice, unary gRPC calls, and server-streaming ones
// until their response header comes. Everything else passes as if the hedge were not there.
//
// # When
//
// After [Config.Delay], or after the [Config.Percentile] of how long first attempts took
// within the [Config.Window], once there are [Config.MinSamples] of them. One that is cut short, since
// the hedge won, counts with the time that it had by then, which is more than the
// delay: so the share of calls that is hedged stays what the percentile leaves, 5 % for
// 0.95, and does not feed on itself.
//
// A hedge is not sent when the [Budget] has nothing left, when the far side has asked for
// no more attempts (a negative pushback of gRFC A6, the header Enmesh-Retry), when the call's
// context has ended, and when less than the median is left until its deadline.
//
// # What comes of it
//
// The first answer that is a success, or that no other attempt could better (the caller's
// own fault), is the call's; all others are cancelled at once, and hear enmesh.ErrLost, which counts
// for nobody. A hedge that fails, or that a breaker refuses, leaves the first attempt
// running, and a first attempt that fails leaves a hedge running that is under way. When all have
// failed the first attempt's error is the call's.
//
// # Where it stands
//
// Inside the overall timeout and the budget's middleware, outside the retry, the attempt
// timeout and the breaker: each attempt of a hedge has its own. What stands inside must not
// keep state of the call beyond next, as always. A call that may be hedged runs on
// a goroutine of its own and costs some allocations; any other costs nothing.
package hedge
