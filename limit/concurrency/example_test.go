// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package concurrency_test

import (
	"context"
	"fmt"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/enmeshtest"
	"github.com/enmesh-go/enmesh/limit/concurrency"
)

func ExampleNewFixed() {
	gate, err := concurrency.NewFixed(concurrency.Config{Max: 1})
	if err != nil {
		fmt.Println(err)
		return
	}
	router := enmesh.Fixed(false, enmesh.Guard(gate))
	first, second := enmeshtest.NewWire(), enmeshtest.NewWire()
	fmt.Println(first.Do(context.Background(), router))
	fmt.Println(second.Do(context.Background(), router))
	first.Finish(nil) // its answer has been read
	fmt.Println(gate.InFlight(), "in flight")
	// Output:
	// <nil>
	// concurrency: too many calls at once [UO]
	// 0 in flight
}

// A limit that finds itself. Calls that are SHEDDABLE leave half of it to the others.
func ExampleNewAdaptive() {
	gate, err := concurrency.NewAdaptive(concurrency.AdaptiveConfig{
		Initial: 2, Min: 2, Max: 500,
		Shares: concurrency.Shares{Sheddable: 0.5},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	router := enmesh.Fixed(false, enmesh.Guard(gate))
	report := enmesh.WithCriticality(context.Background(), enmesh.Sheddable)
	fmt.Println(enmeshtest.NewWire().Do(report, router)) // its answer is being read
	fmt.Println(enmeshtest.NewWire().Do(report, router))
	fmt.Println(enmeshtest.NewWire().Do(context.Background(), router))
	fmt.Println(gate.InFlight(), "of", gate.Limit(), "in flight")
	// Output:
	// <nil>
	// concurrency: too many calls at once [UO]
	// <nil>
	// 2 of 2 in flight
}
