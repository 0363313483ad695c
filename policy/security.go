// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"github.com/enmesh-go/enmesh/security/authz"
	"github.com/enmesh-go/enmesh/security/jwt"
	"github.com/enmesh-go/enmesh/security/mtls"
)

// Security is what documents of security.istio.io say of the calls that this process
// serves.
type Security struct {
	// Istio: such documents were loaded, for whichever workload. Then Istio's defaults
	// hold: a call that no policy is about is allowed, and mutual TLS is PERMISSIVE where
	// no PeerAuthentication says otherwise.
	Istio bool
	// Authorization is the AuthorizationPolicies for this process, in the order they go
	// before one another, which decides nothing but which of several is named.
	Authorization []authz.Policy
	// Authentication is the rules of all RequestAuthentications for this process.
	Authentication []jwt.Rule
	// Peers is the PeerAuthentication in force.
	Peers Peers
}

// Peers is the mutual TLS that callers of this process are asked for. Modes that no
// PeerAuthentication sets are left out: see [Security.Istio].
type Peers struct {
	Set    bool      // Mode is said
	Mode   mtls.Mode // of ports that are not in Ports
	Origin string    // file:line of what says it; "": nothing does

	Ports   map[uint16]mtls.Mode // not to be written
	Origins map[uint16]string    // of Ports, file:line; not to be written
}

// Of is the mode for a port of this process, what says so (file:line), and whether
// anything does.
func (p *Peers) Of(port uint16) (mode mtls.Mode, origin string, ok bool) {
	if m, has := p.Ports[port]; has {
		return m, p.Origins[port], true
	}
	return p.Mode, p.Origin, p.Set
}

// ModeOf is the mode for a port of this process that has an identity: what a
// PeerAuthentication says, else PERMISSIVE with documents of security.istio.io as in
// Istio, and STRICT without any.
func (s *Security) ModeOf(port uint16) mtls.Mode {
	switch m, _, ok := s.Peers.Of(port); {
	case ok:
		return m
	case s.Istio:
		return mtls.Permissive
	}
	return mtls.Strict
}

// Providers are the names of the providers that CUSTOM policies ask, each with the
// file:line of the first policy that does.
func (s *Security) Providers() map[string]string {
	names := map[string]string{}
	for _, p := range s.Authorization {
		if _, has := names[p.Provider]; p.Action == authz.Custom && !has {
			names[p.Provider] = p.Origin
		}
	}
	return names
}

// PlaintextToStrangers reports whether calls go in plaintext to instances that have no
// identity and for which no DestinationRule says how (automatic mutual TLS): with
// documents of security.istio.io, unless this process itself is STRICT. Else nobody is
// called whose identity is not known.
func (s *Security) PlaintextToStrangers() bool {
	return s.Istio && s.ModeOf(0) != mtls.Strict
}
