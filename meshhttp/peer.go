// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package meshhttp

import (
	"crypto/tls"
	"math/rand/v2"
	"net"
	"net/http"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/internal/tlslive"
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
// from texts for every request. It is a table without a lock, of 256 sets with 4 places
// each; where a set is full, a connection takes the place of another, and the other is
// described anew. Peers are never written again.
type sources [256][4]atomic.Pointer[source]

// source is the peer of a connection, and when the connection is to be ended softly.
type source struct {
	enmesh.Peer
	of    origin
	until enmesh.Instant // 0: never
}

// worn reports whether the connection has been used as long as its certificate allows.
func (s *source) worn(now enmesh.Instant) bool { return s.until != 0 && now >= s.until }

// of is who sent r.
func (s *sources) of(r *http.Request, identity func(*tls.ConnectionState) string) *source {
	at := origin{tls: r.TLS, addr: r.RemoteAddr}
	if at.tls == nil {
		at.local = localAddr(r)
	}
	set := &s[place(at.addr)%uint32(len(s))]
	free := -1
	for i := range set {
		switch known := set[i].Load(); {
		case known == nil:
			free = i
		case known.of == at:
			return known
		}
	}
	if free < 0 {
		free = rand.IntN(len(set))
	}
	p := describePeer(r, identity)
	p.of = at
	set[free].Store(p)
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
func describePeer(r *http.Request, identity func(*tls.ConnectionState) string) *source {
	p := new(source)
	if addr, err := netip.ParseAddrPort(r.RemoteAddr); err == nil {
		p.Addr = unmapped(addr)
	}
	if a, ok := localAddr(r).(*net.TCPAddr); ok {
		p.Local = unmapped(a.AddrPort())
	}
	if r.TLS != nil {
		p.TLS = r.TLS
		p.Identity = identity(r.TLS)
		if len(r.TLS.PeerCertificates) > 0 {
			p.until = enmesh.Now().Add(tlslive.Use(time.Now(), rand.Float64(), r.TLS.PeerCertificates[0].NotAfter))
		}
	}
	return p
}

// unmapped is a with an IPv4 address in IPv4's own form.
func unmapped(a netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(a.Addr().Unmap(), a.Port())
}
