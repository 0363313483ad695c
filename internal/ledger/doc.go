// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

// Package ledger loads a service and keeps a record of every call, so that a scenario
// counts what was lost, sent twice or slow, and estimates nothing.
//
// The load is open: calls start when they are due, however many are under way, since a
// generator that waits for answers hides an outage. A [Ledger] is the client's side, and
// [Receipts] are the servers'. The id of a call ties both together: it travels in a header
// or in metadata, servers write down that they saw it, and say who they are.
//
//	func TestScenarioD1_registryKilled(t *testing.T) {
//		ledger.Baseline(t)
//		var receipts ledger.Receipts
//		server := httptest.NewServer(receipts.Handler("reviews-1", handler))
//		...
//		l := ledger.Start(t.Context(), ledger.Config{
//			Rate: 500,
//			For:  ledger.Short(60 * time.Second),
//			Call: ledger.HTTP(client, http.MethodGet, "http://reviews/"),
//		})
//		registry.Kill()
//		report := l.Wait().With(&receipts)
//		t.Log(report)
//		if report.Lost != 0 || report.Duplicated != 0 {
//			t.Errorf("lost %d, duplicated %d: %v", report.Lost, report.Duplicated, report.Errors)
//		}
//	}
//
// Another protocol brings its own [Call]: for gRPC, a function that puts the id into
// outgoing metadata under [IDKey], and on the server an interceptor that hands the id to
// [Receipts.Begin] and answers with its name in a header.
//
// The generator uses timers only, so it works in a testing/synctest bubble too.
package ledger
