// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package fault_test

import (
	"context"
	"fmt"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/enmeshtest"
	"github.com/enmesh-go/enmesh/resilience/fault"
)

func ExampleNew() {
	abort, err := fault.New(fault.Config{AbortStatus: 503, AbortPPM: fault.Million})
	if err != nil {
		fmt.Println(err)
		return
	}
	w := enmeshtest.NewWire()
	err = w.Do(context.Background(), enmesh.Fixed(false, abort))
	fmt.Println(err, "after", w.Sent(), "attempts")
	fmt.Println("the caller sees", w.Call().ReplyFor(err).Status)
	// Output:
	// fault: injected abort [FI] after 0 attempts
	// the caller sees 503
}

func ExampleDraw() {
	every := 0
	third := func(n uint32) uint32 { // hits a share of a third at every third call
		every++
		return uint32(every%3) * (n / 3)
	}
	abort, _ := fault.New(fault.Config{AbortStatus: 500, AbortPPM: 333_333}, fault.Draw(third))
	for range 3 {
		w := enmeshtest.NewWire()
		fmt.Println(w.Do(context.Background(), enmesh.Fixed(false, abort)))
		w.Finish(nil)
	}
	// Output:
	// <nil>
	// <nil>
	// fault: injected abort [FI]
}
