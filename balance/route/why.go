// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package route

import (
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/enmesh-go/enmesh"
)

// Mismatch is a condition of a [Match] that does not hold for a call. It holds what the
// call has there, which may be a secret: a header, a parameter.
type Mismatch struct {
	Field string `json:"field"` // as Istio names it: "uri", "headers[end-user]"
	Want  string `json:"want"`  // "prefix /v2"
	Have  string `json:"have"`  // "/v1"; "none" where there is nothing
}

// String is "uri: want prefix /v2, have /v1".
func (m Mismatch) String() string { return m.Field + ": want " + m.Want + ", have " + m.Have }

const none = "none"

// Why is the first condition, in the order that Matches asks, that does not hold for c;
// nil when Matches is true. It is for people to read and costs accordingly: what it says
// of a condition is what Matches says, since both ask the same one.
func (m *Match) Why(c *enmesh.Call) *Mismatch {
	k := m.compiled
	if k == nil {
		return &Mismatch{"match", "it to be compiled", "one that is not"}
	}
	if m.Port != 0 && m.Port != portOf(c) {
		have := none
		if p := portOf(c); p != 0 {
			have = strconv.Itoa(int(p))
		}
		return &Mismatch{"port", strconv.Itoa(int(m.Port)), have}
	}
	for _, f := range [...]struct {
		name string
		want *StringMatch
		have string
	}{
		{"method", k.method, c.Method}, {"uri", k.uri, c.Path},
		{"scheme", k.scheme, c.Scheme}, {"authority", k.authority, c.Authority},
	} {
		if !field(f.want, f.have) {
			return &Mismatch{f.name, f.want.String(), orNone(f.have)}
		}
	}
	if why := whyHeaders(k, c); why != nil {
		return why
	}
	for i := range k.query {
		if q := &k.query[i]; !q.matches(c.Query) {
			return &Mismatch{"queryParams[" + q.name + "]", q.want.String(), parameter(c.Query, q.name)}
		}
	}
	if c.Side == enmesh.Client || m.fromSource(c.Source) {
		return nil
	}
	return m.whySource(c.Source)
}

// whyHeaders is why one of the conditions on headers does not hold.
func whyHeaders(k *compiled, c *enmesh.Call) *Mismatch {
	for i := range k.headers {
		if h := &k.headers[i]; !allHeaders(k.headers[i:i+1], c) {
			return &Mismatch{"headers[" + h.name.lower + "]", h.want.String(), joined(h.values(c))}
		}
	}
	for i := range k.without {
		if h := &k.without[i]; !noHeaders(k.without[i:i+1], c) {
			return &Mismatch{"withoutHeaders[" + h.name.lower + "]", "not " + h.want.String(), joined(h.values(c))}
		}
	}
	return nil
}

// whySource is why a peer is not one that the conditions on the source are for.
func (m *Match) whySource(p *enmesh.Peer) *Mismatch {
	var namespace string
	var labels map[string]string
	if p != nil {
		namespace, labels = namespaceOf(p.Identity), p.Labels
	}
	if m.SourceNamespace != "" && m.SourceNamespace != namespace {
		return &Mismatch{"sourceNamespace", m.SourceNamespace, orNone(namespace)}
	}
	for _, key := range slices.Sorted(maps.Keys(m.SourceLabels)) {
		if got, ok := labels[key]; !ok || got != m.SourceLabels[key] {
			return &Mismatch{"sourceLabels[" + key + "]", m.SourceLabels[key], orNone(got)}
		}
	}
	return &Mismatch{"source", "a known peer", none}
}

// String is "exact x", "prefix x", "regex x" or "present".
func (m StringMatch) String() string {
	s := "present"
	switch m.Kind {
	case KindExact:
		s = "exact " + m.Value
	case KindPrefix:
		s = "prefix " + m.Value
	case KindRegex:
		s = "regex " + m.Value
	case KindPresent:
	}
	if m.IgnoreCase {
		s += " in any case"
	}
	return s
}

// joined is the values of a header as one, the way a condition sees them.
func joined(values []string) string {
	if len(values) == 0 {
		return none
	}
	return strings.Join(values, ",")
}

// parameter is the first value of a query's parameter.
func parameter(query, name string) string {
	values, _ := url.ParseQuery(query) // what is broken in it is not there
	if vs, ok := values[name]; ok {
		return vs[0]
	}
	return none
}

func orNone(s string) string {
	if s == "" {
		return none
	}
	return s
}
