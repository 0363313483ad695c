// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

// Package sock dials TCP for the adapters: with a bound on the time of one address, and
// with keepalive probes of the operating system that find a dead path soon.
//
//	dialer := sock.Dialer(sock.Config{Timeout: time.Second, Idle: 8 * time.Second, Interval: 2 * time.Second, Probes: 3})
//	conn, err := dialer.DialContext(ctx, "tcp", "10.0.0.1:8080")
//
// A probe is answered by the far side's kernel, so it says nothing of the process there;
// and no probe is sent while data is unacknowledged, for which retransmission has a
// timeout of its own.
package sock
