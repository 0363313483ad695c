// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

// Package faultnet breaks the network between a client and a server under test, on the
// loopback interface and without privileges.
//
// A [Link] is a proxy that forwards bytes until it is told to stop: a frozen link keeps
// its connections open and passes nothing, in either direction, as a path does whose
// packets are dropped. A [Blackhole] is an address where no connection ever comes about:
// its kernel drops every SYN.
//
//	link := faultnet.NewLink(t, server.Addr().String())
//	... dial link.Addr(), call ...
//	link.Freeze()
//
// The kernels on both sides of a link still acknowledge what they get, and answer TCP's
// probes: what a link does cannot be told from a far process that hangs. A [Severable]
// listener's kernel drops every packet of a connection instead, and acknowledges nothing.
package faultnet
