// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package route_test

import (
	"context"
	"fmt"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/balance/route"
)

func ExampleCompile() {
	uri := route.Prefix("/ratings.Ratings/")
	m, err := route.Compile(route.Match{
		URI:            &uri,
		Headers:        map[string]route.StringMatch{"end-user": route.Regex("jason|ada")},
		WithoutHeaders: map[string]route.StringMatch{"x-canary": route.Exact("never")},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(m.Matches(&enmesh.Call{
		Protocol: enmesh.GRPC, Method: "POST", Path: "/ratings.Ratings/Get", Header: metadata{"end-user": {"ada"}},
	}))
	fmt.Println(m.Matches(&enmesh.Call{
		Method: "GET", Path: "/ratings/7", Header: metadata{"end-user": {"ada"}},
	}))
	// Output:
	// true
	// false
}

func ExampleNewSplit() {
	subsets := []string{"v1", "v2"}
	split := route.NewSplit([]uint32{100, 0})
	fmt.Println(subsets[split.Pick()])
	// Output: v1
}

func ExampleHeaders_Middleware() {
	edits := route.Headers{Request: route.Ops{
		Set:    map[string]string{"x-env": "staging"},
		Remove: []string{"x-debug"},
	}}
	next := edits.Middleware()(func(_ context.Context, c *enmesh.Call) error {
		fmt.Println(c.Header)
		return nil
	})
	_ = next(context.Background(), &enmesh.Call{Header: metadata{"x-debug": {"1"}}})
	// Output: map[x-env:[staging]]
}
