// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package route_test

import (
	"strings"
	"testing"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/balance/route"
)

func TestStringMatch(t *testing.T) {
	for _, tc := range []struct {
		name  string
		match route.StringMatch
		yes   []string
		no    []string
	}{
		{"exact", route.Exact("/a"), []string{"/a"}, []string{"", "/", "/A", "/a/", "/ab"}},
		{"exact, any case", folding(route.Exact("/Ab")), []string{"/ab", "/AB"}, []string{"/a", "/abc", "/a\u0131"}},
		{"prefix", route.Prefix("/api"), []string{"/api", "/api/x", "/apix"}, []string{"", "/ap", "/API", "x/api"}},
		{"prefix, any case", folding(route.Prefix("/API")), []string{"/api/x", "/ApI"}, []string{"/ap"}},
		{"empty prefix", route.Prefix(""), []string{"", "/"}, nil},
		{"regex is of the whole", route.Regex("/a+"), []string{"/a", "/aaa"}, []string{"/", "/ab", "x/a", "/a\n", "\n/a"}},
		{"regex alternatives are grouped", route.Regex("/a|/b"), []string{"/a", "/b"}, []string{"/ax", "x/b"}},
		{"regex with its own anchors", route.Regex("^/a$"), []string{"/a"}, []string{"/a/"}},
		{"regex with flags", route.Regex("(?i)/a"), []string{"/A"}, []string{"/ab"}},
		{"regex of many lines stays anchored", route.Regex("(?m)^/a$"), []string{"/a"}, []string{"/a\n/b"}},
		{"present", route.Present(), []string{"/", "x"}, []string{""}},
		{"letters that fold to ASCII are others", folding(route.Exact("/k")), []string{"/K"}, []string{"/\u212a"}},
	} {
		m := mustCompile(t, route.Match{URI: &tc.match})
		for want, paths := range map[bool][]string{true: tc.yes, false: tc.no} {
			for _, path := range paths {
				if got := m.Matches(&enmesh.Call{Path: path}); got != want {
					t.Errorf("%s: %q: %t, want %t", tc.name, path, got, want)
				}
			}
		}
	}
}

func TestCompile_refuses(t *testing.T) {
	regex := func(s string) *route.StringMatch { m := route.Regex(s); return &m }
	for _, tc := range []struct {
		name string
		m    route.Match
		want string
	}{
		{"a bad expression", route.Match{URI: regex("(")}, "route: uri: "},
		{"one that leaves its group", route.Match{URI: regex("a)|(b")}, "route: uri: "},
		{"a long one", route.Match{Method: regex(strings.Repeat("a", 1025))}, "route: method: the regular expression has 1025 bytes, at most 1024"},
		{"what RE2 does not know", route.Match{Headers: map[string]route.StringMatch{"x": *regex("(?=a)")}}, "route: headers[x]: "},
		{"no presence by * in a query", route.Match{Query: map[string]route.StringMatch{"q": *regex("*")}}, "route: queryParams[q]: "},
		{"a folded expression", route.Match{Scheme: &route.StringMatch{Kind: route.KindRegex, Value: "a", IgnoreCase: true}}, "route: scheme: "},
		{"an unknown kind", route.Match{Authority: &route.StringMatch{Kind: 9}}, "route: authority: kind 9"},
	} {
		m, err := route.Compile(tc.m)
		if m != nil || err == nil || !strings.HasPrefix(err.Error(), tc.want) {
			t.Errorf("%s: %v, want an error that begins with %q", tc.name, err, tc.want)
		}
	}
	_, err := route.Compile(route.Match{URI: regex("("), WithoutHeaders: map[string]route.StringMatch{"a": *regex("("), "b": *regex("(")}})
	if n := strings.Count(err.Error(), "route: "); n != 3 {
		t.Errorf("problems told = %d, want all 3: %v", n, err)
	}
	if _, err := route.Compile(route.Match{URI: regex(strings.Repeat("a", 1024))}); err != nil {
		t.Errorf("an expression of 1024 bytes: %v", err)
	}
}

