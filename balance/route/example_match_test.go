// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package route_test

import (
	"context"
	"fmt"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/balance/route"
	"github.com/enmesh-go/enmesh/enmeshtest"
)

// "Reviews for jason go to v3, of the rest a tenth": a routing table by hand.
func Example() {
	to := func(subset string) *enmesh.Route {
		return &enmesh.Route{Name: subset, Destination: enmesh.Destination{Service: "reviews", Subset: subset}, Next: enmesh.Send}
	}
	v1, v2, v3 := to("v1"), to("v2"), to("v3")
	jason, err := route.Compile(route.Match{Headers: map[string]route.StringMatch{"end-user": route.Exact("jason")}})
	if err != nil {
		fmt.Println(err)
		return
	}
	canary := route.NewSplit([]uint32{90, 10})
	router := enmesh.RouterFunc(func(c *enmesh.Call) *enmesh.Route {
		if jason.Matches(c) {
			return v3
		}
		return []*enmesh.Route{v1, v2}[canary.Pick()]
	})

	fmt.Println("jason:", router.Route(&enmesh.Call{Header: metadata{"end-user": {"jason"}}}).Name)
	taken := map[string]int{}
	for range 10_000 {
		taken[router.Route(&enmesh.Call{Header: metadata{}}).Name]++
	}
	fmt.Println("of the rest a tenth to v2:", taken["v2"] > 850 && taken["v2"] < 1150, "and", taken["v1"]+taken["v2"] == 10_000)
	// Output:
	// jason: v3
	// of the rest a tenth to v2: true and true
}

// holds reports whether a condition on the path holds for a path.
func holds(condition route.StringMatch, path string) bool {
	m, err := route.Compile(route.Match{URI: &condition})
	return err == nil && m.Matches(&enmesh.Call{Path: path})
}

func ExampleExact() {
	fmt.Println(holds(route.Exact("/a"), "/a"), holds(route.Exact("/a"), "/a/b"))
	// Output: true false
}

// A prefix is one of characters, not of path segments.
func ExamplePrefix() {
	fmt.Println(holds(route.Prefix("/a"), "/a/b"), holds(route.Prefix("/a"), "/ab"), holds(route.Prefix("/a"), "/A"))
	// Output: true true false
}

// The expression holds for the whole value, as in Envoy.
func ExampleRegex() {
	fmt.Println(holds(route.Regex("/a.*"), "/abc"), holds(route.Regex("b"), "/abc"))
	// Output: true false
}

func ExamplePresent() {
	m, err := route.Compile(route.Match{Headers: map[string]route.StringMatch{"x-debug": route.Present()}})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(m.Matches(&enmesh.Call{Header: metadata{"x-debug": {"0"}}}), m.Matches(&enmesh.Call{Header: metadata{}}))
	// Output: true false
}

// No copy of a call is sent where there are as many as there may be, and the call goes
// on as if nothing were.
func ExampleMirror_Middleware() {
	mirror, err := route.NewMirror(route.MirrorConfig{MaxInFlight: 1})
	if err != nil {
		fmt.Println(err)
		return
	}
	started := make(chan struct{})
	slow := &enmesh.Route{Name: "slow", Next: func(ctx context.Context, _ *enmesh.Call) error {
		close(started)
		<-ctx.Done() // a far side that does not answer
		return ctx.Err()
	}}
	router := enmesh.Fixed(true, mirror.Middleware(route.Shadow{Route: slow, Share: route.Million}))
	for range 3 {
		wire := enmeshtest.NewWire(func(context.Context, *enmesh.Call) error { return nil })
		wire.Call().Protocol = enmesh.GRPC
		fmt.Println("call:", wire.Do(context.Background(), router))
	}
	<-started
	_ = mirror.Close()
	fmt.Println("copies:", mirror.Stats().Sent, "not copied:", mirror.Stats().Busy)
	// Output:
	// call: <nil>
	// call: <nil>
	// call: <nil>
	// copies: 1 not copied: 2
}
