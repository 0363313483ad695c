// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

// Package tlslive looks after connections once their handshake is over. TLS asks who
// the far side is when a connection begins and never again: a certificate that ends, a
// root that is withdrawn, a revocation or a stricter policy change nothing for
// connections that are open. A [Set] asks again, every two seconds, and closes what no
// longer passes:
//
//	var live tlslive.Set
//	...
//	raw := live.Wrap(conn)            // below TLS
//	secured := tls.Client(raw, cfg)
//	if err := secured.HandshakeContext(ctx); err != nil { ... }
//	state := secured.ConnectionState()
//	raw.Keep(func() error { return cfg.VerifyConnection(state) })
//
// A check must be cheap, as package security makes it: it verifies a chain by
// signatures once, and by its dates from then on.
//
// A Set has no goroutine and needs no Close: a timer runs while it has connections.
package tlslive
