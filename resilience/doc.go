// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

// Package resilience says how the packages below it fit together, and holds what
// several of them share: the [Budget].
//
// # The pieces
//
// Each piece is a middleware or a gate for the chain of a route, and knows neither
// HTTP nor gRPC:
//
//   - fault delays and aborts a share of the calls, to see what happens then.
//   - timeout bounds the whole call (Overall), one attempt (Attempt) or the silence of a
//     stream (Idle), and keeps a margin of the caller's own time back (Margin).
//   - hedge sends a call that is late a second time beside the first, where that is safe.
//   - retry makes an attempt again when that is safe and promises something.
//   - breaker refuses calls to a service, or an endpoint, that only fails.
//   - throttle refuses a share of the calls to a service that is overloaded.
//   - fallback answers in place of a service that fails.
//
// Limits that refuse by rate or by number stand beside them, in package limit.
//
// # The order, outermost first
//
//	fault → timeout.Margin, Overall, Idle → fallback → throttle → Budget → hedge → retry → timeout.Attempt → breaker → pick
//
// Fault stands outside, so that an injected delay does not eat the timeout and an
// injected abort is not retried, as in Istio. The overall timeout holds the retries
// and the waits between them. The fallback makes up for whatever fails or refuses
// further in. The throttle counts calls, not attempts. The budget is paid into once per
// call, outside the hedge and the retry that spend from it. The breaker hears every attempt, since it stands inside
// the retry.
//
//	budget, _ := resilience.NewBudget(resilience.BudgetConfig{})
//	again, _ := retry.New(retry.Config{MaxAttempts: 3, Budget: budget})
//	trip, _ := breaker.New(breaker.Config{ConsecutiveFailures: 5})
//	router := enmesh.Fixed(true,
//		timeout.Overall(2*time.Second),
//		budget.Middleware(),
//		again,
//		timeout.Attempt(500*time.Millisecond),
//		trip.Middleware(),
//	)
//
// # What it promises
//
// A call is sent again only when that is safe, see package retry. What the caller
// did (a cancellation, a deadline too short, a bad request) trips no breaker and
// spends no budget. A far side that only fails gets at most a fifth more calls than
// were made, and ten more a second.
package resilience
