// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package meshhttp

import (
	"crypto/tls"
	"net"
	"net/http"
	"net/netip"
	"sync/atomic"

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

// origin tells a connection from every other: net/http hands out one state of TLS for
// all requests of a connection. The address is a part of it since middlewares rewrite
// it for single requests; in plaintext it, and where the connection came in, are all that
// is known of a peer.
type origin struct {
	tls   *tls.ConnectionState
	addr  string
	local net.Addr // of plaintext; a pointer that every connection has of its own
}

// sources remembers the peers of connections: address and identity are otherwise read
// from texts for every request. It is a table without a lock, in which a connection may
// take the place of another, and the other be described anew. Peers are never written
// again.
type sources [1024]atomic.Pointer[known]

// known is a connection and its peer.
type known struct {
	at   origin
	peer *enmesh.Peer
}

// of is who sent r.
func (s *sources) of(r *http.Request, identity func(*tls.ConnectionState) string) *enmesh.Peer {
	at := origin{tls: r.TLS, addr: r.RemoteAddr}
	if at.tls == nil {
		at.local = localAddr(r)
	}
	slot := &s[place(at.addr)%uint32(len(s))]
	if k := slot.Load(); k != nil && k.at == at {
		return k.peer
	}
	p := describePeer(r, identity)
	slot.Store(&known{at, p})
	return p
}

// place is a number for an address: its end, the port, differs most.
func place(addr string) uint32 {
	n := uint32(0)
	for i := max(0, len(addr)-8); i < len(addr); i++ {
		n = n*31 + uint32(addr[i])
	}
	return n
}

// localAddr is where the connection came in; nil when the server does not say, or not by
// TCP.
func localAddr(r *http.Request) net.Addr {
	if a, ok := r.Context().Value(http.LocalAddrContextKey).(*net.TCPAddr); ok {
		return a
	}
	return nil
}

// describePeer says who sent r. An address that is not "ip:port" stays zero.
func describePeer(r *http.Request, identity func(*tls.ConnectionState) string) *enmesh.Peer {
	p := new(enmesh.Peer)
	if addr, err := netip.ParseAddrPort(r.RemoteAddr); err == nil {
		p.Addr = unmapped(addr)
	}
	if a, ok := localAddr(r).(*net.TCPAddr); ok {
		p.Local = unmapped(a.AddrPort())
	}
	if r.TLS != nil {
		p.TLS = r.TLS
		p.Identity = identity(r.TLS)
	}
	return p
}

// unmapped is a with an IPv4 address in IPv4's own form.
func unmapped(a netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(a.Addr().Unmap(), a.Port())
}
