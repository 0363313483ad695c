// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package samples_test

import "github.com/enmesh-go/enmesh/mesh"

// strict, permissive and plain are calls to a port by mutual TLS, in plaintext, and what
// becomes of them.
func strict(port int) []ask {
	return []ask{
		{what: "GET /", port: port, from: "a/b"}, {what: "GET /", port: port, want: refusedConn},
		{what: anyRPC, port: port, from: "a/b"}, {what: anyRPC, port: port, code: unconnected},
	}
}

func permissive(port int) []ask {
	return []ask{{what: "GET /", port: port, from: "a/b"}, {what: "GET /", port: port}, {what: anyRPC, port: port, from: "a/b"}, {what: anyRPC, port: port}}
}

func plain(port int) []ask {
	return []ask{
		{what: "GET /", port: port, from: "a/b", want: refusedConn}, {what: "GET /", port: port},
		{what: anyRPC, port: port, from: "a/b", code: unconnected}, {what: anyRPC, port: port},
	}
}

func finance(service string) mesh.Workload { return mesh.Workload{Namespace: "foo", Service: service} }

// peers is the documents with PeerAuthentications.
var peers = []guarded{
	{file: "pa-mesh-strict.yaml", to: mesh.Workload{Service: "any"}, asks: strict(80)},
	{file: "pa-ns-foo-strict.yaml", to: otherFoo, asks: strict(80)},
	{file: "pa-ns-foo-strict.yaml", to: otherBar, asks: permissive(80)},
	{file: "pa-wl-bar-httpbin-strict.yaml", to: httpbinBar, asks: strict(80)},
	{file: "pa-wl-bar-httpbin-strict.yaml", to: otherBar, asks: permissive(80)},
	{file: "pa-wl-bar-httpbin-port80-disable.yaml", to: httpbinBar, asks: append(plain(80), strict(8000)...)},
	{file: "pa-wl-foo-httpbin-disable.yaml", with: "pa-ns-foo-strict.yaml", to: httpbinFoo, asks: plain(8000)},
	{file: "pa-wl-foo-httpbin-disable.yaml", with: "pa-ns-foo-strict.yaml", to: otherFoo, asks: strict(8000)},
	{file: "grpc-pa-echo-strict.yaml", to: mesh.Workload{Namespace: "echo-grpc", Service: "echo"}, asks: strict(7070)},
	{file: "ref-pa-finance-strict.yaml", to: finance("finance"), asks: strict(80)},
	{file: "ref-pa-finance-strict.yaml", to: finance("other"), asks: permissive(80)},
	{file: "ref-pa-finance-port8080-disable.yaml", to: finance("finance"), asks: append(plain(8080), strict(9090)...)},
	{file: "ref-pa-finance-unset-port8080.yaml", to: finance("finance"), asks: append(plain(8080), permissive(9090)...)},
	{file: "ref-pa-finance-unset-port8080.yaml", with: "pa-mesh-strict.yaml", to: finance("finance"), asks: append(plain(8080), strict(9090)...)},
}

// bearer is a header with a token.
func bearer(token string) map[string]string {
	return map[string]string{"authorization": "Bearer " + token}
}

// tokens are calls with a token, with none, and with one that is not valid.
func tokens(valid string, without int) []ask {
	rpc := map[int]ask{0: {what: anyRPC}, forbidden: {what: anyRPC, code: rpcDenied}}[without]
	return []ask{
		{what: "GET /headers", header: bearer(valid)}, {what: "GET /headers", want: without}, {what: "GET /headers", header: bearer("nonsense"), want: unauthorized},
		{what: "GET /headers", header: bearer("TokenIssuer3"), want: unauthorized},
		{what: anyRPC, header: bearer(valid)}, rpc, {what: anyRPC, header: bearer("a.b.c"), code: unauthenticated},
	}
}

