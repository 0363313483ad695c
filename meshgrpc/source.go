// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package meshgrpc

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/netip"
	"sync"

	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/peer"

	"github.com/enmesh-go/enmesh"
)

// sourceOf is who calls; nil when nothing is known.
func (s *Server) sourceOf(ctx context.Context) *enmesh.Peer {
	from, ok := peer.FromContext(ctx)
	if !ok {
		return nil
	}
	at, ok := originOf(from)
	if !ok {
		return s.describe(from)
	}
	if p := s.sources.find(at); p != nil {
		return p
	}
	p := s.describe(from)
	s.sources.add(at, p)
	return p
}

func (s *Server) describe(from *peer.Peer) *enmesh.Peer {
	p := &enmesh.Peer{Addr: addrPortOf(from.Addr), Local: addrPortOf(from.LocalAddr)}
	if info, ok := from.AuthInfo.(credentials.TLSInfo); ok {
		p.TLS = &info.State
		p.Identity = s.identity(p.TLS)
	}
	return p
}

// origin tells a connection from every other by two things that grpc hands out for
// each of its calls: the address, and the certificates of its handshake. A handshake
// that resumes another has that one's, and so the same peer.
type origin struct {
	addr  *net.TCPAddr
	certs **x509.Certificate
}

// originOf is the origin of a connection with mutual TLS; others are told apart by
// nothing that is safe.
func originOf(from *peer.Peer) (origin, bool) {
	addr, ok := from.Addr.(*net.TCPAddr)
	if !ok {
		return origin{}, false
	}
	info, ok := from.AuthInfo.(credentials.TLSInfo)
	if !ok || len(info.State.PeerCertificates) == 0 {
		return origin{}, false
	}
	return origin{addr, &info.State.PeerCertificates[0]}, true
}

// maxSources bounds how many connections' peers are remembered.
const maxSources = 1024

// sources remembers the peers of connections: the state of TLS is otherwise copied
// for every call. Peers are never written again.
type sources struct {
	mu    sync.RWMutex // guards known
	known map[origin]*enmesh.Peer
}

func (s *sources) find(o origin) *enmesh.Peer {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.known[o]
}

func (s *sources) add(o origin, p *enmesh.Peer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.known == nil || len(s.known) >= maxSources {
		s.known = map[origin]*enmesh.Peer{}
	}
	s.known[o] = p
}

func addrPortOf(a net.Addr) netip.AddrPort {
	if tcp, ok := a.(*net.TCPAddr); ok {
		at := tcp.AddrPort()
		return netip.AddrPortFrom(at.Addr().Unmap(), at.Port())
	}
	if a == nil {
		return netip.AddrPort{}
	}
	at, _ := netip.ParseAddrPort(a.String())
	return at
}

// maxIdentities bounds how many certificates' identities are remembered.
const maxIdentities = 1024

// identities remembers the identity that a certificate names: the text of a URI is
// otherwise built for every call. It says nothing of whether the certificate was
// verified; that is asked each time.
type identities struct {
	mu    sync.RWMutex // guards known
	known map[*x509.Certificate]string
}

// of is the default of [WithIdentity].
func (i *identities) of(cs *tls.ConnectionState) string {
	if len(cs.VerifiedChains) == 0 || len(cs.PeerCertificates) == 0 {
		return ""
	}
	leaf := cs.PeerCertificates[0]
	if len(leaf.URIs) != 1 {
		return ""
	}
	i.mu.RLock()
	id, ok := i.known[leaf]
	i.mu.RUnlock()
	if ok {
		return id
	}
	id = leaf.URIs[0].String()
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.known == nil || len(i.known) >= maxIdentities {
		i.known = map[*x509.Certificate]string{}
	}
	i.known[leaf] = id
	return id
}
