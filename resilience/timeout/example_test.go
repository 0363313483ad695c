// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package timeout_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/enmeshtest"
	"github.com/enmesh-go/enmesh/resilience/timeout"
)

func ExampleOverall() {
	w := enmeshtest.NewWire(enmeshtest.Hang()) // a far side that never answers
	err := w.Do(context.Background(), enmesh.Fixed(false, timeout.Overall(5*time.Millisecond)))
	fmt.Println(err)
	fmt.Println(enmesh.CodeOf(err), enmesh.OutcomeOf(err), errors.Is(err, context.DeadlineExceeded))
	// Output:
	// timeout: time limit passed: call took longer than 5ms: context deadline exceeded [UT]
	// DEADLINE_EXCEEDED failure true
}

func ExampleAttempt() {
	again := func(next enmesh.Next) enmesh.Next { // what a retry does, in short
		return func(ctx context.Context, c *enmesh.Call) error {
			err := next(ctx, c)
			if err != nil && c.Again() {
				c.Tick()
				err = next(ctx, c)
			}
			return err
		}
	}
	w := enmeshtest.NewWire(enmeshtest.Hang(), enmeshtest.Answer(nil))
	err := w.Do(context.Background(), enmesh.Fixed(true, again, timeout.Attempt(50*time.Millisecond)))
	fmt.Println(err, "after", w.Sent(), "attempts")
	// Output:
	// <nil> after 2 attempts
}
