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
