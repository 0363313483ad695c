// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

// Package edges keeps live statistics of every edge between services: what a table
// on a terminal or a status page shows.
//
// # The problem
//
// Whoever watches a mesh asks: who calls whom, which version answers, how often,
// how well, how fast, and with how many attempts? A metrics system answers minutes
// later and elsewhere; a program in development wants it at once and in itself.
//
// # The model
//
// A [Table] counts by edge: the caller, the service called, the version of the
// instance that answered, and the protocol. One Table may serve many chains, and
// many workloads of one process. [Table.Snapshot] is what was counted so far;
// [Snapshot.Since] is what came between two snapshots, rates and percentiles
// included.
//
//	table := edges.New(edges.Config{})
//	scope := telemetry.Scope{Self: telemetry.Workload{App: "productpage"}}
//	chain := enmesh.Chain(
//		telemetry.Calls(table.Calls(scope)),
//		retry,
//		telemetry.Attempts(table.Attempts(scope)),
//	)
//	// later, once a second
//	now := table.Snapshot()
//	for _, e := range now.Since(before) {
//		fmt.Println(e.From, e.To, e.Version, e.Requests, e.P99)
//	}
//
// # What counts as what
//
// A request is counted under the version that gave its last answer; an attempt under
// the version it went to. A call that never got an endpoint, because a policy
// refused it or nobody was there, has version "unknown". A failure is a call whose
// code enmesh.OutcomeOfCode counts as one, whoever said it: an HTTP status of 500
// and above (501 apart) or 429, and the gRPC codes that stand for the like.
// Latency is the time to the answer's head, or to the end where no answer came.
//
// # Limits
//
// A Table holds at most Config.MaxEdges edges (1,000, about 4 KiB each for each of up to 8 processors); what comes
// later is counted in one edge whose names are all "_overflow". Percentiles are
// read from buckets no wider than a sixteenth of their value (1 microsecond at
// least), so they are within about 3% of the truth.
package edges
