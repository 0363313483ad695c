// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package limit_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/enmeshtest"
	"github.com/enmesh-go/enmesh/limit"
)

func ExampleNewTokenBucket() {
	bucket, err := limit.NewTokenBucket(limit.Config{Rate: 0.1, Burst: 2})
	if err != nil {
		fmt.Println(err)
		return
	}
	router := enmesh.Fixed(false, bucket.Middleware())
	for range 3 {
		w := enmeshtest.NewWire()
		err := w.Do(context.Background(), router)
		w.Finish(nil)
		fmt.Println(errors.Is(err, limit.ErrLimited), err)
		if e := enmesh.ErrorOf(err); e != nil {
			fmt.Println("come back in", e.RetryAfter)
		}
	}
	// Output:
	// false <nil>
	// false <nil>
	// true limit: rate limit reached [RL]
	// come back in 10s
}

// A call that would have to wait too long is refused while it can still go elsewhere.
func ExampleNewLeakyBucket() {
	bucket, err := limit.NewLeakyBucket(limit.LeakyConfig{Rate: 10, Queue: 5, MaxWait: 250 * time.Millisecond})
	if err != nil {
		fmt.Println(err)
		return
	}
	now := enmesh.Now()
	for range 4 {
		wait, ok := bucket.ReserveAt(now, 1, time.Second)
		fmt.Println(ok, wait)
	}
	// Output:
	// true 0s
	// true 100ms
	// true 200ms
	// false 50ms
}

func ExampleNewFixedWindow() {
	window, err := limit.NewFixedWindow(limit.FixedConfig{Limit: 100, Window: 24 * time.Hour})
	if err != nil {
		fmt.Println(err)
		return
	}
	now := enmesh.Now()
	fmt.Println(window.AllowAt(now, 90), window.AllowAt(now, 20), window.AllowAt(now, 10))
	// Output: true false true
}

func ExampleNewSlidingLog() {
	log, err := limit.NewSlidingLog(limit.LogConfig{Limit: 2, Window: time.Minute})
	if err != nil {
		fmt.Println(err)
		return
	}
	now := enmesh.Now()
	for _, after := range []time.Duration{0, 30 * time.Second, 59 * time.Second, 60 * time.Second, 61 * time.Second} {
		fmt.Println(after, log.AllowAt(now.Add(after), 1))
	}
	// Output:
	// 0s true
	// 30s true
	// 59s false
	// 1m0s true
	// 1m1s false
}

func ExampleNewSlidingCounter() {
	counter, err := limit.NewSlidingCounter(limit.CounterConfig{Limit: 1000, Window: time.Hour, Slices: 60})
	if err != nil {
		fmt.Println(err)
		return
	}
	now := enmesh.Now()
	fmt.Println(counter.AllowAt(now, 1000))
	fmt.Println(counter.AllowAt(now.Add(59*time.Minute), 1))
	fmt.Println(counter.AllowAt(now.Add(61*time.Minute), 1))
	// Output:
	// true
	// false
	// true
}

// Every API key has its own rate; a search costs five times as much as anything else.
func ExampleNewKeyed() {
	cost := limit.CostOf(func(c *enmesh.Call) int {
		if c.Path == "/search" {
			return 5
		}
		return 1
	})
	keyed, err := limit.NewKeyed(limit.KeyedConfig{
		By:   limit.ByHeader("X-Api-Key"),
		Each: limit.Config{Rate: 0.5, Burst: 6, Terms: limit.Terms{CostBy: cost}},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	router := enmesh.Fixed(false, keyed.Middleware())
	for _, call := range []struct{ key, path string }{
		{"ann", "/search"}, {"ann", "/list"}, {"ann", "/list"}, {"bob", "/list"},
	} {
		w := enmeshtest.NewWire()
		w.Call().Header = enmeshtest.Header{"X-Api-Key": {call.key}}
		w.Call().Path = call.path
		err := w.Do(context.Background(), router)
		w.Finish(nil)
		fmt.Println(call.key, call.path, err)
	}
	// Output:
	// ann /search <nil>
	// ann /list <nil>
	// ann /list limit: rate limit reached [RL]
	// bob /list <nil>
}

func ExampleSlidingLog_ReserveAt() {
	log, err := limit.NewSlidingLog(limit.LogConfig{Limit: 2, Window: time.Minute})
	if err != nil {
		fmt.Println(err)
		return
	}
	now := enmesh.Now()
	for range 4 {
		wait, ok := log.ReserveAt(now, 1, time.Hour)
		fmt.Println(wait, ok)
	}
	fmt.Println(log.AllowAt(now.Add(59*time.Second), 1))
	// Output:
	// 0s true
	// 0s true
	// 1m0s true
	// 1m0s true
	// false
}
