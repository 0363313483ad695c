// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package mtls

import (
	"crypto/tls"
	"crypto/x509"
	"sync/atomic"

	"github.com/enmesh-go/enmesh/security"
)

// Server makes the configuration of a server that shows src's certificate and
// requires one of each client, verified against the roots of the client's own
// trust domain. Certificate and roots are read from src at each handshake, so a
// rotation takes hold with the next connection. After the handshake
// [security.PeerID] gives the client's ID.
//
// The configuration works through GetConfigForClient. It may be cloned, as
// net/http and grpc do, but what is edited on it has no effect: use options.
func Server(src security.Source, opts ...ServerOption) *tls.Config {
	s := defaults()
	s.protocols = []string{"h2", "http/1.1"}
	for _, o := range opts {
		o.server(&s)
	}
	v := &server{src: src, settings: s}
	base := v.shell()
	base.ClientCAs = x509.NewCertPool() // trusts nobody, should it ever be used itself
	base.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) { return v.config() }
	return base
}

// server builds a configuration for each identity that its source goes through.
type server struct {
	settings
	src  security.Source
	last atomic.Pointer[built]
}

// built is a configuration and the identity it was made of.
type built struct {
	own    *security.Identity
	config *tls.Config
}

// shell is what all configurations of the server share.
func (v *server) shell() *tls.Config {
	return &tls.Config{ //nolint:gosec // TLS 1.3, or 1.2 where the program asks for it
		MinVersion:             v.minVersion,
		CipherSuites:           v.suites(),
		NextProtos:             v.protocols,
		Time:                   v.now,
		ClientAuth:             tls.RequireAndVerifyClientCert,
		SessionTicketsDisabled: !v.tickets,
	}
}

// config is the configuration for the present identity.
func (v *server) config() (*tls.Config, error) {
	own, err := present(v.src, v.now())
	if err != nil {
		return nil, err
	}
	if b := v.last.Load(); b != nil && b.own == own {
		return b.config, nil
	}
	c := v.shell()
	c.Certificates = []tls.Certificate{*own.Certificate()}
	c.ClientCAs = own.AllRoots()
	c.VerifyConnection = func(cs tls.ConnectionState) error {
		return peer(own, cs, v.now(), x509.ExtKeyUsageClientAuth, v.allow)
	}
	v.last.Store(&built{own, c})
	return c, nil
}
