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

// sourceOf fills p with who calls, and reports whether anything is known.
func (s *Server) sourceOf(ctx context.Context, p *enmesh.Peer) bool {
	from, ok := peer.FromContext(ctx)
	if !ok {
		return false
	}
	p.Addr = addrPortOf(from.Addr)
	if info, ok := from.AuthInfo.(credentials.TLSInfo); ok {
		p.TLS = &info.State
		p.Identity = s.identity(p.TLS)
	}
	return true
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
