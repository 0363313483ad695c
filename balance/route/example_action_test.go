// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package route_test

import (
	"context"
	"fmt"
	"time"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/balance/route"
	"github.com/enmesh-go/enmesh/enmeshtest"
)

func ExampleRewrite_Middleware() {
	old := route.Prefix("/ratings/")
	m, err := route.Compile(route.Match{URI: &old})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, r := range []route.Rewrite{
		{URI: "/v1/ratings/"},
		{Regex: "^/([^/]+)/(.*)$", Substitution: `/\2/of/\1`, Authority: "ratings.internal"},
	} {
		mw, err := r.Middleware(m)
		if err != nil {
			fmt.Println(err)
			return
		}
		next := mw(func(_ context.Context, c *enmesh.Call) error {
			fmt.Println(c.Authority, c.Path)
			return nil
		})
		_ = next(context.Background(), &enmesh.Call{Authority: "ratings", Path: "/ratings/7"})
	}
	// Output:
	// ratings /v1/ratings/7
	// ratings.internal /7/of/ratings
}

func ExampleRedirect_Middleware() {
	mw, err := route.Redirect{Scheme: "https", URI: "/v2", Code: 308}.Middleware(nil, route.Ops{})
	if err != nil {
		fmt.Println(err)
		return
	}
	c := &enmesh.Call{Scheme: "http", Authority: "ratings:80", Path: "/v1", Query: "id=7"}
	err = mw(nil)(context.Background(), c)
	reply := c.ReplyFor(err)
	fmt.Println(reply.Status, reply.Header["Location"])
	// Output: 308 [https://ratings/v2?id=7]
}

func ExampleCORS_Middleware() {
	mw, err := route.CORS{
		Origins: []route.StringMatch{route.Exact("https://shop.example")}, Methods: []string{"GET", "PUT"}, MaxAge: time.Hour,
	}.Middleware()
	if err != nil {
		fmt.Println(err)
		return
	}
	c := &enmesh.Call{Method: "OPTIONS", Header: enmeshtest.Header{
		"Origin": {"https://shop.example"}, "Access-Control-Request-Method": {"PUT"},
	}}
	reply := c.ReplyFor(mw(nil)(context.Background(), c))
	fmt.Println(reply.Status, reply.Header["Access-Control-Allow-Origin"], reply.Header["Access-Control-Allow-Methods"])
	// Output: 200 [https://shop.example] [GET,PUT]
}

func ExampleDirect_Middleware() {
	mw, err := route.Direct{Status: 503, Body: "closed on Sundays"}.Middleware(route.Ops{Set: map[string]string{"retry-after": "3600"}})
	if err != nil {
		fmt.Println(err)
		return
	}
	c := &enmesh.Call{}
	err = mw(nil)(context.Background(), c)
	reply := c.ReplyFor(err)
	fmt.Println(reply.Status, reply.Header["Retry-After"], string(reply.Body))

	fmt.Println(enmesh.CodeOf(mw(nil)(context.Background(), &enmesh.Call{Protocol: enmesh.GRPC})))
	// Output:
	// 503 [3600] closed on Sundays
	// UNAVAILABLE
}

func ExampleEditHeaders() {
	ofRule := route.Headers{Request: route.Ops{Set: map[string]string{"x-env": "rule", "x-rule": "1"}}}
	ofTarget := route.Headers{Request: route.Ops{Set: map[string]string{"x-env": "target"}}}
	next := route.EditHeaders(ofRule, ofTarget)(func(_ context.Context, c *enmesh.Call) error {
		fmt.Println(c.Header)
		return nil
	})
	_ = next(context.Background(), &enmesh.Call{Header: metadata{}})
	// Output: map[x-env:[target] x-rule:[1]]
}

func ExampleNewMirror() {
	mirror, err := route.NewMirror(route.MirrorConfig{MaxInFlight: 10})
	if err != nil {
		fmt.Println(err)
		return
	}
	shadow := &enmesh.Route{Name: "shadow", Destination: enmesh.Destination{Service: "shadow"}, Next: enmesh.Send}
	router := enmesh.Fixed(true, mirror.Middleware(route.Shadow{Route: shadow, Share: route.Million}))

	heard := make(chan string, 2) // what a test's far side hears; in a program this is the wire
	wire := enmeshtest.NewWire(func(_ context.Context, c *enmesh.Call) error {
		heard <- c.Service + " as " + c.Authority
		return nil
	})
	wire.Call().Service, wire.Call().Authority, wire.Call().Protocol = "ratings", "ratings:80", enmesh.GRPC
	fmt.Println(wire.Do(context.Background(), router))
	for range 2 {
		fmt.Println(<-heard)
	}
	fmt.Println(mirror.Close(), mirror.Stats().Sent)
	// Unordered output:
	// <nil>
	// ratings as ratings:80
	// shadow as ratings-shadow:80
	// <nil> 1
}
