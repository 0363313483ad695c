// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package throttle_test

import (
	"context"
	"fmt"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/enmeshtest"
	"github.com/enmesh-go/enmesh/resilience/throttle"
)

func ExampleNew() {
	slow, err := throttle.New(throttle.Config{MinRequests: 2, MinPerSecond: -1}, throttle.Draw(func(uint32) uint32 { return 0 }))
	if err != nil {
		fmt.Println(err)
		return
	}
	busy := &enmesh.Error{Code: enmesh.Unavailable, Outcome: enmesh.Failure, Status: 503}
	for range 3 {
		w := enmeshtest.NewWire(enmeshtest.Answer(busy))
		err := w.Do(context.Background(), enmesh.Fixed(false, slow.Middleware()))
		fmt.Println(w.Sent(), err)
	}
	// Output:
	// 1 UNAVAILABLE
	// 1 UNAVAILABLE
	// 0 throttle: the far side is overloaded [UO]
}
