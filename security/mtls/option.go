// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package mtls

import (
	"crypto/tls"
	"slices"
	"time"

	"github.com/enmesh-go/enmesh/security"
)

// ClientOption changes the client's side of a connection.
type ClientOption interface{ client(*settings) }

// ServerOption changes the server's side of a connection.
type ServerOption interface{ server(*settings) }

// Option is an option of both sides.
type Option interface {
	ClientOption
	ServerOption
}

// settings are what options change.
type settings struct {
	protocols  []string
	minVersion uint16
	now        func() time.Time
	allow      security.Matcher
	tickets    bool
	crl        *CRL
}

func defaults() settings {
	return settings{minVersion: tls.VersionTLS13, now: time.Now}
}

type bothSides func(*settings)

func (o bothSides) client(s *settings) { o(s) }
func (o bothSides) server(s *settings) { o(s) }

type serverSide func(*settings)

func (o serverSide) server(s *settings) { o(s) }

// Protocols are the names offered in ALPN, best first. The default is "h2",
// "http/1.1" for a server, and none for a client: http.Transport and grpc add
// their own, and a transport must not be given h2 that it does not speak.
func Protocols(names ...string) Option {
	names = slices.Clone(names)
	return bothSides(func(s *settings) { s.protocols = names })
}

// AllowTLS12 lowers the least version from TLS 1.3 to 1.2, with forward secret
// AEAD cipher suites only. In TLS 1.2 certificates cross the wire in the clear.
func AllowTLS12() Option {
	return bothSides(func(s *settings) { s.minVersion = tls.VersionTLS12 })
}

// Clock replaces time.Now for every look at a certificate's dates.
func Clock(now func() time.Time) Option {
	return bothSides(func(s *settings) { s.now = now })
}

// Revocations has peers refused that crl says are revoked, or does not know not to be. The
// default is to ask nobody: certificates are meant to live an hour.
func Revocations(crl *CRL) Option {
	return bothSides(func(s *settings) { s.crl = crl })
}

// Allow narrows whom a server talks to at all. The default is every workload that
// a trusted root vouches for; what each may do is then for authorization to say.
func Allow(m security.Matcher) ServerOption {
	return serverSide(func(s *settings) { s.allow = m })
}

// Tickets lets clients resume sessions, which saves them and the server the
// certificates' signatures. A resumed session is checked like a new one: when the
// trust it was built on is gone, the handshake is done in full, or refused. The
// default is no tickets: connections between services live long.
func Tickets() ServerOption {
	return serverSide(func(s *settings) { s.tickets = true })
}

// suites are the cipher suites of TLS 1.2; those of 1.3 are not configurable.
func (s *settings) suites() []uint16 {
	if s.minVersion >= tls.VersionTLS13 {
		return nil
	}
	return []uint16{
		tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
		tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
		tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
		tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
		tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
		tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
	}
}
