// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package policy

import (
	networking "istio.io/api/networking/v1alpha3"

	"github.com/enmesh-go/enmesh/balance/route"
)

// matches compiles the matches of a rule. never says that there are some, and none
// is for this process: then the rule is not, either. all is one that holds for every
// call of every process, or nil.
func (b *builder) matches(c cursor, blocks []*networking.HTTPMatchRequest) (out []*route.Match, all *route.Match, never bool) {
	for i, m := range blocks {
		at := c.item(i)
		if why := b.notHere(at, m); why.path != "" {
			continue
		}
		compiled := matchOf(at, m)
		if compiled == nil {
			continue // refused
		}
		if compiled.All() && len(m.GetSourceLabels()) == 0 && m.GetSourceNamespace() == "" {
			all = compiled
		}
		out = append(out, compiled)
	}
	return out, all, len(blocks) > 0 && len(out) == 0
}

// notHere is the field by which a match is for other processes, which is known when
// it is compiled.
func (b *builder) notHere(c cursor, m *networking.HTTPMatchRequest) cursor {
	var at cursor
	var why string
	source := func(labels map[string]string, namespace string) bool {
		return (&route.Match{SourceLabels: labels, SourceNamespace: namespace}).AppliesTo(b.Labels, b.Namespace)
	}
	switch {
	case !appliesToMesh(m.GetGateways()):
		at, why = c.field("gateways"), "for gateways only"
	case !source(m.GetSourceLabels(), ""):
		at, why = c.field("sourceLabels"), "for processes with other labels"
	case !source(nil, m.GetSourceNamespace()):
		at, why = c.field("sourceNamespace"), "for processes in another namespace"
	default:
		return cursor{}
	}
	at.note(Enforced, why+": this match holds for no call of this process")
	return at
}

// matchOf compiles one match. The conditions on the calling process are left out:
// they hold, or the match would not be compiled.
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