func TestMatch_headers(t *testing.T) {
	type hm = map[string]route.StringMatch
	for _, tc := range []struct {
		name   string
		m      route.Match
		header []string
		want   bool
	}{
		{"exact", route.Match{Headers: hm{"end-user": route.Exact("jason")}}, []string{"end-user", "jason"}, true},
		{"another value", route.Match{Headers: hm{"end-user": route.Exact("jason")}}, []string{"end-user", "Jason"}, false},
		{"missing", route.Match{Headers: hm{"end-user": route.Exact("jason")}}, nil, false},
		{"missing, for what matches all", route.Match{Headers: hm{"end-user": route.Regex(".*")}}, nil, false},
		{"the rule's name in another case", route.Match{Headers: hm{"END-User": route.Exact("jason")}}, []string{"end-user", "jason"}, true},
		{"the call's name in another case", route.Match{Headers: hm{"end-user": route.Exact("jason")}}, []string{"End-USER", "jason"}, true},
		{"presence", route.Match{Headers: hm{"end-user": {}}}, []string{"end-user", "x"}, true},
		{"presence of an empty one", route.Match{Headers: hm{"end-user": {}}}, []string{"end-user", ""}, true},
		{"presence of two", route.Match{Headers: hm{"end-user": {}}}, []string{"end-user", "x", "end-user", "y"}, true},
		{"presence of a missing one", route.Match{Headers: hm{"end-user": {}}}, []string{"x", "y"}, false},
		{"presence by *", route.Match{Headers: hm{"end-user": route.Regex("*")}}, []string{"end-user", "x"}, true},
		{"no presence by *", route.Match{Headers: hm{"end-user": route.Regex("*")}}, nil, false},
		{"two values are one", route.Match{Headers: hm{"a": route.Exact("x,y")}}, []string{"a", "x", "a", "y"}, true},
		{"one of two values", route.Match{Headers: hm{"a": route.Exact("x")}}, []string{"a", "x", "a", "y"}, false},
		{"prefix of two values", route.Match{Headers: hm{"a": route.Prefix("x,")}}, []string{"a", "x", "a", "y"}, true},
		{"regex of two values", route.Match{Headers: hm{"a": route.Regex("x.y")}}, []string{"a", "x", "a", "y"}, true},
		{"both hold", route.Match{Headers: hm{"a": route.Exact("1"), "b": route.Exact("2")}}, []string{"a", "1", "b", "2"}, true},
		{"one of two holds", route.Match{Headers: hm{"a": route.Exact("1"), "b": route.Exact("2")}}, []string{"a", "1", "b", "3"}, false},

		{"without, other value", route.Match{WithoutHeaders: hm{"a": route.Exact("1")}}, []string{"a", "2"}, true},
		{"without, the value", route.Match{WithoutHeaders: hm{"a": route.Exact("1")}}, []string{"a", "1"}, false},
		{"without, missing", route.Match{WithoutHeaders: hm{"a": route.Exact("1")}}, nil, true},
		{"without presence, missing", route.Match{WithoutHeaders: hm{"a": {}}}, nil, true},
		{"without presence, there", route.Match{WithoutHeaders: hm{"a": {}}}, []string{"a", ""}, false},
		{"without what matches the empty, missing", route.Match{WithoutHeaders: hm{"a": route.Regex(".*")}}, nil, false},
		{"without, joined", route.Match{WithoutHeaders: hm{"a": route.Exact("1")}}, []string{"a", "1", "a", "1"}, true},
	} {
		m := mustCompile(t, tc.m)
		for protocol, c := range calls("GET", "/", tc.header...) {
			if got := m.Matches(c); got != tc.want {
				t.Errorf("%s over %s: %t, want %t", tc.name, protocol, got, tc.want)
			}
		}
	}
	if mustCompile(t, route.Match{Headers: hm{"a": {}}}).Matches(&enmesh.Call{}) {
		t.Error("a call without headers has header a")
	}
}

func TestMatch_query(t *testing.T) {
	for _, tc := range []struct {
		match route.StringMatch
		query string
		want  bool
	}{
		{route.Exact("1"), "q=1", true},
		{route.Exact("1"), "a=2&q=1&b=3", true},
		{route.Exact("1"), "q=2&q=1", false},
		{route.Exact("1"), "Q=1", false},
		{route.Exact("1"), "", false},
		{route.Exact("1"), "qq=1", false},
		{route.Exact("a b"), "q=a+b", true},
		{route.Exact("a b"), "q=a%20b", true},
		{route.Exact("a b"), "%71=a%20b", true},
		{route.Exact("a%2"), "q=a%2", false},
		{route.Exact("1"), "q=%zz&q=1", true},
		{route.Exact("1"), "q=0;x&q=1", true},
		{route.Exact("ä"), "q=%C3%a4", true},
		{route.Prefix("ab"), "q=%61bc", true},
		{route.Regex("[0-9]+"), "q=12", true},
		{route.Regex("[0-9]+"), "q=1%32x", false},
		{route.Present(), "q", true},
		{route.Present(), "q=", true},
		{route.Present(), "p", false},
	} {
		m := mustCompile(t, route.Match{Query: map[string]route.StringMatch{"q": tc.match}})
		if got := m.Matches(&enmesh.Call{Query: tc.query}); got != tc.want {
			t.Errorf("%v on %q: %t, want %t", tc.match, tc.query, got, tc.want)
		}
	}
}

