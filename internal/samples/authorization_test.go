// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package samples_test

import "github.com/enmesh-go/enmesh/mesh"

// any is a method of gRPC that no policy names.
const anyRPC = "rpc /echo.Echo/Any"

var (
	ingress     = mesh.Workload{Namespace: "istio-system", Service: "istio-ingressgateway", Labels: map[string]string{"istio": "ingressgateway"}}
	httpbinFoo  = mesh.Workload{Namespace: "foo", Service: "httpbin"}
	httpbinBar  = mesh.Workload{Namespace: "bar", Service: "httpbin"}
	otherFoo    = mesh.Workload{Namespace: "foo", Service: "other"}
	otherBar    = mesh.Workload{Namespace: "bar", Service: "other"}
	productpage = "default/bookinfo-productpage"
)

// viewed are the calls to a service that one account may read.
func viewed(by string) []ask {
	return []ask{
		{what: "GET /x", from: by},
		{what: "POST /x", from: by, want: forbidden},
		{what: "GET /x", from: "default/somebody", want: forbidden},
		{what: "GET /x", from: "other/" + by[len("default/"):], want: forbidden},
		{what: "GET /x", want: forbidden}, // nobody, in plaintext
		{what: anyRPC, from: by, code: rpcDenied},
	}
}

// authorizations is the documents with AuthorizationPolicies alone.
var authorizations = []guarded{
	{file: "ap-allow-nothing-default.yaml", to: mesh.Workload{Service: "reviews"}, asks: []ask{
		{what: "GET /", want: forbidden}, {what: "GET /", from: productpage, want: forbidden}, {what: anyRPC, from: productpage, code: rpcDenied},
	}},
	{file: "ap-allow-nothing-default.yaml", to: otherFoo, asks: []ask{{what: "GET /"}, {what: anyRPC}}},
	{file: "ap-productpage-viewer.yaml", with: "ap-allow-nothing-default.yaml", to: mesh.Workload{Service: "productpage"}, asks: []ask{
		{what: "GET /productpage"}, {what: "GET /productpage", from: "foo/anybody"}, {what: "POST /productpage", want: forbidden}, {what: anyRPC, code: rpcDenied},
	}},
	{file: "ap-details-viewer.yaml", with: "ap-allow-nothing-default.yaml", to: mesh.Workload{Service: "details"}, asks: viewed(productpage)},
	{file: "ap-reviews-viewer.yaml", with: "ap-allow-nothing-default.yaml", to: mesh.Workload{Service: "reviews"}, asks: viewed(productpage)},
	{file: "ap-ratings-viewer.yaml", with: "ap-allow-nothing-default.yaml", to: mesh.Workload{Service: "ratings"}, asks: viewed("default/bookinfo-reviews")},
	{file: "ap-ratings-viewer.yaml", to: mesh.Workload{Service: "details"}, asks: []ask{{what: "GET /x"}, {what: anyRPC}}},

	{file: "ap-deny-method-get.yaml", to: httpbinFoo, asks: []ask{
		{what: "GET /get", want: forbidden}, {what: "POST /post"}, {what: "HEAD /get"}, {what: anyRPC},
	}},
	{file: "ap-deny-method-get-unless-admin.yaml", to: httpbinFoo, asks: []ask{
		{what: "GET /get", header: map[string]string{"x-token": "admin"}},
		{what: "GET /get", header: map[string]string{"x-token": "guest"}, want: forbidden},
		{what: "GET /get", header: map[string]string{"x-token": "guest,admin"}, want: forbidden},
		{what: "GET /get", want: forbidden},
		{what: "POST /post", header: map[string]string{"x-token": "guest"}}, {what: anyRPC},
	}},
	{file: "ap-allow-path-ip.yaml", with: "ap-deny-method-get-unless-admin.yaml", to: httpbinFoo, asks: []ask{
		{what: "GET /ip", header: map[string]string{"x-token": "guest"}, want: forbidden},
		{what: "GET /ip", header: map[string]string{"x-token": "admin"}},
		{what: "GET /get", header: map[string]string{"x-token": "admin"}, want: forbidden},
		{what: "POST /ip"}, {what: "POST /ip/x", want: forbidden}, {what: anyRPC, code: rpcDenied},
	}},
	{file: "ap-dry-run-deny-headers.yaml", to: httpbinFoo, asks: []ask{{what: "GET /headers"}, {what: "GET /ip"}, {what: anyRPC}}},

	{file: "ap-ingress-allow-ipblocks.yaml", to: ingress, asks: []ask{
		{what: "GET /headers", at: "1.2.3.4"}, {what: "GET /headers", at: "5.6.7.200"}, {what: "GET /headers", at: "5.6.8.1", want: forbidden},
		{what: "GET /headers", at: "5.6.8.1", header: map[string]string{"x-forwarded-for": "1.2.3.4"}, want: forbidden},
		{what: anyRPC, at: "1.2.3.4"}, {what: anyRPC, at: "192.168.10.15", code: rpcDenied},
	}},
	{file: "ap-ingress-allow-ipblocks-client.yaml", to: ingress, asks: []ask{
		{what: "GET /headers", at: "192.168.10.15"}, {what: "GET /headers", at: "192.168.10.16", want: forbidden},
		{what: anyRPC, at: "192.168.10.15"}, {what: anyRPC, code: rpcDenied},
	}},
	{file: "ap-ingress-allow-remoteipblocks.yaml", to: ingress, proxies: 1, asks: []ask{
		{what: "GET /headers", header: map[string]string{"x-forwarded-for": "1.2.3.4"}},
		{what: "GET /headers", header: map[string]string{"x-forwarded-for": "9.9.9.9, 5.6.7.8"}},
		{what: "GET /headers", header: map[string]string{"x-forwarded-for": "1.2.3.4, 9.9.9.9"}, want: forbidden}, // the first is the caller's word
		{what: anyRPC, header: map[string]string{"x-forwarded-for": "1.2.3.4"}},
		{what: anyRPC, header: map[string]string{"x-forwarded-for": "9.9.9.9"}, code: rpcDenied},
	}},
	{file: "ap-ingress-allow-remoteipblocks.yaml", to: ingress, asks: []ask{ // nobody is believed
		{what: "GET /headers", at: "1.2.3.4"}, {what: anyRPC, at: "1.2.3.4"},
		{what: "GET /headers", header: map[string]string{"x-forwarded-for": "1.2.3.4"}, want: forbidden},
	}},
	{file: "ap-ingress-deny-ipblocks-client.yaml", to: ingress, asks: []ask{
		{what: "GET /headers", at: "192.168.10.15", want: forbidden}, {what: "GET /headers"},
		{what: anyRPC, at: "192.168.10.15", code: rpcDenied}, {what: anyRPC},
	}},
	{file: "ap-ingress-deny-remoteipblocks-client.yaml", to: ingress, proxies: 1, asks: []ask{
		{what: "GET /headers", header: map[string]string{"x-forwarded-for": "192.168.10.15"}, want: forbidden},
		{what: "GET /headers", header: map[string]string{"x-forwarded-for": "192.168.10.16"}},
		{what: anyRPC, header: map[string]string{"x-forwarded-for": "192.168.10.15"}, code: rpcDenied},
	}},

	{file: "ref-ap-allow-all-foo.yaml", to: otherFoo, asks: []ask{{what: "GET /"}, {what: "DELETE /x", from: "a/b"}, {what: anyRPC}}},
	{file: "ref-ap-allow-nothing-foo.yaml", to: otherFoo, asks: []ask{{what: "GET /", want: forbidden}, {what: anyRPC, code: rpcDenied}}},
	{file: "ref-ap-allow-nothing-foo.yaml", with: "ref-ap-allow-all-foo.yaml", to: otherFoo, asks: []ask{{what: "GET /"}, {what: anyRPC}}},
	{file: "ref-ap-allow-nothing-bar-httpbin.yaml", to: httpbinBar, asks: []ask{{what: "GET /", want: forbidden}, {what: anyRPC, code: rpcDenied}}},
	{file: "ref-ap-allow-nothing-bar-httpbin.yaml", to: otherBar, asks: []ask{{what: "GET /"}, {what: anyRPC}}},
	{file: "ref-ap-allow-nothing-root-v1.yaml", to: mesh.Workload{Service: "a", Version: "v1"}, asks: []ask{{what: "GET /", want: forbidden}, {what: anyRPC, code: rpcDenied}}},
	{file: "ref-ap-allow-nothing-root-v1.yaml", to: mesh.Workload{Service: "a", Version: "v2"}, asks: []ask{{what: "GET /"}, {what: anyRPC}}},
	{file: "ref-ap-audit.yaml", to: mesh.Workload{Namespace: "ns1", Service: "myapi"}, audited: 1, asks: []ask{
		{what: "GET /user/profile/ann"}, {what: "GET /user"}, {what: "POST /user/profile/ann"}, {what: anyRPC},
	}},
	{file: "ref-ap-deny-dev-post.yaml", to: httpbinFoo, asks: []ask{
		{what: "POST /x", from: "dev/a", want: forbidden}, {what: "GET /x", from: "dev/a"}, {what: "POST /x", from: "developers/a"}, {what: "POST /x"},
		{what: anyRPC, from: "dev/a", code: rpcDenied}, {what: anyRPC, from: "prod/a"},
	}},
	{file: "ref-ap-deny-post-8080.yaml", to: httpbinFoo, asks: []ask{
		{what: "POST /x", port: 8080, want: forbidden}, {what: "GET /x", port: 8080}, {what: "POST /x", port: 8081},
		{what: anyRPC, port: 8080, code: rpcDenied}, {what: anyRPC, port: 8081},
	}},
	{file: "e2e-authz-path-precedence.yaml", to: mesh.Workload{Namespace: "echo-ns1", Service: "b"}, asks: []ask{
		{what: "GET /allow/admin", want: forbidden}, {what: "GET /allow"}, {what: "GET /allow/x"}, {what: "GET /deny", want: forbidden},
		{what: "GET /allow/x/../admin", want: forbidden}, {what: "GET /allow//admin", want: forbidden}, {what: "GET /allow/%61dmin", want: forbidden},
		{what: "rpc /allow/admin", code: rpcDenied}, {what: "rpc /allow/x"}, {what: anyRPC, code: rpcDenied},
	}},
	{file: "e2e-authz-path-templating.yaml", to: mesh.Workload{Namespace: "echo-ns1", Service: "b"}, asks: []ask{
		{what: "GET /allow/admin/companies"}, {what: "GET /allow/admin/a/b"}, {what: "GET /allow/other", want: forbidden},
		{what: "GET /foo/a/bar/b/c"}, {what: "GET /foo/a/b/bar/c", want: forbidden},
		{what: "GET /store/a/b/cart"}, {what: "GET /store/a/b/basket", want: forbidden},
		{what: anyRPC, code: rpcDenied},
	}},
}
