// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package enmesh

import (
	"crypto/tls"
	"net/netip"
)

// Peer is who calls, as a server sees it.
type Peer struct {
	Addr     netip.AddrPort       // formatted only when somebody reads it
	Local    netip.AddrPort       // of this process, where the call came in; zero when unknown
	TLS      *tls.ConnectionState // nil: plaintext
	Identity string               // verified, e.g. a SPIFFE ID; "" when not
	Labels   map[string]string    // of the calling workload, if known
}

// Endpoint is the far side of an attempt, as policies above the pick may see it.
// *balance.Endpoint is the one that adapters use.
type Endpoint interface {
	// Addr is the address that is dialled first, "host:port".
	Addr() string
	// Label is a label of the instance, or "".
	Label(key string) string
}
