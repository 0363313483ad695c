// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package mesh

import (
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/security"
)

// AuthzQuery describes a call to this process that is not made, for [Mesh.ExplainAuthz]:
// what is asked for, and by whom. All of it may be left out.
type AuthzQuery struct {
	Protocol  enmesh.Protocol
	Authority string // the Host header or :authority
	Method    string // "" is "GET"; in gRPC it is "POST" whatever stands here
	// Path is decoded, canonical and without its query, "/package.Service/Method" in gRPC;
	// "" is "/".
	Path string
	// Header is the header, or gRPC's metadata. Names are in any case.
	Header http.Header

	// Principal is the calling workload, "spiffe://cluster.local/ns/default/sa/web"; the
	// scheme may be left out. "" is a caller without mutual TLS.
	Principal string
	Source    netip.Addr // the caller's address; the zero Addr is 127.0.0.1
	Port      uint16     // of this process, that the call comes in at; 0: none that policy names
	SNI       string     // the server name that the caller sent

	// Auth is the end user, as a valid token would say; nil: there is no token.
	Auth *enmesh.Auth
}

// check says what is wrong with the query, and how to put it right.
func (q *AuthzQuery) check() error {
	switch {
	case q.Path != "" && q.Path[0] != '/':
		return fmt.Errorf("mesh: explain authz: path %q does not begin with a slash", q.Path)
	case strings.Contains(q.Path, "?"):
		return fmt.Errorf("mesh: explain authz: path %q has a query: leave it out, policies do not look at it", q.Path)
	case q.Protocol == enmesh.GRPC && strings.Count(q.Path, "/") != 2:
		return fmt.Errorf("mesh: explain authz: path %q is no method of gRPC: write /package.Service/Method", q.Path)
	}
	if q.Principal == "" {
		return nil
	}
	if _, err := security.ParseID(q.principal()); err != nil {
		return fmt.Errorf("mesh: explain authz: principal: %w", err)
	}
	return nil
}

// principal is the caller's identity, in full.
func (q *AuthzQuery) principal() string {
	if q.Principal == "" || strings.Contains(q.Principal, "://") {
		return q.Principal
	}
	return "spiffe://" + q.Principal
}

// carrier is the call as the adapters describe it to a server's chain.
func (q *AuthzQuery) carrier() *enmesh.Carrier {
	k := &enmesh.Carrier{}
	c := &k.Call
	c.Side, c.Protocol, c.Attempt = enmesh.Server, q.Protocol, 1
	c.Method, c.Path, c.Authority, c.Scheme = q.Method, q.Path, q.Authority, "http"
	if c.Method == "" {
		c.Method = http.MethodGet
	}
	if c.Path == "" {
		c.Path = "/"
	}
	if q.Protocol == enmesh.GRPC {
		c.Method = http.MethodPost
	}
	c.Service = q.Authority
	if host, port, err := net.SplitHostPort(q.Authority); err == nil {
		c.Service = host
		if n, err := strconv.ParseUint(port, 10, 16); err == nil {
			c.Port = uint16(n)
		}
	}
	c.Header = headerOf(q.Header)
	c.Source = q.peer()
	if q.Auth != nil {
		c.SetAuth(q.Auth)
	}
	return k
}

func (q *AuthzQuery) peer() *enmesh.Peer {
	from, to := q.Source, netip.AddrFrom4([4]byte{127, 0, 0, 1})
	if !from.IsValid() {
		from = to
	}
	p := &enmesh.Peer{Addr: netip.AddrPortFrom(from, 0), Local: netip.AddrPortFrom(to, q.Port), Identity: q.principal()}
	if q.Principal != "" || q.SNI != "" {
		p.TLS = &tls.ConnectionState{Version: tls.VersionTLS13, HandshakeComplete: true, ServerName: q.SNI}
	}
	return p
}

// AuthOf is the end user "issuer/subject" with claims, for an [AuthzQuery]; those of scope
// and permission are split at spaces, as of a token. It is nil for nobody, and an error
// where there are claims and no one, or the name has no slash.
func AuthOf(principal string, claims map[string]any) (*enmesh.Auth, error) {
	slash := strings.LastIndexByte(principal, '/')
	switch {
	case principal == "" && len(claims) == 0:
		return nil, nil
	case slash <= 0 || slash == len(principal)-1:
		return nil, fmt.Errorf("mesh: explain authz: %q is no end user: write issuer/subject", principal)
	}
	a := &enmesh.Auth{
		Issuer: principal[:slash], Subject: principal[slash+1:], Claims: map[string]any{},
		Expiry: time.Now().Add(time.Hour),
	}
	a.Claims["iss"], a.Claims["sub"] = a.Issuer, a.Subject
	for name, value := range claims {
		text, ok := value.(string)
		if ok && (name == "scope" || name == "permission") {
			value = split(text)
		}
		a.Claims[name] = value
	}
	switch aud := claims["aud"].(type) {
	case string:
		a.Audiences = []string{aud}
	case []any:
		for _, one := range aud {
			if s, ok := one.(string); ok {
				a.Audiences = append(a.Audiences, s)
			}
		}
	}
	a.Presenter, _ = claims["azp"].(string)
	return a, nil
}

// split is the words of a claim.
func split(text string) []any {
	var words []any
	for word := range strings.FieldsSeq(text) {
		words = append(words, word)
	}
	return words
}
