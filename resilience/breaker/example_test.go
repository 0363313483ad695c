// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package breaker_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/enmeshtest"
	"github.com/enmesh-go/enmesh/resilience/breaker"
)

func ExampleNew() {
	trip, err := breaker.New(breaker.Config{ConsecutiveFailures: 2, OpenFor: time.Minute})
	if err != nil {
		fmt.Println(err)
		return
	}
	router := enmesh.Fixed(false, trip.Middleware())
	broken := &enmesh.Error{Code: enmesh.Unavailable, Outcome: enmesh.Failure, Status: 503}
	for range 3 {
		w := enmeshtest.NewWire(enmeshtest.Answer(broken))
		err := w.Do(context.Background(), router)
		fmt.Println(trip.State(), errors.Is(err, breaker.ErrOpen), w.Sent(), err)
	}
	// Output:
	// closed false 1 UNAVAILABLE
	// open false 1 UNAVAILABLE
	// open true 0 breaker: the circuit is open [UO]
}

func ExampleOnChange() {
	trip, _ := breaker.New(breaker.Config{}, breaker.OnChange(func(c breaker.Change) {
		fmt.Println(c.From, "to", c.To, "forced:", c.Forced)
	}))
	trip.ForceOpen() // an operator takes a service out
	trip.Reset()     // and lets it in again
	// Output:
	// closed to open forced: true
	// open to closed forced: false
}
