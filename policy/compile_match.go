// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"cmp"

	networking "istio.io/api/networking/v1alpha3"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/balance/route"
)

// found is the matches of a rule, compiled.
type found struct {
	out  []*route.Match
	of   []int        // the number of each, as the rule has them
	all  *route.Match // one that holds for every call of every process, or nil
	left []leftOut    // those that are for other processes
}

// leftOut is a match that is for no call of this process.
type leftOut struct {
	at        int
	name, why string
}

// never says that there are matches, and none is for this process: then the rule is not,
// either.
func (f *found) never() bool { return len(f.out) == 0 && f.of != nil }

// matches compiles the matches of a rule.
func (b *builder) matches(c cursor, blocks []*networking.HTTPMatchRequest) found {
	var f found
	for i, m := range blocks {
		if f.of == nil {
			f.of = []int{}
		}
		at := c.item(i)
		if field, why := b.notHere(at, m); why != "" {
			field.note(Enforced, why+": this match holds for no call of this process")
			f.left = append(f.left, leftOut{i, m.GetName(), cmp.Or(b.source(m), field.name()+": "+why)})
			continue
		}
		compiled := matchOf(at, m)
		if compiled == nil {
			continue // refused
		}
		if compiled.All() && len(m.GetSourceLabels()) == 0 && m.GetSourceNamespace() == "" {
			f.all = compiled
		}
		f.out, f.of = append(f.out, compiled), append(f.of, i)
	}
	return f
}

// notHere is the field by which a match is for other processes, which is known when
// it is compiled, and why it is; "": it is not.
func (b *builder) notHere(c cursor, m *networking.HTTPMatchRequest) (at cursor, why string) {
	source := func(labels map[string]string, namespace string) bool {
		return (&route.Match{SourceLabels: labels, SourceNamespace: namespace}).AppliesTo(b.Labels, b.Namespace)
	}
	switch {
	case !appliesToMesh(m.GetGateways()):
		return c.field("gateways"), "for gateways only"
	case !source(m.GetSourceLabels(), ""):
		return c.field("sourceLabels"), "for processes with other labels"
	case !source(nil, m.GetSourceNamespace()):
		return c.field("sourceNamespace"), "for processes in another namespace"
	}
	return cursor{}, ""
}

// source is the condition on the calling process that does not hold for this one: what a
// server would say of it as a caller; "": there is none.
func (b *builder) source(m *networking.HTTPMatchRequest) string {
	match, err := route.Compile(route.Match{SourceLabels: m.GetSourceLabels(), SourceNamespace: m.GetSourceNamespace()})
	if err != nil {
		return ""
	}
	self := &enmesh.Peer{Labels: b.Labels, Identity: "spiffe://self/ns/" + b.Namespace + "/sa/self"}
	if why := match.Why(&enmesh.Call{Side: enmesh.Server, Source: self}); why != nil {
		return why.String()
	}
	return ""
}

// matchOf compiles one match. The conditions on the calling process are looked at again on
// servers only: on clients they hold, or the match would not be compiled.
func matchOf(c cursor, m *networking.HTTPMatchRequest) *route.Match {
	out, err := route.Compile(pseudo(c.field("headers"), route.Match{
		Name:           m.GetName(),
		URI:            optional(m.GetUri()),
		Method:         optional(m.GetMethod()),
		Scheme:         optional(m.GetScheme()),
		Authority:      optional(m.GetAuthority()),
		Headers:        stringMatches(m.GetHeaders()),
		WithoutHeaders: stringMatches(m.GetWithoutHeaders()),
		Query:          stringMatches(m.GetQueryParams()),
		Port:           uint16(m.GetPort()),
		IgnoreURICase:  m.GetIgnoreUriCase(),

		SourceLabels:    m.GetSourceLabels(),
		SourceNamespace: m.GetSourceNamespace(),
	}))
	if err != nil {
		c.refuse("%v: correct it", err)
	}
	return out
}

// pseudo makes conditions on the fields of a call of those on HTTP/2's pseudo
// headers, and leaves out the names that Istio documents as ignored.
func pseudo(c cursor, m route.Match) route.Match {
	fields := map[string]**route.StringMatch{":path": &m.URI, ":method": &m.Method, ":scheme": &m.Scheme, ":authority": &m.Authority}
	for name, want := range m.Headers {
		field, ok := fields[name]
		switch name {
		case ":path":
			c.entry(name).note(Approximated, "compared with the path without its query")
		case "uri", "scheme", "method", "authority":
			c.entry(name).note(Ignored, "Istio ignores this name here: use the field "+name+" beside headers")
		}
		if ok && want.Kind != route.KindPresent { // each is always there
			*field = &want
		}
		if _, ignored := fields[":"+name]; ok || ignored || name == "uri" {
			m.Headers = without(m.Headers, name)
		}
	}
	return m
}

// optional compiles a match of an attribute that every call has: an empty one holds
// for all.
func optional(m *networking.StringMatch) *route.StringMatch {
	if m.GetMatchType() == nil {
		return nil
	}
	out := stringMatch(m)
	return &out
}

func stringMatches(in map[string]*networking.StringMatch) map[string]route.StringMatch {
	if len(in) == 0 {
		return nil
	}
	out := make(map[string]route.StringMatch, len(in))
	for key, m := range in {
		out[key] = stringMatch(m)
	}
	return out
}

// stringMatch compiles a match of text. An empty one, and Istio's regex "*", hold
// for any value that is there.
func stringMatch(m *networking.StringMatch) route.StringMatch {
	switch t := m.GetMatchType().(type) {
	case *networking.StringMatch_Exact:
		return route.Exact(t.Exact)
	case *networking.StringMatch_Prefix:
		return route.Prefix(t.Prefix)
	case *networking.StringMatch_Regex:
		if t.Regex != "*" {
			return route.Regex(t.Regex)
		}
	}
	return route.Present()
}
