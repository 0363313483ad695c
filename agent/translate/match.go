// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package translate

import (
	"maps"
	"regexp"
	"slices"
	"strings"

	routepb "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	matcherpb "github.com/envoyproxy/go-control-plane/envoy/type/matcher/v3"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/balance/route"
	"github.com/enmesh-go/enmesh/policy"
)

// maxAlternatives bounds how many routes one match becomes.
const maxAlternatives = 64

// match is the matches that together say what m does, of any of which calls are taken:
// none, if no call of the listener is. A problem says why calls that may be meant must be
// refused, since gRPC cannot tell.
func (r *routes) match(m *route.Match, origin string) (alternatives []*routepb.RouteMatch, problem string) {
	if m == nil {
		return []*routepb.RouteMatch{everything()}, ""
	}
	if !r.static(m) {
		return nil, ""
	}
	base := pathMatch(m)
	for _, name := range slices.Sorted(maps.Keys(m.Headers)) {
		if why := hidden(name); why != "" {
			r.notes.add(policy.Approximated, origin, "headers["+name+"]: "+why+": the match holds for no call")
			return nil, ""
		}
		base.Headers = append(base.Headers, headerMatch(name, m.Headers[name], false))
	}
	alternatives = []*routepb.RouteMatch{base}
	for _, name := range slices.Sorted(maps.Keys(m.WithoutHeaders)) {
		want := m.WithoutHeaders[name]
		if why := hidden(name); why != "" {
			r.notes.add(policy.Approximated, origin, "withoutHeaders["+name+"]: "+why+": it counts as missing")
			if !anyValue(want) && matchesEmpty(want) {
				return nil, ""
			}
			continue
		}
		if alternatives = without(alternatives, name, want); len(alternatives) > maxAlternatives {
			why := "withoutHeaders has too many conditions for gRPC: calls that it may be for are refused"
			r.notes.add(policy.Rejected, origin, why)
			return []*routepb.RouteMatch{base}, why
		}
	}
	return alternatives, ""
}

// static decides what is the same for all calls of a listener: method, scheme, authority,
// port, and that they have no query.
func (r *routes) static(m *route.Match) bool {
	compiled, err := route.Compile(route.Match{Method: m.Method, Scheme: m.Scheme, Authority: m.Authority, Query: m.Query, Port: m.Port})
	if err != nil {
		return false
	}
	return compiled.Matches(&enmesh.Call{
		Protocol: enmesh.GRPC, Method: "POST", Scheme: "http", Authority: r.name,
		Destination: enmesh.Destination{Service: r.service, Port: r.port},
	})
}

// pathMatch is the condition on the path.
func pathMatch(m *route.Match) *routepb.RouteMatch {
	if m.URI == nil || m.URI.Kind == route.KindPresent {
		return everything()
	}
	out := &routepb.RouteMatch{}
	switch m.URI.Kind {
	case route.KindExact:
		out.PathSpecifier = &routepb.RouteMatch_Path{Path: m.URI.Value}
	case route.KindPrefix:
		out.PathSpecifier = &routepb.RouteMatch_Prefix{Prefix: m.URI.Value}
	default:
		out.PathSpecifier = &routepb.RouteMatch_SafeRegex{SafeRegex: whole(m.URI.Value)}
	}
	if m.URI.Kind != route.KindRegex && (m.IgnoreURICase || m.URI.IgnoreCase) {
		out.CaseSensitive = wrapperspb.Bool(false)
	}
	return out
}

// hidden says why a header is not there when gRPC's clients choose a route; "": it is.
func hidden(name string) string {
	switch name = strings.ToLower(name); {
	case strings.HasPrefix(name, ":"):
		return "routes of gRPC do not see pseudo headers"
	case strings.HasSuffix(name, "-bin"):
		return "routes of gRPC do not see binary metadata"
	case name == "user-agent", name == "te", strings.HasPrefix(name, "grpc-"):
		return "routes of gRPC do not see what the protocol adds by itself"
	}
	return ""
}

