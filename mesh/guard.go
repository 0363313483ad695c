// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package mesh

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/policy"
	"github.com/enmesh-go/enmesh/security/authz"
	"github.com/enmesh-go/enmesh/security/jwt"
	"github.com/enmesh-go/enmesh/security/mtls"
)

// guard makes of security documents what they do to the calls that this process serves.
type guard struct {
	config   securityConfig
	domain   string    // the process's trust domain; "" without identity
	keys     *jwt.Keys // of the issuers: they outlive a reload
	recorder enmesh.Recorder
}

func newGuard(cfg config, domain string, r enmesh.Recorder) (*guard, error) {
	keys, err := jwt.NewKeys(jwt.KeysConfig{Client: cfg.security.tokenClient, Log: cfg.log})
	if err != nil {
		return nil, err
	}
	return &guard{cfg.security, domain, keys, r}, nil
}

// guarded is what a snapshot of policy came to.
type guarded struct {
	said   policy.Security
	engine *authz.Engine // nil: no policy is about this process, and all is allowed
}

// middleware is what stands before everything else that policy does: who the end user is,
// then whether the call may be made.
func (g *guard) middleware(st *Store, s policy.Security) (guarded, []enmesh.Middleware, error) {
	out := guarded{said: s}
	var chain []enmesh.Middleware
	if len(s.Authentication) > 0 {
		users, err := g.users(st, s.Authentication)
		if err != nil {
			return out, nil, err
		}
		chain = append(chain, users.Middleware())
	}
	engine, err := g.engine(s)
	if err != nil {
		return out, nil, err
	}
	if out.engine = engine; engine != nil {
		chain = append(chain, enmesh.Guard(engine))
	}
	return out, chain, nil
}

// users is the Authenticator for rules. The one before goes on if they are the same, and
// so does what it remembers; the keys go on in any case.
func (g *guard) users(st *Store, rules []jwt.Rule) (*jwt.Authenticator, error) {
	key, err := json.Marshal(rules)
	if err != nil {
		return nil, err
	}
	return Keep(st, "inbound/jwt", string(key), func(string) (*jwt.Authenticator, error) {
		return jwt.New(jwt.Config{Rules: rules, Keys: g.keys, Recorder: g.recorder})
	})
}

func (g *guard) engine(s policy.Security) (*authz.Engine, error) {
	if len(s.Authorization) == 0 && g.config.defaultsTo == authz.AllowByDefault {
		return nil, nil
	}
	for provider, origin := range s.Providers() {
		if g.config.checkers[provider] == nil {
			return nil, fmt.Errorf("%s: provider %q of a CUSTOM policy is not known: open the mesh with mesh.WithAuthorizer(%q, ...)", origin, provider, provider)
		}
	}
	cfg := g.authz(s)
	cfg.Checkers, cfg.Recorder, cfg.Audit = g.config.checkers, g.recorder, g.config.audit
	return authz.New(cfg)
}

// authz is what decisions go by.
func (g *guard) authz(s policy.Security) authz.Config {
	cfg := authz.Config{
		Policies: s.Authorization, Default: g.config.defaultsTo,
		TrustedProxies: g.config.proxies, Hide: g.config.hide, TrustDomain: g.domain,
	}
	if g.domain != "" {
		cfg.Aliases = g.config.aliases
	}
	return cfg
}

// Listen makes a listener of l whose connections are as PeerAuthentication wants them at
// l's port: with mutual TLS (STRICT), with or without (PERMISSIVE: the first bytes tell),
// or without (DISABLE). A reload holds for the next connection. Of those that are open it
// closes the ones in plaintext where the port has become STRICT; one with mutual TLS goes on
// where the port has become DISABLE, until it is an hour old at most. A connection whose
// client is not believed any more is closed. Give it to a server that does no TLS of its own:
//
//	go server.Serve(m.Listen(l))
//
// Without a PeerAuthentication for this process, mutual TLS is STRICT as soon as the mesh
// has certificates, and PERMISSIVE when any document of security.istio.io is loaded, as in
// Istio. A process without certificates takes plaintext, unless a PeerAuthentication says
// STRICT: then it takes nobody.
func (m *Mesh) Listen(l net.Listener) net.Listener {
	made, err := mtls.NewListener(l, mtls.ListenerConfig{
		Source:  m.cfg.certificates,
		Options: m.cfg.serverTLSOptions(),
		Mode:    m.modeOf,
		Refused: func(remote net.Addr, err error) {
			m.cfg.log.Debug("connection refused", "remote", remote.String(), "error", err)
		},
		Closed: func(remote net.Addr, err error) {
			m.cfg.log.Info("connection closed", "remote", remote.String(), "error", err)
		},
	})
	if err != nil {
		return refusing{l, errors.Join(errors.New("mesh: listening"), err)}
	}
	return made
}

// refusing is a listener that cannot be had.
type refusing struct {
	net.Listener
	err error
}

func (r refusing) Accept() (net.Conn, error) { return nil, r.err }

// modeOf is the mutual TLS that is wanted at a port of this process now.
func (m *Mesh) modeOf(port uint16) mtls.Mode {
	s := &m.served.current.Load().guarded.said
	if m.cfg.certificates != nil {
		return s.ModeOf(port)
	}
	if mode, _, said := s.Peers.Of(port); said && mode == mtls.Strict {
		return mtls.Strict
	}
	return mtls.Disable
}
