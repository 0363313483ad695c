// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package redislimit_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/enmeshtest"
	"github.com/enmesh-go/enmesh/limit"
	"github.com/enmesh-go/enmesh/limit/redislimit"
)

// No Redis answers here: this instance, one of two, admits its half of a burst of four.
func ExampleNew() {
	client, err := redislimit.Connect(redislimit.Servers{Addrs: []string{"127.0.0.1:1"}})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer client.Close()
	quota, err := redislimit.New(client, redislimit.Config{Name: "reviews", Rate: 0.1, Burst: 4, Instances: 2}, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer quota.Close()
	router := enmesh.Fixed(false, quota.Middleware())
	for range 3 {
		w := enmeshtest.NewWire()
		err := w.Do(context.Background(), router)
		w.Finish(nil)
		fmt.Println(errors.Is(err, limit.ErrLimited), err)
	}
	fmt.Println(quota.Stats().Local, "decided without Redis")
	// Output:
	// false <nil>
	// false <nil>
	// true redislimit: rate limit reached [RL]
	// 3 decided without Redis
}

// Sentinels say where the master is; several addresses without a master are a cluster.
func ExampleConnect() {
	client, err := redislimit.Connect(redislimit.Servers{
		Addrs:  []string{"sentinel-1:26379", "sentinel-2:26379", "sentinel-3:26379"},
		Master: "limits",
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(client.Close())
	// Output: <nil>
}
