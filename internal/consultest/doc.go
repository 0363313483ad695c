// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

// Package consultest runs real Consul servers for tests, and does to them what
// outages do: it kills them, freezes them, starts them again on the same ports and
// data, and takes the quorum away.
//
// The program is found through the variable ENMESH_CONSUL, which make test sets to the
// one that it builds from tools/consul. Without it a test skips, and in CI it fails.
//
//	func TestRegistry_outlivesItsAgent(t *testing.T) {
//		node := consultest.Dev(t, consultest.Config{})
//		node.Register(consultest.Service{Name: "reviews", ID: "reviews-1", Address: "127.0.0.1", Port: 9080})
//		registry := open(t, node.Addr)
//		node.Kill()
//		...
//		node.Restart()
//	}
//
// [Dev] is one server that forgets everything when it ends, or keeps it
// ([Config].Keep). [ACL] is one with access control, where the default is to deny.
// [NewCluster] is three servers and a client agent, as in production.
//
// # Rules
//
// Ports are taken outside the range that kernels give to clients, in blocks that other
// test processes leave alone as long as the node lives, down or up. Everything is
// bound to 127.0.0.1, and on Linux that is looked up in the kernel's tables after each
// start: another address fails the test. A node is ready when its answers are: it has
// returned from Dev, NewCluster or Restart only after a consistent read through a leader,
// and with its own health check passing.
//
// The methods of a [Node] fail the test when they fail; like [testing.TB.FailNow] they
// belong on the test's own goroutine. The end of a test kills its nodes, each by its own
// process, and shows the ends of their logs if the test has failed. The whole logs are
// kept where go test -artifacts says.
//
// The helpers speak plain HTTP, so that they check the client under test and do not
// share its mistakes.
package consultest
