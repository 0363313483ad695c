// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

// Package otelmetric records the durations of calls with OpenTelemetry, under the
// names of its semantic conventions.
//
// # The problem
//
// OpenTelemetry's instruments take attributes with every value. Made for each call,
// they cost several times what recording costs.
//
// # The model
//
// A [Meter] holds the instruments. [Meter.Calls] gives the observer of one
// chain: the attribute set of every kind of call (method, status, error, server) is
// made once and found without an allocation.
//
//	meter, err := otelmetric.New(otelmetric.Config{}) // the global provider
//	if err != nil {
//		return err
//	}
//	chain := enmesh.Chain(telemetry.Calls(meter.Calls(scope)), retry)
//
// # The metrics
//
// In seconds, from a call's begin to its true end, retries included:
//
//   - http.client.request.duration and http.server.request.duration, with
//     http.request.method, http.response.status_code (where an answer came),
//     error.type, url.scheme, and at the client server.address and server.port.
//   - rpc.client.call.duration and rpc.server.call.duration, with rpc.system.name,
//     rpc.method, rpc.response.status_code, error.type, and at the client
//     server.address and server.port.
//
// With [Config.Sizes], in bytes and with the attributes of the duration:
//
//   - http.client.request.body.size, http.client.response.body.size and the same of
//     http.server, where the adapter counts (see enmesh.Call.Sizes).
//
// server.address is the service called, never an address; an HTTP path is no
// attribute. error.type is the HTTP status where that is the error, else the name of
// the code ("UNAVAILABLE").
//
// # Limits
//
// The number of attribute sets is bounded by the SDK (2,000 for each instrument
// unless told otherwise): a stranger can choose the method of a gRPC call. Values
// carry no exemplars: the call's context is over when they are recorded.
package otelmetric
