// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package rls_test

import (
	"context"
	"errors"
	"fmt"

	service "github.com/envoyproxy/go-control-plane/envoy/service/ratelimit/v3"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/limit"
	"github.com/enmesh-go/enmesh/limit/rls"
)

// In a program conn is a *grpc.ClientConn; here it is one that says that a limit is reached.
func ExampleNew() {
	conn := here(service.RateLimitResponse_OVER_LIMIT)
	limiter, err := rls.New(conn, rls.Config{Domain: "shop"},
		rls.Descriptor{rls.DestinationCluster{}, rls.RequestHeader{Name: ":method", Key: "method"}},
	)
	if err != nil {
		fmt.Println(err)
		return
	}
	c := &enmesh.Call{Destination: enmesh.Destination{Service: "reviews"}, Method: "PUT"}
	_, err = limiter.Admit(context.Background(), c)
	fmt.Println(errors.Is(err, limit.ErrLimited), err)
	fmt.Printf("%+v\n", limiter.Stats())
	// Output:
	// true rls: rate limit reached [RL]
	// {Allowed:0 Limited:1 Failed:0 Skipped:0}
}

func ExampleRegex() {
	small, err := rls.Regex("content-length", "[0-9]{1,4}")
	if err != nil {
		fmt.Println(err)
		return
	}
	action := rls.HeaderValueMatch{Value: "large", Unless: true, Headers: []rls.Matcher{small}}
	entry, _ := action.Entry(&enmesh.Call{Header: header{"Content-Length": {"123456"}}})
	fmt.Println(entry.Key, entry.Value)
	// Output: header_match large
}
