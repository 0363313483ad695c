// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package samples_test

import "github.com/enmesh-go/enmesh/mesh"

var echoB = mesh.Workload{Namespace: "echo-ns1", Service: "b"}

// byToken are calls to a path without a token and with each of several: what is not in
// allowed is forbidden.
func byToken(path string, allowed ...string) []ask {
	var all []ask
	for _, token := range []string{
		"", "TokenIssuer1", "TokenIssuer2", "TokenIssuer1WithAud", "TokenIssuer1WithAzp", "TokenIssuer1WithNestedClaims1",
		"TokenIssuer1WithNestedClaims2", "TokenIssuer2WithSpaceDelimitedPermission", "TokenIssuer2WithSpaceDelimitedScope",
		"TokenIssuer2WithCustomScopeSpaceDelimitedScope",
	} {
		a := ask{what: "GET " + path, want: forbidden}
		if token != "" {
			a.header = bearer(token)
		}
		for _, one := range allowed {
			if one == token || one == "any" && token != "" || one == "none" && token == "" {
				a.want = 200
			}
		}
		all = append(all, a)
	}
	return all
}

// endUsers is the documents of Istio's end-to-end tests about tokens.
var endUsers = []guarded{
	{file: "e2e-authz-jwt.yaml", to: echoB, asks: concat(
		byToken("/token1", "TokenIssuer1", "TokenIssuer1WithAud", "TokenIssuer1WithAzp", "TokenIssuer1WithNestedClaims1", "TokenIssuer1WithNestedClaims2"),
		byToken("/token2", "TokenIssuer2"),
		byToken("/tokenAny", "any"),
		byToken("/permission", "TokenIssuer2WithSpaceDelimitedPermission"),
		byToken("/scope", "TokenIssuer2WithSpaceDelimitedScope"),
		byToken("/otherscope"),
		byToken("/custom-scope-admin", "TokenIssuer2WithCustomScopeSpaceDelimitedScope"),
		byToken("/custom-scope-user", "TokenIssuer2WithCustomScopeSpaceDelimitedScope"),
		byToken("/nested-key1", "TokenIssuer1WithNestedClaims1"),
		byToken("/nested-non-exist"),
		byToken("/nested-key2", "TokenIssuer1WithNestedClaims2"),
		byToken("/nested-2-key1", "TokenIssuer1WithNestedClaims1"),
		byToken("/valid-jwt", "any"),
		byToken("/some/presenter", "TokenIssuer1WithAzp"),
		byToken("/some/audiences", "TokenIssuer1WithAud"),
		byToken("/token3", "none", "TokenIssuer2", "TokenIssuer2WithSpaceDelimitedPermission", "TokenIssuer2WithSpaceDelimitedScope", "TokenIssuer2WithCustomScopeSpaceDelimitedScope"),
		[]ask{
			{what: "rpc /some.Service/presenter", header: bearer("TokenIssuer1WithAzp")},
			{what: "rpc /some.Service/presenter", header: bearer("TokenIssuer1"), code: rpcDenied},
			{what: "rpc /some.Service/audiences", header: bearer("TokenIssuer1WithAud")},
			{what: "rpc /some.Service/audiences", code: rpcDenied},
			{what: "GET /valid-jwt", header: bearer("TokenExpired"), want: unauthorized},
		},
	)},
	{file: "e2e-ra-aud.yaml", to: echoB, asks: []ask{
		{what: "GET /x", header: bearer("TokenIssuer1WithAud")}, {what: "GET /x", header: bearer("TokenIssuer1WithAudList")},
		{what: "GET /x", header: bearer("TokenIssuer1"), want: unauthorized}, {what: "GET /x", header: bearer("TokenIssuer2")}, {what: "GET /x"},
		{what: anyRPC, header: bearer("TokenIssuer1WithAud")}, {what: anyRPC, header: bearer("TokenIssuer1"), code: unauthenticated},
	}},
	{file: "e2e-ra-authn-authz.yaml", to: echoB, asks: []ask{
		{what: "GET /x", header: bearer("TokenIssuer1")}, {what: "GET /x", want: forbidden}, {what: "GET /x", header: bearer("TokenIssuer2"), want: unauthorized},
		{what: "GET /x", header: bearer("TokenExpired"), want: unauthorized}, {what: "GET /x", header: bearer("TokenInvalid"), want: unauthorized},
		{what: anyRPC, header: bearer("TokenIssuer1"), code: rpcDenied}, // its rule is for GET
	}},
	{file: "e2e-ra-authn-only.yaml", to: echoB, asks: []ask{
		{what: "GET /x", saw: map[string]string{"x-test-payload": "-"}},
		{what: "GET /x", header: map[string]string{"x-test-payload": "forged", "x-jwt-iss": "forged"}, saw: map[string]string{"x-test-payload": "-", "x-jwt-iss": "-"}},
		{what: "GET /x", header: bearer("TokenIssuer1"), saw: map[string]string{"x-test-payload": "*", "x-jwt-iss": "test-issuer-1@istio.io", "x-jwt-iat": "1562182722", "x-jwt-nested-claim": "-", "authorization": "-"}},
		{what: "GET /x", header: bearer("TokenIssuer1WithNestedClaims2"), saw: map[string]string{"x-jwt-nested-claim": "valueC"}},
		{what: "GET /x", header: bearer("TokenIssuer2"), saw: map[string]string{"x-test-payload": "*", "x-jwt-iss": "-"}},
		{what: "GET /x", header: bearer("TokenIssuer3"), want: unauthorized}, {what: "GET /x", header: bearer("TokenExpired"), want: unauthorized},
		{what: anyRPC, header: bearer("TokenIssuer1"), saw: map[string]string{"x-jwt-iss": "test-issuer-1@istio.io", "authorization": "-"}},
		{what: anyRPC, header: bearer("TokenExpired"), code: unauthenticated},
	}},
	{file: "e2e-ra-forward.yaml", to: echoB, asks: []ask{
		{what: "GET /x", header: bearer("TokenIssuer1"), saw: map[string]string{"authorization": "*", "x-test-payload": "*"}},
		{what: anyRPC, header: bearer("TokenIssuer1"), saw: map[string]string{"authorization": "*", "x-test-payload": "*"}},
	}},
	{file: "e2e-ra-headers-params.yaml", to: echoB, asks: []ask{
		{what: "GET /x", header: map[string]string{"x-jwt-token": "Value TokenIssuer1"}, saw: map[string]string{"x-jwt-token": "-"}},
		{what: "GET /x", header: map[string]string{"auth-token": "Token TokenIssuer1"}},
		{what: "GET /x?token={TokenIssuer1}"}, {what: "GET /x?secondary_token={TokenIssuer1}"},
		{what: "GET /x", header: bearer("TokenIssuer1"), want: forbidden}, // not where one is looked for
		{what: "GET /x?token={TokenExpired}", want: unauthorized},
		{what: anyRPC, header: map[string]string{"x-jwt-token": "Value TokenExpired"}, code: unauthenticated},
	}},
	{file: "e2e-ra-invalid-jwks.yaml", to: echoB, asks: []ask{
		{what: "GET /x"}, {what: "GET /x", header: bearer("TokenIssuer1"), want: unauthorized},
		{what: anyRPC}, {what: anyRPC, header: bearer("TokenIssuer1"), code: unauthenticated},
	}},
}

func concat(lists ...[]ask) (all []ask) {
	for _, l := range lists {
		all = append(all, l...)
	}
	return all
}
