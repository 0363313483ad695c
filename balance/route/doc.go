// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

// Package route says which calls a rule is for, where they go, and what becomes of
// them on the way: the parts that a routing table is made of.
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
// weight. The rest are middleware: [EditHeaders]; [Rewrite], of the path and the
// authority; [Redirect] and [Direct], which answer by themselves; [CORS], which deals with
// pages of other origins; and [Mirror], which sends copies elsewhere. All are built once
// and then read by every call without a lock; what a rule does not ask for is nil and
// costs nothing:
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
// # The order
//
// Outermost first: CORS, header edits, rewrite, mirror, then deadline and retry, so that each
// is done once for a call however often it is tried, and a copy is of the call as it is
// sent. Redirect and Direct stand in the place of all of these.
//
// # Limits
//
// The meaning of everything is Istio's, and Envoy's where Istio says nothing: see each
// type. Paths are compared and rewritten decoded. gRPC has no redirects and no answers
// without a message: there they are errors. Streams of gRPC are not mirrored, nor are
// bodies that the adapter does not keep. The guide docs/routing.md has all differences
// from Istio.
package route
