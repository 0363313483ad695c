// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package hedge_test

import (
	"context"
	"fmt"
	"time"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/enmeshtest"
	"github.com/enmesh-go/enmesh/resilience/hedge"
)

func ExampleNew() {
	twice, err := hedge.New(hedge.Config{Delay: 5 * time.Millisecond})
	if err != nil {
		fmt.Println(err)
		return
	}
	w := enmeshtest.NewWire(enmeshtest.Hang(), enmeshtest.Answer(nil)) // the first is never answered
	w.Call().Idempotent = true                                         // a GET
	err = w.Do(context.Background(), enmesh.Fixed(true, twice))
	fmt.Println(err, "after", w.Sent(), "attempts")
	// Output: <nil> after 2 attempts
}
