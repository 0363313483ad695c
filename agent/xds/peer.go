// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package xds

import (
	"net"

	"github.com/enmesh-go/enmesh/security"
)

// Peer is what a connection says of the process at its other end, which that
// process cannot choose.
type Peer struct {
	Network string // "unix", "tcp", ...
	Addr    string // "ip:port" over TCP
	// Known says that UID, GID and PID are the kernel's, over a unix socket.
	Known    bool
	UID, GID uint32
	PID      int32       // 0: in another PID namespace
	ID       security.ID // over mutual TLS: the certificate's SPIFFE ID
}

// addrOf fills the network and the address in.
func (p Peer) addrOf(c net.Conn) Peer {
	if a := c.RemoteAddr(); a != nil {
		p.Network, p.Addr = a.Network(), a.String()
	}
	return p
}
