// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package retry_test

import (
	"context"
	"fmt"
	"time"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/enmeshtest"
	"github.com/enmesh-go/enmesh/resilience/retry"
)

func ExampleNew() {
	on, err := retry.ParseOn("gateway-error,connect-failure")
	if err != nil {
		fmt.Println(err)
		return
	}
	again, err := retry.New(retry.Config{MaxAttempts: 3, On: on, BaseBackoff: time.Millisecond})
	if err != nil {
		fmt.Println(err)
		return
	}
	unavailable := &enmesh.Error{Code: enmesh.Unavailable, Outcome: enmesh.Failure, Status: 503}

	w := enmeshtest.NewWire(enmeshtest.Answer(unavailable), enmeshtest.Answer(nil)) // fails, then answers
	w.Call().Idempotent = true                                                      // a GET
	err = w.Do(context.Background(), enmesh.Fixed(true, again))
	fmt.Println("GET:", err, "after", w.Sent(), "attempts")

	w = enmeshtest.NewWire(enmeshtest.Answer(unavailable)) // a POST is not sent again
	err = w.Do(context.Background(), enmesh.Fixed(true, again))
	fmt.Println("POST:", err, "after", w.Sent(), "attempt")
	// Output:
	// GET: <nil> after 2 attempts
	// POST: UNAVAILABLE after 1 attempt
}

func ExampleParseOn() {
	on, err := retry.ParseOn("503, connect-failure,5xx,unavailable")
	fmt.Println(on, err)
	_, err = retry.ParseOn("5xx,timeouts")
	fmt.Println(err)
	// Output:
	// 5xx,connect-failure,unavailable,503 <nil>
	// retry: "timeouts" is no retry condition and no HTTP status
}
