// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

// Package accesslog writes one log/slog record for each call, at its end.
//
// # The problem
//
// When a call goes wrong, the first questions are where it went, what came back, and
// whether the far side or a policy said no. Envoy's access log answers them with a
// status and a response flag ("UH": no healthy endpoint; "UH,URX": and no retry is left),
// and operators know these by heart. A log of every call costs more than the rest of
// the mesh, though, and a log that holds headers holds passwords.
//
// # The model
//
// A [Log] makes the observer of a chain, for telemetry.Calls. A call is logged when
// it is one of the sample, or when it failed; nothing is formatted before both this
// and the handler's level say so.
//
//	access := accesslog.New(slog.NewJSONHandler(os.Stderr, nil), accesslog.Config{Sample: 0.01})
//	chain := enmesh.Chain(
//		telemetry.Calls(access.Calls(telemetry.Scope{Side: enmesh.Client})),
//		retry,
//	)
//
// # What is in a record
//
// The message is "call". The attributes, each only where it is known: side,
// protocol, method, authority, path, service, port, subset, route, endpoint (the
// address of the last attempt), peer (a server's caller: its identity, else its
// address), status (HTTP), code (gRPC's name for it), flags ("-" for none), policy
// (the package that refused), attempts (the number of the last one), duration_ms (to
// the true end), first_byte_ms (to the answer's head), request_bytes,
// response_bytes, trace_id.
//
// A record never holds a query, a header's value, a message of the far side, or
// anything else that might be a secret. A path is text that a stranger chose: a
// handler must quote it, as those of log/slog do.
//
// # Limits
//
// The handler is called where the call ends, which in gRPC may be under a lock of
// the stream: it must not block for long, nor make a call through the mesh.
package accesslog
