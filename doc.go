// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

// Package enmesh is the core of a service mesh that is imported: the words in
// which retries, breakers, limits, balancing, telemetry and authorization are
// written once, for HTTP and gRPC, for clients and servers.
//
// # The problem
//
// What a mesh does to a call is the same whatever the call speaks: it is routed,
// perhaps refused, perhaps sent twice, counted, and at some time it ends. Written
// against net/http and against grpc each policy would exist six times, and differ
// six times. Here a policy is written against this package, knows neither protocol,
// and two adapters (meshhttp, meshgrpc) know the protocols and no policy.
//
// # The model
//
// A [Call] is one request. A [Router] chooses its [Route], which has a destination
// and a chain of [Middleware] that was built once. The chain ends in [Send], where
// the adapter picks an endpoint and puts the call on the wire. A [Gate] admits a
// call and later hears, once, how it ended; [Guard] makes a middleware of it, and
// package balance hangs it on a single endpoint.
//
//	limit := enmesh.Guard(limiter)              // any Gate
//	router := enmesh.Fixed(false, limit)        // one route for every call
//	client := &http.Client{Transport: meshhttp.NewTransport(nil, router, nil)}
//
// A whole policy, a gate that lets nobody in on Sundays, is in the package's
// example; package mesh makes the Router of a whole service out of policy files.
//
// # The order of things
//
// A client's chain, outermost first: recover, route, then of the route's own chain
// telemetry of the call, fault, rewrite and mirror, deadline, fallback, throttle,
// hedge, retry with its budget, breaker of the service, telemetry of the attempt.
// Then the pick, the gates of the endpoint, and the wire. A server's: recover,
// canonical path, route, telemetry, identity, authorization, rate limit, shedding,
// deadline, handler. What stands above the pick knows the service, what stands
// below it knows the endpoint.
//
// # What every policy can rely on
//
//   - Answered is not finished. Next returns when the answer's head is there; the
//     body or stream runs on. [Call.Defer] waits for the true end. An error from
//     Next means over: nothing is left to wait for.
//   - There are three outcomes. Only a [Failure] speaks against the far side; the
//     caller's cancellation, its own fault, its own short deadline, a refusal and a
//     lost race are [Neutral].
//   - Attempts can run at once: [Call.Fork], then [Call.Adopt] or [Call.Drop].
//   - A call is sent again only where that is possible ([Call.Replayable]) and safe
//     ([Call.Repeatable]).
//   - Every Admit meets exactly one Done: after panic, cancellation, a body that is
//     closed early, a fork that lost. Package enmeshtest checks it for a policy of
//     your own.
//   - An error reads the same for both protocols: [CodeOf], [OutcomeOf], [ErrorOf].
//
// # Limits
//
// The core imports the standard library only. It sets no deadline, starts no
// goroutine and has no state besides the calls themselves.
package enmesh
