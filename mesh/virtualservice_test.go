// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package mesh_test

import (
	"strings"
	"testing"
)

// forReviews is a VirtualService for reviews with these rules, in flow style.
func forReviews(http string) string {
	return "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: reviews}\n" +
		"spec: {hosts: [reviews], http: [" + http + "]}\n---\n"
}

const toReviews = "route: [{destination: {host: reviews, subset: v1}}]"

// Each row is one of Istio's fields, and what callers over HTTP and over gRPC see of
// it; "" is not called. The answer of a service is its name, and the path and authority
// that it was asked by.
func TestVirtualService_actions(t *testing.T) {
	s := newStreet(t, "reviews", "ratings")
	for _, tt := range []struct {
		name, rule string
		call       request
		web, rpc   string
	}{
		{"rewrite of a prefix", "match: [{uri: {prefix: /old/}}], rewrite: {uri: /new/}, " + toReviews,
			request{target: "/old/a?b=c"}, "200 reviews v1 /new/a?b=c reviews", ""},
		{"rewrite of a gRPC service", "match: [{uri: {prefix: /shop.v1.Reviews/}}], rewrite: {uri: /shop.v2.Reviews/}, " + toReviews,
			request{target: "/shop.v1.Reviews/Get"}, "200 reviews v1 /shop.v2.Reviews/Get reviews", "OK reviews v1 /shop.v2.Reviews/Get reviews"},
		{"rewrite of a whole path", "match: [{uri: {exact: /a/b}}], rewrite: {uri: /c/d}, " + toReviews,
			request{target: "/a/b?x"}, "200 reviews v1 /c/d?x reviews", "OK reviews v1 /c/d reviews"},
		{"rewrite after an expression", "match: [{uri: {regex: '/a.*'}}], rewrite: {uri: /c/d}, " + toReviews,
			request{target: "/abc"}, "200 reviews v1 /c/d reviews", "OK reviews v1 /c/d reviews"},
		{"rewrite without a match", "rewrite: {uri: /v1/}, " + toReviews,
			request{target: "/x/y"}, "200 reviews v1 /v1/x/y reviews", "OK reviews v1 /v1/x/y reviews"},
		{"rewrite by an expression", `match: [{uri: {prefix: /service/}}], rewrite: {uriRegexRewrite: {match: "^/service/([^/]+)(/.*)$", rewrite: '\2/instance/\1'}}, ` + toReviews,
			request{target: "/service/foo/v1/api?q=1"}, "200 reviews v1 /v1/api/instance/foo?q=1 reviews", "OK reviews v1 /v1/api/instance/foo reviews"},
		{"rewrite of the authority", "rewrite: {authority: 'other:80'}, " + toReviews,
			request{target: "/a/b"}, "200 reviews v1 /a/b other:80", "OK reviews v1 /a/b other:80"},
		{"rewrite by the match that holds", "match: [{uri: {prefix: /a/}}, {uri: {prefix: /bb/}}], rewrite: {uri: /}, " + toReviews,
			request{target: "/bb/c/d"}, "200 reviews v1 /c/d reviews", "OK reviews v1 /c/d reviews"},

		{"rewrite keeps what it leaves", "match: [{uri: {prefix: /old/}}], rewrite: {uri: /n w/}, " + toReviews,
			request{target: "/old/a%2Fb%20c"}, "200 reviews v1 /n%20w/a%2Fb%20c reviews", ""},
		{"redirect keeps what it leaves", "match: [{uri: {prefix: /old/}}], redirect: {prefixRewrite: /new/}",
			request{target: "/old/a%2Fb"}, "301 http://reviews/new/a%2Fb", ""},
		{"redirect of the path", "redirect: {uri: /new}", request{target: "/old/x?q=1"}, "301 http://reviews/new?q=1", "Unknown route: redirect to http://reviews/new, which gRPC does not follow"},
		{"redirect of the prefix", "match: [{uri: {prefix: /old}}], redirect: {prefixRewrite: /new, redirectCode: 308}",
			request{target: "/old/x?q=1"}, "308 http://reviews/new/x?q=1", "Unknown route: redirect to http://reviews/new/x, which gRPC does not follow"},
		{"redirect of the authority", "redirect: {authority: example.com, redirectCode: 302}", request{target: "/x"}, "302 http://example.com/x", ""},
		{"redirect to a port", "redirect: {port: 8080, redirectCode: 303}", request{target: "/x", host: "reviews:9080"}, "303 http://reviews:8080/x", ""},
		{"redirect to the default port", "redirect: {port: 443, scheme: https}", request{target: "/x", host: "reviews:9080"}, "301 https://reviews/x", ""},
		{"redirect by protocol's port", "redirect: {derivePort: FROM_PROTOCOL_DEFAULT, authority: 'other:81'}", request{target: "/x"}, "301 http://other/x", ""},
		{"redirect by request's port", "redirect: {derivePort: FROM_REQUEST_PORT, authority: other}", request{target: "/x", host: "reviews:9080"}, "301 http://other:9080/x", ""},
		{"redirect of the scheme", "redirect: {scheme: https, redirectCode: 307}", request{target: "/x", host: "reviews:80"}, "307 https://reviews/x", ""},
		{"redirect of a query", "redirect: {uri: '/new?own=1'}", request{target: "/x?q=1"}, "301 http://reviews/new?own=1", ""},

		{"direct response", "directResponse: {status: 503, body: {string: closed}}", request{target: "/x"}, "503 closed", "Unavailable route: closed"},
		{"direct response of bytes", "directResponse: {status: 200, body: {bytes: aGVsbG8=}}", request{target: "/x"}, "200 hello", "Unknown route: hello"},
		{"direct response without a body", "directResponse: {status: 404}", request{target: "/x"}, "404 ", "Unimplemented route: direct response 404"},
		{"direct response as gRPC reads 400", "directResponse: {status: 400}", request{target: "/x"}, "400 ", "Internal route: direct response 400"},
		{"direct response as gRPC reads 401", "directResponse: {status: 401}", request{target: "/x"}, "401 ", "Unauthenticated route: direct response 401"},
		{"direct response as gRPC reads 403", "directResponse: {status: 403}", request{target: "/x"}, "403 ", "PermissionDenied route: direct response 403"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			documents := strings.Replace(subsets, "---\n", "", 1) + "\n---\n" + forReviews("{"+tt.rule+"}")
			if tt.web != "" {
				if got, _ := s.overHTTP(t, s.open(t, s.web, documents), tt.call); got != tt.web {
					t.Errorf("over HTTP got %q, want %q", got, tt.web)
				}
			}
			if tt.rpc != "" {
				if got, _ := s.overGRPC(t, s.open(t, s.rpc, documents), tt.call); got != tt.rpc {
					t.Errorf("over gRPC got %q, want %q", got, tt.rpc)
				}
			}
		})
	}
}
