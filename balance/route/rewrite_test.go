// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package route_test

import (
	"context"
	"strings"
	"testing"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/balance/route"
	"github.com/enmesh-go/enmesh/enmeshtest"
)

// rewritten is the call that comes through a Rewrite.
func rewritten(t testing.TB, r route.Rewrite, m *route.Match, c *enmesh.Call) *enmesh.Call {
	t.Helper()
	mw, err := r.Middleware(m)
	if err != nil {
		t.Fatal(err)
	}
	_ = enmesh.Chain(mw)(func(context.Context, *enmesh.Call) error { return nil })(t.Context(), c)
	return c
}

func uri(sm route.StringMatch) route.Match { return route.Match{URI: &sm} }

func TestRewrite_path(t *testing.T) {
	folded := uri(route.Prefix("/OLD"))
	folded.IgnoreURICase = true
	for _, tt := range []struct {
		name       string
		rewrite    route.Rewrite
		match      route.Match
		path, want string
	}{
		{"prefix", route.Rewrite{URI: "/new"}, uri(route.Prefix("/old")), "/old/x", "/new/x"},
		{"prefix to the root leaves a double slash, as Envoy does", route.Rewrite{URI: "/"}, uri(route.Prefix("/old")), "/old/x", "//x"},
		{"prefix with its slash", route.Rewrite{URI: "/"}, uri(route.Prefix("/old/")), "/old/x", "/x"},
		{"prefix of characters", route.Rewrite{URI: "/new"}, uri(route.Prefix("/old")), "/older", "/newer"},
		{"prefix in another case", route.Rewrite{URI: "/new"}, folded, "/old/x", "/new/x"},
		{"exact", route.Rewrite{URI: "/new"}, uri(route.Exact("/old")), "/old", "/new"},
		{"regex", route.Rewrite{URI: "/new"}, uri(route.Regex("/o.*")), "/old/x", "/new"},
		{"no condition is the prefix /", route.Rewrite{URI: "/new"}, route.Match{}, "/old", "/newold"},
		{"presence is the prefix /", route.Rewrite{URI: "/new/"}, uri(route.Present()), "/old", "/new/old"},
		{"a slash is put in front", route.Rewrite{URI: "new"}, uri(route.Exact("/old")), "/old", "/new"},
		{"escapes are what they stand for", route.Rewrite{URI: "/a%20b"}, uri(route.Exact("/old")), "/old", "/a b"},
		{"broken escapes stand for themselves", route.Rewrite{URI: "/100%"}, uri(route.Exact("/old")), "/old", "/100%"},
		{"groups", route.Rewrite{Regex: "^/service/([^/]+)(/.*)$", Substitution: `\2/instance/\1`}, route.Match{}, "/service/foo/v1/api", "/v1/api/instance/foo"},
		{"all of the match", route.Rewrite{Regex: "b+", Substitution: `<\0>`}, route.Match{}, "/abbab", "/a<bb>a<b>"},
		{"every match", route.Rewrite{Regex: "one", Substitution: "two"}, route.Match{}, "/xxx/one/yyy/one/zzz", "/xxx/two/yyy/two/zzz"},
		{"case in the expression", route.Rewrite{Regex: "(?i)/xxx/", Substitution: "/yyy/"}, route.Match{}, "/aaa/XxX/bbb", "/aaa/yyy/bbb"},
		{"no match", route.Rewrite{Regex: "x", Substitution: "y"}, route.Match{}, "/ab", "/ab"},
		{"a dollar is no group", route.Rewrite{Regex: "(a)", Substitution: "$1${1}"}, route.Match{}, "/a", "/$1${1}"},
		{"a backslash", route.Rewrite{Regex: "a", Substitution: `\\`}, route.Match{}, "/a", `/\`},
		{"a digit after a group", route.Rewrite{Regex: "(a)", Substitution: `\10`}, route.Match{}, "/a", "/a0"},
		{"a group that took no part", route.Rewrite{Regex: "(a)|(b)", Substitution: `[\1\2]`}, route.Match{}, "/ab", "/[a][b]"},
		{"nothing left", route.Rewrite{Regex: ".*", Substitution: "x"}, route.Match{}, "/ab", "/x"},
	} {
		m := mustCompile(t, tt.match)
		for protocol, c := range calls("GET", tt.path) {
			if got := rewritten(t, tt.rewrite, m, c).Path; got != tt.want {
				t.Errorf("%s over %s: %q, want %q", tt.name, protocol, got, tt.want)
			}
		}
	}
}

func TestRewrite_withoutAMatch(t *testing.T) {
	for _, c := range calls("GET", "/x") {
		got := rewritten(t, route.Rewrite{URI: "/v1/", Authority: "other:80"}, nil, c)
		if got.Path != "/v1/x" || got.Authority != "other:80" {
			t.Errorf("path %q of %q, want /v1/x of other:80", got.Path, got.Authority)
		}
	}
	if mw, err := (route.Rewrite{}).Middleware(nil); mw != nil || err != nil {
		t.Errorf("the zero Rewrite has a middleware or the error %v", err)
	}
}

func TestRewrite_refuses(t *testing.T) {
	for _, r := range []route.Rewrite{
		{URI: "/a", Regex: "b"},
		{Regex: "("},
		{Regex: strings.Repeat("a", 1025)},
		{Regex: "a", Substitution: `\1`},
		{Regex: "a", Substitution: `\x`},
		{Regex: "a", Substitution: `\`},
	} {
		if _, err := r.Middleware(nil); err == nil || !strings.HasPrefix(err.Error(), "route: rewrite: ") {
			t.Errorf("%+v: error %v, want it refused", r, err)
		}
	}
}

func TestRewrite_conform(t *testing.T) {
	enmeshtest.TestMiddleware(t, func() enmesh.Middleware {
		mw, err := route.Rewrite{URI: "/v1/"}.Middleware(nil)
		if err != nil {
			t.Fatal(err)
		}
		return mw
	})
}
