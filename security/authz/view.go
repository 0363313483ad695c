// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package authz

import (
	"net/netip"
	"strings"

	"github.com/enmesh-go/enmesh"
)

// view is a call as policies see it; what takes work is worked out when first asked for,
// and once. It lives on the stack.
type view struct {
	call    *enmesh.Call
	proxies int

	knowsIdentity bool
	identity      state
	spiffe        spiffe

	knowsHost bool
	host      state
	name      string
	port      uint16

	knowsPath bool
	path      state

	knowsRemote bool
	remote      state
	remoteAddr  netip.Addr
}

// state is what is known of an attribute.
type state uint8

const (
	absent state = iota // the call has none
	known
	odd // it cannot be known, or cannot be read: an error, for which each action has its bias
)

// who is the caller's verified identity.
func (v *view) who() state {
	if v.knowsIdentity {
		return v.identity
	}
	v.knowsIdentity = true
	if source := v.call.Source; source != nil && source.Identity != "" {
		var ok bool
		if v.spiffe, ok = parseSPIFFE(source.Identity); ok {
			v.identity = known
		} else {
			v.identity = odd
		}
	}
	return v.identity
}

// at is the host that was called.
func (v *view) at() state {
	if v.knowsHost {
		return v.host
	}
	v.knowsHost = true
	if v.call.Authority != "" {
		var ok bool
		if v.name, v.port, ok = canonicalHost(v.call); ok {
			v.host = known
		} else {
			v.host = odd
		}
	}
	return v.host
}

// what is the path that was called.
func (v *view) what() state {
	if v.knowsPath {
		return v.path
	}
	v.knowsPath, v.path = true, known
	p := v.call.Path
	if p == "" || p[0] != '/' || hasNUL(p) || v.call.Protocol == enmesh.GRPC && !isMethod(p) {
		v.path = odd
	}
	return v.path
}

// isMethod reports whether a path is "/package.Service/Method" and nothing that some reader
// might take for another one.
func isMethod(p string) bool {
	service, name, ok := strings.Cut(p[1:], "/")
	return ok && isName(service) && isName(name)
}

func isName(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] >= 0x7f || strings.IndexByte(`/\%?#;`, s[i]) >= 0 {
			return false
		}
	}
	return s != "" && s != "." && s != ".."
}

// text is an attribute that is one text.
func (v *view) text(a attribute) (string, state) {
	c := v.call
	switch a {
	case principal:
		s := v.who()
		return v.spiffe.principal, s
	case trustDomain:
		s := v.who()
		return v.spiffe.trustDomain, s
	case namespace:
		s := v.who()
		if v.spiffe.twice {
			s = odd
		}
		return v.spiffe.namespace, s
	case path:
		return c.Path, v.what()
	case method:
		return textOf(c.Method)
	case presenter:
		if auth := c.Auth(); auth != nil {
			return textOf(auth.Presenter)
		}
	case sni:
		if c.Source == nil || c.Source.TLS == nil {
			return "", absent
		}
		return textOf(lower(c.Source.TLS.ServerName))
	}
	return "", absent
}

// textOf is a text that may be missing.
func textOf(s string) (string, state) {
	switch {
	case s == "":
		return "", absent
	case hasNUL(s):
		return "", odd
	}
	return s, known
}

// addr is an address of the call.
func (v *view) addr(a attribute) (netip.Addr, state) {
	source := v.call.Source
	if source == nil {
		return netip.Addr{}, odd
	}
	at := source.Addr
	switch {
	case a == destinationIP:
		at = source.Local
	case a == remoteIP && v.proxies > 0:
		return v.original(source)
	}
	if !at.IsValid() {
		return netip.Addr{}, odd
	}
	return plainAddr(at.Addr()), known
}

// original is the address of the original caller.
func (v *view) original(source *enmesh.Peer) (netip.Addr, state) {
	if v.knowsRemote {
		return v.remoteAddr, v.remote
	}
	v.knowsRemote = true
	addr, ok := forwarded(v.lines("x-forwarded-for", "X-Forwarded-For"), v.proxies)
	switch {
	case !ok:
		v.remote = odd
	case addr.IsValid():
		v.remoteAddr, v.remote = addr, known
	case !source.Addr.IsValid():
		v.remote = odd
	default:
		v.remoteAddr, v.remote = plainAddr(source.Addr.Addr()), known
	}
	return v.remoteAddr, v.remote
}

// localPort is the port that the call came in at, 0 when unknown.
func (v *view) localPort() uint16 {
	if v.call.Source == nil {
		return 0
	}
	return v.call.Source.Local.Port()
}

// lines are the values of a header. Headers know a name in any case, and in their own
// without allocating.
func (v *view) lines(name, title string) []string {
	switch {
	case v.call.Header == nil:
		return nil
	case v.call.Protocol == enmesh.GRPC:
		return v.call.Header.Values(name)
	}
	return v.call.Header.Values(title)
}
