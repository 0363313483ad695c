// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package meshhttp

import (
	"crypto/tls"
	"net/http"
	"net/netip"

	"github.com/enmesh-go/enmesh"
)

// verifiedIdentity is the URI SAN of the peer's certificate, when crypto/tls has
// verified it and it has exactly one; else "".
func verifiedIdentity(cs *tls.ConnectionState) string {
	if len(cs.VerifiedChains) == 0 || len(cs.PeerCertificates) == 0 {
		return ""
	}
	if uris := cs.PeerCertificates[0].URIs; len(uris) == 1 {
		return uris[0].String()
	}
	return ""
}

// describePeer fills in who sent r. An address that is not "ip:port" stays zero.
func describePeer(p *enmesh.Peer, r *http.Request, identity func(*tls.ConnectionState) string) {
	if addr, err := netip.ParseAddrPort(r.RemoteAddr); err == nil {
		p.Addr = netip.AddrPortFrom(addr.Addr().Unmap(), addr.Port())
	}
	if r.TLS != nil {
		p.TLS = r.TLS
		p.Identity = identity(r.TLS)
	}
}