// headerMatch is a condition on a header that is there; the contrary, if invert is set.
func headerMatch(name string, want route.StringMatch, invert bool) *routepb.HeaderMatcher {
	out := &routepb.HeaderMatcher{Name: strings.ToLower(name), InvertMatch: invert}
	if s := stringMatch(want); s != nil {
		out.HeaderMatchSpecifier = &routepb.HeaderMatcher_StringMatch{StringMatch: s}
	} else {
		out.HeaderMatchSpecifier = &routepb.HeaderMatcher_PresentMatch{PresentMatch: true}
	}
	return out
}

// without adds the condition that a header is not as want says. One that is missing counts
// as empty, and gRPC lets no condition but presence hold for it, whether inverted or not:
// where that makes a difference each match becomes two.
func without(alternatives []*routepb.RouteMatch, name string, want route.StringMatch) []*routepb.RouteMatch {
	absent := &routepb.HeaderMatcher{
		Name: strings.ToLower(name), InvertMatch: true,
		HeaderMatchSpecifier: &routepb.HeaderMatcher_PresentMatch{PresentMatch: true},
	}
	conditions := []*routepb.HeaderMatcher{absent}
	switch {
	case anyValue(want):
	case stringMatch(want) == nil:
		return nil // not any text, the empty one included
	default:
		conditions = []*routepb.HeaderMatcher{headerMatch(name, want, true)}
		if !matchesEmpty(want) {
			conditions = append(conditions, absent)
		}
	}
	var out []*routepb.RouteMatch
	for _, m := range alternatives {
		for _, c := range conditions {
			out = append(out, &routepb.RouteMatch{
				PathSpecifier: m.PathSpecifier, CaseSensitive: m.CaseSensitive,
				Headers: append(slices.Clone(m.Headers), c),
			})
		}
	}
	return out
}

// anyValue reports whether a condition asks for presence alone.
func anyValue(m route.StringMatch) bool {
	return m.Kind == route.KindPresent || m.Kind == route.KindRegex && m.Value == "*"
}

// matchesEmpty reports whether the empty text meets a condition.
func matchesEmpty(m route.StringMatch) bool {
	if m.Kind != route.KindRegex {
		return m.Value == ""
	}
	re, err := regexp.Compile(`\A(?:` + m.Value + `)\z`)
	return err == nil && re.MatchString("")
}

// stringMatch is a condition on text; nil: any text will do.
func stringMatch(m route.StringMatch) *matcherpb.StringMatcher {
	switch m.Kind {
	case route.KindExact:
		return exactly(m.Value, m.IgnoreCase)
	case route.KindPrefix:
		if m.Value == "" {
			return nil // gRPC refuses empty prefixes
		}
		return &matcherpb.StringMatcher{MatchPattern: &matcherpb.StringMatcher_Prefix{Prefix: m.Value}, IgnoreCase: m.IgnoreCase}
	case route.KindRegex:
		if m.Value == "*" {
			return nil
		}
		return expression(m.Value)
	}
	return nil
}

func exactly(value string, ignoreCase bool) *matcherpb.StringMatcher {
	return &matcherpb.StringMatcher{MatchPattern: &matcherpb.StringMatcher_Exact{Exact: value}, IgnoreCase: ignoreCase}
}

// expression matches whole texts.
func expression(re string) *matcherpb.StringMatcher {
	return &matcherpb.StringMatcher{MatchPattern: &matcherpb.StringMatcher_SafeRegex{SafeRegex: whole(re)}}
}

// whole is an expression for whole texts. Clients add this by themselves, but one has
// been seen to take the longest match at the leftmost place instead.
func whole(re string) *matcherpb.RegexMatcher {
	return &matcherpb.RegexMatcher{Regex: "^(?:" + re + ")$"}
}
