// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package policy_test

import (
	"context"
	"testing"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/policy"
	"github.com/enmesh-go/enmesh/security/authz"
	"github.com/enmesh-go/enmesh/security/jwt"
	"github.com/enmesh-go/enmesh/security/mtls"
)

var securityKinds = []string{"AuthorizationPolicy", "PeerAuthentication", "RequestAuthentication"}

// FuzzSecurity is FuzzParse for the specs of the kinds of security.istio.io, which whole
// documents seldom reach.
func FuzzSecurity(f *testing.F) {
	for i, specs := range [][]string{
		{
			"action: DENY, rules: [{from: [{source: {principals: ['a/b*'], notIpBlocks: [10.0.0.0/8]}}], to: [{operation: {paths: ['/a/{*}/{**}'], notPorts: ['80']}}]}]",
			"rules: [{when: [{key: 'request.headers[x]', values: ['*']}, {key: 'request.auth.claims[a][b]', notValues: [c*]}]}, {}]",
			"action: CUSTOM, provider: {name: opa}, rules: [{to: [{operation: {hosts: ['*.a'], methods: [GET]}}]}]",
			"selector: {matchLabels: {app: a}}, action: AUDIT, rules: [{from: [{source: {serviceAccounts: [a/b], trustDomains: [c]}}]}]",
		},
		{"mtls: {mode: STRICT}", "selector: {matchLabels: {app: a}}, portLevelMtls: {80: {mode: DISABLE}, 81: {}}", ""},
		{
			"jwtRules: [{issuer: a, jwksUri: 'https://a/b', fromHeaders: [{name: x, prefix: 'T '}], audiences: [c]}]",
			"jwtRules: [{issuer: a, jwks: '{\"keys\": [{}]}', outputClaimToHeaders: [{header: x, claim: y}], fromCookies: [z]}]",
		},
	} {
		for _, spec := range specs {
			f.Add(uint8(i), spec)
		}
	}
	f.Fuzz(func(t *testing.T, kind uint8, spec string) {
		holdsTogether(t, []byte("apiVersion: security.istio.io/v1\nkind: "+securityKinds[int(kind)%len(securityKinds)]+"\nmetadata: {name: a}\nspec: {"+spec+"}\n"))
	})
}

// securityHoldsTogether holds that what the security kinds were compiled to is taken by
// those that it is for, and that a policy that is there is never less than none: with one
// that denies or allows by rule the engine decides without failing.
func securityHoldsTogether(t *testing.T, s *policy.Snapshot) {
	t.Helper()
	sec := &s.Security
	checkers := map[string]authz.Checker{}
	for provider := range sec.Providers() {
		checkers[provider] = allowing{}
	}
	engine, err := authz.New(authz.Config{Policies: sec.Authorization, Checkers: checkers})
	if err != nil {
		t.Fatalf("the engine refuses what has loaded: %v", err)
	}
	if d := engine.Explain(t.Context(), &enmesh.Call{Side: enmesh.Server, Method: "GET", Path: "/", Header: noHeader{}}); d.Failed || d.Reason == "" {
		t.Fatalf("got %+v", d)
	}
	if err := jwt.Check(sec.Authentication...); len(sec.Authentication) == 1 && err != nil {
		t.Fatalf("the authenticator refuses what has loaded: %v", err)
	}
	for _, port := range []uint16{0, 80, 81} {
		if m := sec.ModeOf(port); m > mtls.Disable {
			t.Fatalf("port %d: got mode %d", port, m)
		}
	}
	if !sec.Istio && len(sec.Authorization)+len(sec.Authentication) > 0 {
		t.Fatal("there are documents, and Istio's defaults do not hold")
	}
}

// allowing is a Checker.
type allowing struct{}

func (allowing) Check(context.Context, *enmesh.Call) error { return nil }

// noHeader is an empty header.
type noHeader struct{}

func (noHeader) Get(string) string      { return "" }
func (noHeader) Values(string) []string { return nil }
func (noHeader) Set(string, string)     {}
func (noHeader) Add(string, string)     {}
func (noHeader) Del(string)             {}
