// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

// Package agent is the node-local agent as a library: it serves Istio's YAML, and the instances
// that a registry knows, over xDS to programs on plain gRPC in any language.
//
//	a, err := agent.Open(ctx, agent.Config{
//		Resolver:    registry,
//		Policies:    []string{"/etc/enmesh/policies"},
//		Socket:      "/run/enmesh/xds.sock",
//		Admin:       "127.0.0.1:15000",
//		SnapshotDir: "/var/lib/enmesh",
//	})
//	if err != nil {
//		return err
//	}
//	defer a.Close()
//	return a.Run(ctx)
//
// A program whose bootstrap file (package bootstrap makes it) names the socket then dials
// "xds:///reviews:9080".
//
// # What it is made of
//
// A [discovery.Cache] over the registry keeps what is good through outages and doubts a sudden
// loss; package policy watches the files; [translate.Catalog] makes resources of both; and
// [xds.Server] carries these to every client. The agent puts them together, keeps
// certificates fresh in directories, and says how things stand.
//
// # The order of things
//
// Open reads policy and opens the listeners; Run serves them. Clients may connect before, and
// wait. Nothing is answered until policy is known: from its sources, or, when these fail, the last
// good one that is on disk. Of each service nothing is answered until the registry has spoken, or
// its endpoints were found on disk.
//
// Policy that is refused changes nothing: the last good one stays in force and [Agent.Status] has
// the error, which names file and line. The same goes for the registry and for whoever
// issues certificates.
//
// # When it is gone
//
// Clients keep what they were told for as long as the agent is away. One that starts again
// says nothing of what it does not know yet, so no client loses what it has.
//
// # Security
//
// The unix socket has mode 0600, and the kernel says who connects. TCP is on loopback only,
// or with mutual TLS. The admin page is on loopback only and answers only to a loopback name; it
// shows no keys.
package agent
