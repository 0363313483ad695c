// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package route_test

import (
	"testing"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/balance/route"
)

func TestMatch_Why(t *testing.T) {
	condition := func(sm route.StringMatch) *route.StringMatch { return &sm }
	one := func(name string, sm route.StringMatch) map[string]route.StringMatch {
		return map[string]route.StringMatch{name: sm}
	}
	for _, tt := range []struct {
		match route.Match
		want  string
	}{
		{route.Match{}, ""},
		{route.Match{URI: condition(route.Prefix("/v1"))}, ""},
		{route.Match{URI: condition(route.Prefix("/v2"))}, "uri: want prefix /v2, have /v1/x"},
		{route.Match{URI: condition(route.Exact("/V2")), IgnoreURICase: true}, "uri: want exact /V2 in any case, have /v1/x"},
		{route.Match{URI: condition(route.Regex("/v[2-3].*"))}, "uri: want regex /v[2-3].*, have /v1/x"},
		{route.Match{Method: condition(route.Exact("PUT")), URI: condition(route.Exact("/"))}, "method: want exact PUT, have GET"},
		{route.Match{Authority: condition(route.Exact("a"))}, "authority: want exact a, have none"},
		{route.Match{Port: 81}, "port: want 81, have none"},
		{route.Match{Headers: one("End-User", route.Exact("ann"))}, "headers[end-user]: want exact ann, have jason"},
		{route.Match{Headers: one("cookie", route.Present())}, "headers[cookie]: want present, have none"},
		{route.Match{WithoutHeaders: one("end-user", route.Present())}, "withoutHeaders[end-user]: want not present, have jason"},
		{route.Match{Query: one("q", route.Exact("b"))}, "queryParams[q]: want exact b, have a b"},
		{route.Match{Query: one("p", route.Exact("b"))}, "queryParams[p]: want exact b, have none"},
	} {
		for protocol, c := range calls("GET", "/v1/x", "end-user", "jason") {
			c.Query = "q=a+b&q=b"
			got := ""
			if why := mustCompile(t, tt.match).Why(c); why != nil {
				got = why.String()
			}
			if got != tt.want {
				t.Errorf("%s: got %q, want %q", protocol, got, tt.want)
			}
		}
	}
	if why := new(route.Match).Why(&enmesh.Call{}); why == nil {
		t.Error("a match that is not compiled takes no call, and Why says nothing")
	}
	served := &enmesh.Call{Side: enmesh.Server, Source: &enmesh.Peer{Identity: "spiffe://d/ns/shop/sa/x", Labels: map[string]string{"app": "a"}}}
	for want, m := range map[string]route.Match{
		"sourceNamespace: want other, have shop": {SourceNamespace: "other"},
		"sourceLabels[app]: want b, have a":      {SourceLabels: map[string]string{"app": "b"}},
	} {
		if why := mustCompile(t, m).Why(served); why == nil || why.String() != want {
			t.Errorf("got %q, want %q", why, want)
		}
	}
}
