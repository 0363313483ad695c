// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

// Package tracing makes spans of calls with OpenTelemetry, and carries the trace's
// context from service to service, with an SDK and without one.
//
// # The problem
//
// A trace is as long as its weakest link: one service that does not hand the context
// on cuts it in two. Yet most calls are not sampled, and those must cost next to
// nothing; most services have no SDK at all, and should hand the context on all the
// same.
//
// # The model
//
// A [Tracer] gives one middleware a chain. With a provider it starts a span of each
// call, as OpenTelemetry's semantic conventions for HTTP and RPC describe it. At a
// client the span's context goes out in the call's header; at a server the context
// that came in becomes the span's parent. The attributes are made only when the
// span is recorded, so a sampler that looks at attributes sees none.
//
// Without a provider there are no spans, and the W3C trace context goes through
// unchanged: what came in with a call that a server handles goes out with the calls
// made under the handler's context. The server's part costs one allocation, the
// client's none.
//
//	tracer := tracing.New(tracing.Config{Provider: otel.GetTracerProvider()})
//	server := enmesh.Chain(tracer.Calls(enmesh.Server), limiter)
//	client := enmesh.Chain(tracer.Calls(enmesh.Client), retry)
//
// The import is of OpenTelemetry's API; the SDK is the program's to choose.
//
// # The order of things
//
// Outermost in a route's chain, above telemetry.Calls and the retry: a call is one
// span, however often it is sent. A second and later attempt shows as
// http.request.resend_count.
//
// # What is in a span
//
// The name is the HTTP method ("GET"), or the gRPC method ("ratings.Ratings/Get").
// Besides the conventions' attributes there are enmesh.service, enmesh.subset,
// enmesh.route and enmesh.flags. The query and the headers are left out, and so are
// messages of errors: they may hold secrets. The status is an error by the
// conventions: at a client any error, at a server only its own.
//
// # Limits
//
// A propagator that has to list the header's keys finds none. The end of a span runs
// where the call ends, which in gRPC may be under a lock of the stream: use a
// processor that does not block, such as the SDK's batching one.
package tracing
