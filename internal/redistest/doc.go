// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

// Package redistest runs real Redis servers for tests: one alone, three masters of a
// cluster, or a master with replicas under three Sentinels. It kills them, freezes them,
// and starts them again on the same port.
//
// The program is found through the variable ENMESH_REDIS, which make test sets to the one
// that tools/redis/install provides. Without it a test skips, and in CI it fails.
//
//	func TestQuota_outlivesItsServer(t *testing.T) {
//		server := redistest.Start(t)
//		quota := open(t, server.Addr)
//		server.Kill()
//		...
//		server.Restart()
//	}
//
// Servers are bound to 127.0.0.1, keep nothing on disk but what cluster and Sentinel need,
// and end with the test, each by its own process. Methods fail the test when they fail,
// and belong on its own goroutine. The helpers speak the protocol by themselves, so that
// they check the client under test and do not share its mistakes.
package redistest
