// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package route

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/enmesh-go/enmesh"
)

// Match is what a call must be like; every condition must hold, and the zero Match
// takes every call. The meaning is that of Istio's HTTPMatchRequest:
//
//   - URI is compared with the decoded path, without the query; for gRPC that is
//     "/package.Service/Method". IgnoreURICase is for exact and prefix.
//   - Authority is the Host with its port, as the caller wrote it.
//   - Headers: names in any case; several values of a name count as one, joined with
//     commas. An empty StringMatch, or the expression "*", asks that the header is there.
//   - WithoutHeaders: the opposite. A header that is missing counts as empty, so that
//     "not exactly x" is true without it.
//   - Query: the decoded first value of a parameter. Names are case-sensitive.
//   - Port is the port of the call's destination. An HTTP call that names none has its
//     scheme's, 80 or 443; a gRPC call that names none has none.
//   - SourceLabels and SourceNamespace are about the calling workload. A client knows
//     what it is when it loads the rule: ask [Match.AppliesTo] then; Matches looks at
//     them on the server side only, where the namespace is that of the peer's identity.
//
// A Match takes effect once it is compiled; one that is not takes no call.
type Match struct {
	Name                           string // of the condition, for logs
	URI, Method, Scheme, Authority *StringMatch
	Headers, WithoutHeaders, Query map[string]StringMatch
	Port                           uint16 // 0: any
	IgnoreURICase                  bool
	SourceLabels                   map[string]string
	SourceNamespace                string // "": any

	compiled *compiled
}

// compiled is a Match in the form that Matches reads.
type compiled struct {
	uri, method, scheme, authority *StringMatch // nil: any
	headers, without               []headerMatch
	query                          []queryMatch
}

// Compile checks m and makes a Match of it that is ready for use. m itself stays as
// it is and may be changed.
func Compile(m Match) (*Match, error) {
	var problems []error
	one := func(field string, sm *StringMatch) *StringMatch {
		if sm == nil {
			return nil
		}
		copied := *sm
		if err := copied.compile(); err != nil {
			problems = append(problems, fmt.Errorf("route: %s: %w", field, err))
		}
		return &copied
	}
	c := &compiled{
		uri:       one("uri", withCase(m.URI, m.IgnoreURICase)),
		method:    one("method", m.Method),
		scheme:    one("scheme", m.Scheme),
		authority: one("authority", m.Authority),
	}
	for _, name := range names(m.Headers) {
		sm := presence(m.Headers[name])
		c.headers = append(c.headers, newHeaderMatch(name, *one("headers["+name+"]", &sm)))
	}
	for _, name := range names(m.WithoutHeaders) {
		sm := presence(m.WithoutHeaders[name])
		c.without = append(c.without, newHeaderMatch(name, *one("withoutHeaders["+name+"]", &sm)))
	}
	for _, name := range names(m.Query) {
		sm := m.Query[name]
		c.query = append(c.query, queryMatch{name, *one("queryParams["+name+"]", &sm)})
	}
	if err := errors.Join(problems...); err != nil {
		return nil, err
	}
	m.compiled = c
	return &m, nil
}

// withCase is sm, folding where the Match says so and sm can.
func withCase(sm *StringMatch, ignore bool) *StringMatch {
	if sm == nil || !ignore || sm.Kind == KindRegex {
		return sm
	}
	folded := *sm
	folded.IgnoreCase = true
	return &folded
}

// presence reads the expression "*", which RE2 does not know, as Istio does.
func presence(sm StringMatch) StringMatch {
	if sm.Kind == KindRegex && sm.Value == "*" {
		return Present()
	}
	return sm
}

// names are the keys in order, so that problems are told in order.
func names(m map[string]StringMatch) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// Matches reports whether every condition holds for c. It allocates nothing.
func (m *Match) Matches(c *enmesh.Call) bool {
	k := m.compiled
	return k != nil &&
		(m.Port == 0 || m.Port == portOf(c)) &&
		field(k.method, c.Method) &&
		field(k.uri, c.Path) &&
		field(k.scheme, c.Scheme) &&
		field(k.authority, c.Authority) &&
		allHeaders(k.headers, c) &&
		noHeaders(k.without, c) &&
		allParams(k.query, c.Query) &&
		(c.Side == enmesh.Client || m.fromSource(c.Source))
}

// All reports whether the match, which must be compiled, holds for every call of a
// client: it has no condition, but perhaps that the path begins with a slash, or on the
// source.
func (m *Match) All() bool {
	if m == nil || m.compiled == nil {
		return false
	}
	k := m.compiled
	if m.Port != 0 || k.method != nil || k.scheme != nil || k.authority != nil ||
		len(k.headers)+len(k.without)+len(k.query) > 0 {
		return false
	}
	u := k.uri
	return u == nil || u.Kind == KindPresent || u.Kind == KindPrefix && (u.Value == "" || u.Value == "/") ||
		u.Kind == KindRegex && (u.Value == ".*" || u.Value == "/.*")
}

// portOf is the port that a call goes to as far as its caller knows; 0: no idea.
func portOf(c *enmesh.Call) uint16 {
	switch {
	case c.Port != 0 || c.Protocol != enmesh.HTTP:
		return c.Port
	case c.Scheme == "http":
		return 80
	case c.Scheme == "https":
		return 443
	}
	return 0
}

// field is a condition on something that is there unless it is empty.
func field(sm *StringMatch, value string) bool {
	return sm == nil || sm.matches(value) && (sm.Kind != KindPresent || value != "")
}

// AppliesTo reports whether a workload with these labels, in this namespace, is one
// that the conditions on the source are for.
func (m *Match) AppliesTo(labels map[string]string, namespace string) bool {
	if m.SourceNamespace != "" && m.SourceNamespace != namespace {
		return false
	}
	for k, v := range m.SourceLabels {
		if got, ok := labels[k]; !ok || got != v {
			return false
		}
	}
	return true
}

// fromSource is AppliesTo for the peer of a call; of an unknown peer nothing is true.
func (m *Match) fromSource(p *enmesh.Peer) bool {
	if m.SourceNamespace == "" && len(m.SourceLabels) == 0 {
		return true
	}
	return p != nil && m.AppliesTo(p.Labels, namespaceOf(p.Identity))
}

// namespaceOf is the namespace in spiffe://<trust domain>/ns/<namespace>/sa/<account>,
// or "".
func namespaceOf(identity string) string {
	_, path, _ := strings.Cut(strings.TrimPrefix(identity, "spiffe://"), "/")
	rest, ok := strings.CutPrefix(path, "ns/")
	if !ok {
		return ""
	}
	namespace, _, ok := strings.Cut(rest, "/sa/")
	if !ok {
		return ""
	}
	return namespace
}