func TestMatch_fields(t *testing.T) {
	exact := func(s string) *route.StringMatch { m := route.Exact(s); return &m }
	get := &enmesh.Call{Method: "GET", Scheme: "http", Authority: "reviews:9080", Path: "/x"}
	get.Port = 9080
	fromShop := &enmesh.Call{Side: enmesh.Server, Source: &enmesh.Peer{
		Identity: "spiffe://cluster.local/ns/shop/sa/web", Labels: map[string]string{"app": "web"},
	}}
	for _, tc := range []struct {
		name string
		m    route.Match
		c    *enmesh.Call
		want bool
	}{
		{"no conditions", route.Match{}, get, true},
		{"method", route.Match{Method: exact("GET")}, get, true},
		{"another method", route.Match{Method: exact("get")}, get, false},
		{"scheme", route.Match{Scheme: exact("https")}, get, false},
		{"authority", route.Match{Authority: exact("reviews:9080")}, get, true},
		{"port", route.Match{Port: 9080}, get, true},
		{"another port", route.Match{Port: 80}, get, false},
		{"the port of the scheme", route.Match{Port: 443}, &enmesh.Call{Scheme: "https"}, true},
		{"not the port of another scheme", route.Match{Port: 80}, &enmesh.Call{Scheme: "https"}, false},
		{"gRPC's scheme has no port", route.Match{Port: 80}, &enmesh.Call{Scheme: "http", Protocol: enmesh.GRPC}, false},
		{"a port where the call names none", route.Match{Port: 80}, &enmesh.Call{}, false},
		{"URI in any case", route.Match{URI: exact("/X"), IgnoreURICase: true}, get, true},
		{"expressions keep their case", route.Match{URI: &route.StringMatch{Kind: route.KindRegex, Value: "/X"}, IgnoreURICase: true}, get, false},
		{"a source is not asked for on the client", route.Match{SourceNamespace: "shop"}, get, true},
		{"source namespace", route.Match{SourceNamespace: "shop"}, fromShop, true},
		{"another source namespace", route.Match{SourceNamespace: "sho"}, fromShop, false},
		{"source labels", route.Match{SourceLabels: map[string]string{"app": "web"}}, fromShop, true},
		{"other source labels", route.Match{SourceLabels: map[string]string{"app": "web", "v": ""}}, fromShop, false},
		{"an unknown source", route.Match{SourceNamespace: "shop"}, &enmesh.Call{Side: enmesh.Server}, false},
		{"an unverified source", route.Match{SourceNamespace: "shop"}, &enmesh.Call{Side: enmesh.Server, Source: &enmesh.Peer{}}, false},
		{"a foreign identity", route.Match{SourceNamespace: "shop"}, &enmesh.Call{Side: enmesh.Server, Source: &enmesh.Peer{Identity: "spiffe://x/ns/shop"}}, false},
	} {
		if got := mustCompile(t, tc.m).Matches(tc.c); got != tc.want {
			t.Errorf("%s: %t, want %t", tc.name, got, tc.want)
		}
	}
	if new(route.Match).Matches(get) {
		t.Error("a Match that was not compiled takes calls")
	}
	m := mustCompile(t, route.Match{SourceNamespace: "shop", SourceLabels: map[string]string{"app": "web"}})
	if !m.AppliesTo(map[string]string{"app": "web", "x": "y"}, "shop") || m.AppliesTo(nil, "shop") || m.AppliesTo(map[string]string{"app": "web"}, "") {
		t.Error("AppliesTo does not tell the workloads apart")
	}
}

// full has a condition of every sort, all of which hold for the calls of fullCalls.
var full = route.Match{
	URI: ptr(route.Regex("/api/v[12]/.*")), Method: ptr(route.Exact("POST")), Scheme: ptr(route.Exact("http")),
	Authority: ptr(route.Prefix("Reviews")),
	Headers: map[string]route.StringMatch{
		"end-user": route.Exact("jason"), "x-many": route.Regex("a,b+"), "x-there": {},
	},
	WithoutHeaders: map[string]route.StringMatch{"x-canary": route.Exact("never"), "x-not": {}},
	Query:          map[string]route.StringMatch{"page": route.Regex("[0-9]+"), "q": route.Exact("a b")},
}

func ptr(m route.StringMatch) *route.StringMatch { return &m }

func fullCalls() map[string]*enmesh.Call {
	cs := calls("POST", "/api/v1/reviews", "end-user", "jason", "x-many", "a", "x-many", "bb", "x-there", "1")
	for _, c := range cs {
		c.Scheme, c.Authority, c.Query = "http", "Reviews:9080", "x=1&q=a%20b&page=12"
	}
	return cs
}

func TestMatch_allocatesNothing(t *testing.T) {
	m := mustCompile(t, full)
	for protocol, c := range fullCalls() {
		if !m.Matches(c) {
			t.Errorf("%s: does not match", protocol)
		}
		if got := testing.AllocsPerRun(1000, func() { m.Matches(c) }); got != 0 && !raced {
			t.Errorf("%s: Matches allocates %v times, want 0", protocol, got)
		}
	}
}

func BenchmarkMatches(b *testing.B) {
	simple := mustCompile(b, route.Match{
		URI: ptr(route.Prefix("/api")), Headers: map[string]route.StringMatch{"end-user": route.Exact("jason")},
	})
	every := mustCompile(b, full)
	for protocol, c := range fullCalls() {
		b.Run("prefix and header/"+protocol, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				simple.Matches(c)
			}
		})
		b.Run("everything/"+protocol, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				every.Matches(c)
			}
		})
	}
}
