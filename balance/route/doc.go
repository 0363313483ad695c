// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

// Package route says which calls a rule is for, where they go, and what becomes of
// their headers: the parts that a routing table is made of.
//
// # The problem
//
// "Reviews for jason go to v2, of the rest a tenth." A rule has conditions on the
// call, shares for its destinations, and header edits. All of it runs on every call,
// for HTTP and gRPC alike.
//
// # The model
//
// A [Match] holds conditions that must all be true; a rule with several takes the
// call if any does. It reads only what both protocols have: a gRPC call has the method
// "POST" and the path "/package.Service/Method". A [Split] draws a destination by
// weight. [Headers] makes a middleware. All are built once, by [Compile], [NewSplit]
// and [Headers.Middleware], and then read by every call without a lock or an
// allocation:
//
//	jason, err := route.Compile(route.Match{Headers: map[string]route.StringMatch{"end-user": route.Exact("jason")}})
//	if err != nil {
//		return err
//	}
//	canary := route.NewSplit([]uint32{90, 10})
//	router := enmesh.RouterFunc(func(c *enmesh.Call) *enmesh.Route {
//		if jason.Matches(c) {
//			return v2
//		}
//		return []*enmesh.Route{v1, v3}[canary.Pick()]
//	})
//
// # Limits
//
// The meaning of a condition is Istio's (HTTPMatchRequest), see [Match]. Redirects and
// rewrites are not here yet.
package route