// users is the documents with RequestAuthentications, and those that need them.
var users = []guarded{
	{file: "ra-foo-httpbin-jwt.yaml", to: httpbinFoo, asks: tokens("demo", 0)},
	{file: "ra-foo-httpbin-jwt.yaml", to: otherFoo, asks: []ask{{what: "GET /", header: bearer("nonsense")}, {what: anyRPC, header: bearer("nonsense")}}},
	{file: "ra-ingress-jwt-example.yaml", to: ingress, asks: tokens("demo", 0)},
	{file: "ra-claim-to-header.yaml", to: httpbinFoo, asks: append(tokens("demo", 0),
		ask{what: "GET /headers", header: bearer("demo"), saw: map[string]string{"x-jwt-claim-foo": "bar", "authorization": "-"}},
		ask{what: "GET /headers", header: map[string]string{"x-jwt-claim-foo": "forged"}, saw: map[string]string{"x-jwt-claim-foo": "-"}},
		ask{what: anyRPC, header: bearer("demo"), saw: map[string]string{"x-jwt-claim-foo": "bar", "authorization": "-"}},
		ask{what: anyRPC, header: map[string]string{"x-jwt-claim-foo": "forged"}, saw: map[string]string{"x-jwt-claim-foo": "-"}},
	)},
	{file: "ap-require-jwt.yaml", with: "ra-foo-httpbin-jwt.yaml", to: httpbinFoo, asks: tokens("demo", forbidden)},
	{file: "ap-require-jwt-group1.yaml", with: "ra-foo-httpbin-jwt.yaml", to: httpbinFoo, asks: append(tokens("groups-scope", forbidden),
		ask{what: "GET /headers", header: bearer("demo"), want: forbidden}, ask{what: anyRPC, header: bearer("demo"), code: rpcDenied})},
	{file: "ap-ingress-deny-no-jwt.yaml", with: "ra-ingress-jwt-example.yaml", to: ingress, asks: tokens("demo", forbidden)},
	{file: "ap-ingress-deny-no-jwt-headers-path.yaml", with: "ra-ingress-jwt-example.yaml", to: ingress, asks: []ask{
		{what: "GET /headers", want: forbidden}, {what: "GET /headers", header: bearer("demo")}, {what: "GET /ip"}, {what: anyRPC},
	}},
	{file: "ref-ap-jwt-except-healthz.yaml", with: "ra-foo-httpbin-jwt.yaml", to: httpbinFoo, asks: []ask{
		{what: "GET /healthz"}, {what: "GET /x", want: forbidden}, {what: "GET /x", header: bearer("demo")},
		{what: anyRPC, code: rpcDenied}, {what: anyRPC, header: bearer("demo")},
	}},
	{file: "ref-ra-require-jwt-all.yaml", to: otherBar, asks: tokens("foo", forbidden)},
	{file: "ref-ra-require-jwt-httpbin.yaml", to: httpbinFoo, asks: tokens("foo", forbidden)},
	{file: "ref-ra-require-jwt-httpbin.yaml", to: otherFoo, asks: []ask{{what: "GET /"}, {what: anyRPC}}},
	{file: "ref-ap-httpbin-info-data.yaml", own: `
apiVersion: security.istio.io/v1
kind: RequestAuthentication
metadata: {name: google, namespace: foo}
spec:
  jwtRules:
  - issuer: https://accounts.google.com
    jwks: 'KEYS'
`, to: httpbinFoo, asks: []ask{
		{what: "GET /info/x", from: "default/sleep", header: bearer("google")},
		{what: "POST /data", from: "test/anybody", header: bearer("google")},
		{what: "POST /info", from: "test/anybody", header: bearer("google"), want: forbidden},
		{what: "GET /info/x", from: "default/sleepless", header: bearer("google"), want: forbidden},
		{what: "GET /info/x", from: "default/sleep", want: forbidden},
		{what: anyRPC, from: "test/anybody", header: bearer("google"), code: rpcDenied},
	}},
}
