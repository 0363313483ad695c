// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package limit_test

import (
	"context"
	"errors"
	"fmt"

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
