// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package shed_test

import (
	"context"
	"fmt"
	"time"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/enmeshtest"
	"github.com/enmesh-go/enmesh/limit/shed"
)

// Calls that matter less are refused while there is room for others.
func ExampleNew() {
	shedder, err := shed.New(shed.Config{CPU: 0.9, InFlight: 2})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = shedder.Close() }()
	router := enmesh.Fixed(false, enmesh.Guard(shedder))
	report := enmesh.WithCriticality(context.Background(), enmesh.Sheddable)
	fmt.Println(enmeshtest.NewWire().Do(report, router)) // its answer is being written
	fmt.Println(enmeshtest.NewWire().Do(report, router))
	fmt.Println(enmeshtest.NewWire().Do(context.Background(), router))
	// Output:
	// <nil>
	// shed: overloaded [UO]
	// <nil>
}

// A server with a pool of two: the third call waits until one of them has ended.
func ExampleNewQueue() {
	queue, err := shed.NewQueue(shed.QueueConfig{Slots: 2, Interval: 50 * time.Millisecond})
	if err != nil {
		fmt.Println(err)
		return
	}
	router := enmesh.Fixed(false, enmesh.Guard(queue))
	first, second := enmeshtest.NewWire(), enmeshtest.NewWire()
	fmt.Println(first.Do(context.Background(), router), second.Do(context.Background(), router))
	fmt.Println(enmeshtest.NewWire().Do(context.Background(), router)) // in vain
	first.Finish(nil)
	fmt.Println(enmeshtest.NewWire().Do(context.Background(), router))
	// Output:
	// <nil> <nil>
	// shed: overloaded [UO]
	// <nil>
}

// One sampler for two shedders.
func ExampleNewSampler() {
	sampler, err := shed.NewSampler(shed.SamplerConfig{Every: time.Second})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = sampler.Close() }()
	for _, cpu := range []float64{0.8, 0.95} {
		shedder, err := shed.New(shed.Config{CPU: cpu, Source: sampler})
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(shedder.Admitted())
	}
	// Output:
	// 1
	// 1
}

// What a caller says of his call reaches the handler, and goes on with what the handler
// calls in turn. That it matters more than others, only a verified caller can say.
func ExampleReceive() {
	handler := func(ctx context.Context, _ *enmesh.Call) error {
		fmt.Println(enmesh.CriticalityOf(ctx))
		return nil
	}
	router := enmesh.Fixed(false, shed.Receive(nil))
	for _, said := range []string{"SHEDDABLE", "CRITICAL_PLUS"} {
		w := enmeshtest.NewWire(handler)
		w.Call().Header = enmeshtest.Header{}
		w.Call().Header.Set(enmesh.CriticalityHeader, said)
		_ = w.Do(context.Background(), router)
	}
	// Output:
	// SHEDDABLE
	// CRITICAL
}

func ExampleSend() {
	far := func(_ context.Context, c *enmesh.Call) error {
		fmt.Println(c.Header.Get(enmesh.CriticalityHeader))
		return nil
	}
	report := enmesh.WithCriticality(context.Background(), enmesh.Sheddable)
	_ = enmeshtest.NewWire(far).Do(report, enmesh.Fixed(true, shed.Send()))
	// Output: SHEDDABLE
}
