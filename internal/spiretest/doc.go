// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

// Package spiretest runs a real SPIRE server with an agent for tests, and does to the agent
// what outages do.
//
// The programs are found through the variable ENMESH_SPIRE, the directory of spire-server
// and spire-agent, which make test sets to the one that it builds them into from
// tools/spire. Without it a test skips, and in CI it fails.
//
//	s := spiretest.Start(t)
//	s.Entry("/web", time.Minute)
//	source, err := spiffe.New(ctx, spiffe.Config{Address: s.Address})
//	...
//	s.StopAgent()
//
// Server and agent are bound to 127.0.0.1 and to sockets in a directory of the test, and end
// with it.
package spiretest
