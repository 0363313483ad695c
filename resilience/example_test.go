// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package resilience_test

import (
	"context"
	"fmt"
	"time"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/enmeshtest"
	"github.com/enmesh-go/enmesh/resilience"
	"github.com/enmesh-go/enmesh/resilience/breaker"
	"github.com/enmesh-go/enmesh/resilience/retry"
	"github.com/enmesh-go/enmesh/resilience/timeout"
)

// The pieces in their order, round a far side that answers the third attempt.
func Example() {
	budget, _ := resilience.NewBudget(resilience.BudgetConfig{})
	on, _ := retry.ParseOn("5xx")
	again, _ := retry.New(retry.Config{MaxAttempts: 3, On: on, Budget: budget})
	trip, _ := breaker.New(breaker.Config{ConsecutiveFailures: 5})
	router := enmesh.Fixed(true,
		timeout.Overall(2*time.Second),
		budget.Middleware(),
		again,
		timeout.Attempt(500*time.Millisecond),
		trip.Middleware(),
	)

	bad := &enmesh.Error{Code: enmesh.Unavailable, Outcome: enmesh.Failure, Status: 503}
	w := enmeshtest.NewWire(enmeshtest.Answer(bad), enmeshtest.Answer(bad), enmeshtest.Answer(nil))
	w.Call().Idempotent = true
	err := w.Do(context.Background(), router)
	w.Finish(nil)
	fmt.Println(err, "after", w.Sent(), "attempts; breaker", trip.State())
	// Output:
	// <nil> after 3 attempts; breaker closed
}

func ExampleNewBudget() {
	budget, err := resilience.NewBudget(resilience.BudgetConfig{
		Ratio:        0.2,
		MinPerSecond: -1, // no floor
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	for range 10 {
		budget.Deposit() // ten calls
	}
	fmt.Println(budget.Take(), budget.Take(), budget.Take())
	// Output:
	// true true false
}

func ExampleParseOn() {
	on, err := resilience.ParseOn("failure, 429, unavailable")
	fmt.Println(on, err)
	fmt.Println(on.Has(&enmesh.Error{Code: enmesh.ResourceExhausted, Outcome: enmesh.Failure, Status: 429}))
	_, err = resilience.ParseOn("sometimes")
	fmt.Println(err)
	// Output:
	// failure,unavailable,429 <nil>
	// true
	// resilience: "sometimes" is no ending of a call: a word, a code or an HTTP status
}
