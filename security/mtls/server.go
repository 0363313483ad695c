// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package mtls

import (
	"crypto/tls"
	"crypto/x509"
	"net"
	"sync/atomic"
	"weak"

	"github.com/enmesh-go/enmesh/internal/tlslive"
	"github.com/enmesh-go/enmesh/security"
)

// Server makes the configuration of a server that shows src's certificate and
// requires one of each client, verified against the roots of the client's own
// trust domain. Certificate and roots are read from src at each handshake, so a
// rotation takes hold with the next connection. After the handshake
// [security.PeerID] gives the client's ID.
//
// Connections that are open are closed within 2 s when their client's certificate ends
// or is revoked, or when the root that vouched for it is withdrawn. Their age is not
// bounded otherwise: see [Listener].
//
// The configuration works through GetConfigForClient. It may be cloned, as
// net/http and grpc do, but what is edited on it has no effect: use options.
func Server(src security.Source, opts ...ServerOption) *tls.Config {
	return newServer(src, opts).base()
}

func newServer(src security.Source, opts []ServerOption) *server {
	s := defaults()
	s.protocols = []string{"h2", "http/1.1"}
	for _, o := range opts {
		o.server(&s)
	}
	return &server{src: src, settings: s}
}

// server builds a configuration for each identity that its source goes through.
type server struct {
	settings
	src  security.Source
	last atomic.Pointer[built]
	live tlslive.Set // connections that are no Listener's
}

// built is a configuration and the identity it was made of.
type built struct {
	own    *security.Identity
	config *tls.Config
}

// base is the configuration that programs get.
func (v *server) base() *tls.Config {
	base := v.shell()
	base.ClientCAs = x509.NewCertPool() // trusts nobody, should it ever be used itself
	base.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) { return v.config(hello.Conn) }
	return base
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

// config is the configuration of one connection: a copy of that for the present
// identity, which has the connection looked after once its client is verified.
func (v *server) config(conn net.Conn) (*tls.Config, error) {
	own, err := present(v.src, v.now())
	if err != nil {
		return nil, err
	}
	b := v.last.Load()
	if b == nil || b.own != own {
		c := v.shell()
		c.Certificates = []tls.Certificate{*own.Certificate()}
		c.ClientCAs = own.AllRoots()
		b = &built{own, c}
		v.last.Store(b)
	}
	c, one := b.config.Clone(), &connection{conn}
	c.VerifyConnection = func(cs tls.ConnectionState) error {
		chain := cs.PeerCertificates
		if err := v.verify(own, chain); err != nil {
			return err
		}
		v.keep(one, chain)
		return nil
	}
	return c, nil
}

// connection is what only the configuration of one connection refers to. crypto/tls keeps
// that, or a copy that grpc has made of it, as long as the connection.
type connection struct{ net.Conn }

// verify says why a client is not to be served.
func (v *server) verify(own *security.Identity, chain []*x509.Certificate) error {
	return v.peer(own, chain, x509.ExtKeyUsageClientAuth, v.allow)
}

// keep has a connection checked while it is open. A Listener knows its end. That of any
// other is not told: it is over when nobody refers to it any more.
func (v *server) keep(one *connection, chain []*x509.Certificate) {
	again := func() error {
		own, err := present(v.src, v.now())
		if err != nil {
			return err
		}
		return v.verify(own, chain)
	}
	if a, ok := one.Conn.(*aging); ok {
		a.Keep(func() error {
			if !a.until.IsZero() && v.now().After(a.until) {
				return ErrOld
			}
			return again()
		})
		return
	}
	of := weak.Make(one)
	v.live.KeepWhile(func() bool { return of.Value() != nil }, one.Conn, again)
}
