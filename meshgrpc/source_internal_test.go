// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package meshgrpc

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"
	"testing"

	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/peer"

	"github.com/enmesh-go/enmesh"
)

// from is the peer of a connection as grpc hands it out for a call.
func from(addr net.Addr, certs []*x509.Certificate) *peer.Peer {
	return &peer.Peer{Addr: addr, AuthInfo: credentials.TLSInfo{State: tls.ConnectionState{PeerCertificates: certs}}}
}

func who(s *Server, from *peer.Peer) *enmesh.Peer {
	return s.sourceOf(peer.NewContext(context.Background(), from))
}

func TestSourceOf_isOnePeerAConnection(t *testing.T) {
	s := NewServer(enmesh.Fixed(false), WithIdentity(func(cs *tls.ConnectionState) string {
		if len(cs.PeerCertificates) == 0 {
			return ""
		}
		return cs.PeerCertificates[0].Subject.CommonName
	}))
	certOf := func(name string) []*x509.Certificate {
		c := &x509.Certificate{}
		c.Subject.CommonName = name
		return []*x509.Certificate{c}
	}
	shared := &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1}
	a, b := certOf("a"), certOf("b")
	first := who(s, from(shared, a))
	if again := who(s, from(shared, a)); again != first || first.Identity != "a" {
		t.Errorf("a connection's second call comes from %v, want the first's %v", again, first)
	}
	// A listener of its own kind may give all connections one address.
	if got := who(s, from(shared, b)).Identity; got != "b" {
		t.Errorf("another connection at the same address is %q, want b", got)
	}
	if got := who(s, from(&net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 2}, a)); got.Addr.Port() != 2 {
		t.Errorf("another connection with the same certificates is at %v, want port 2", got.Addr)
	}
	for _, p := range []*peer.Peer{from(shared, nil), {Addr: shared}, {Addr: &net.UnixAddr{Name: "x"}}, {}} {
		if got := who(s, p); got == nil || got.Identity != "" || got == first {
			t.Errorf("a connection without a certificate comes from %+v", got)
		}
	}
	for i := range 3 * maxSources {
		who(s, from(&net.TCPAddr{Port: i}, a))
	}
	if n := len(s.sources.known); n > maxSources {
		t.Errorf("%d connections are remembered, want at most %d", n, maxSources)
	}
}
