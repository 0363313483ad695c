// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

// Package telemetry tells observers how calls ended: once each, at their true end.
//
// # The problem
//
// A call has one end, but many want to hear of it: metrics, a live table, an access
// log. Each as a middleware of its own would cost a hook, a wrapper and a look at
// the labels per call. And where a middleware stands decides what it counts: above
// the retry a call is counted once, with the outcome its caller saw; below it every
// attempt counts.
//
// # The model
//
// An [Observer] is told of an ended call. [Calls] is the middleware that tells any
// number of them, with one hook and no allocation; it stands outermost in a route's
// chain, above the retry. [Attempts] does the same for single attempts and stands
// below the retry. An observer is made when a chain is built, for a [Scope]: what
// is the same for every call of it (the side, and who this process is). What
// differs from call to call (status, flag, endpoint, peer) finds its series through
// a [Cache], without formatting anything.
//
// The observers are packages of their own, so that a program pays only for what it
// imports:
//
//   - telemetry/prom: Prometheus collectors with Istio's names and labels.
//   - telemetry/edges: live statistics of every edge between services.
//   - telemetry/accesslog: one log/slog record a call.
//   - telemetry/otelmetric: OpenTelemetry's request metrics.
//   - telemetry/tracing: spans and trace context; a middleware, not an observer,
//     for it has to act before the call goes out.
//
// # A whole example
//
//	self := telemetry.Workload{Name: "productpage-v1", Namespace: "default", App: "productpage", Version: "v1"}
//	scope := telemetry.Scope{Side: enmesh.Client, Self: self}
//	metrics := prom.New(prom.Config{})
//	table := edges.New(edges.Config{})
//	prometheus.MustRegister(metrics)
//
//	chain := enmesh.Chain(
//		telemetry.Calls(metrics.Calls(scope), table.Calls(scope)),
//		retry, // one call outside, several attempts inside
//		telemetry.Attempts(metrics.Attempts(scope), table.Attempts(scope)),
//	)
//
// # The order of things
//
// recover, route, then of the route's own chain: tracing, Calls, what else the route
// has, retry, breaker, Attempts, and the pick. Calls hears what the caller is told:
// a refusal of any policy further in included.
//
// # Limits
//
// An observer runs where the call ends, which in gRPC may be under a lock of the
// stream: it must not block. Labels never hold a path, an address or a header; the
// number of series is bounded by each package. What counts as the bytes of a call is told
// at enmesh.Call.Sizes.
package telemetry
