// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package policy_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/enmesh-go/enmesh/policy"
	"github.com/enmesh-go/enmesh/security/authz"
	"github.com/enmesh-go/enmesh/security/mtls"
)

// sec is a document of security.istio.io; spec is its fields, in flow style.
func sec(kind, meta, spec string) string {
	return "apiVersion: security.istio.io/v1\nkind: " + kind + "\nmetadata: {" + meta + "}\nspec: {" + spec + "}\n---\n"
}

// reviewsInShop is for whom the tests load.
var reviewsInShop = policy.Loader{Namespace: "shop", Labels: map[string]string{"app": "reviews"}}

func TestParse_authorizationPoliciesAreForTheirWorkloads(t *testing.T) {
	s := parse(t, reviewsInShop,
		sec("AuthorizationPolicy", "name: b, namespace: shop", "rules: [{}]")+
			sec("AuthorizationPolicy", "name: a, namespace: shop", "selector: {matchLabels: {app: reviews}}, action: DENY, rules: [{to: [{operation: {methods: [GET]}}]}]")+
			sec("AuthorizationPolicy", "name: c, namespace: shop", "selector: {matchLabels: {app: ratings}}, rules: [{}]")+
			sec("AuthorizationPolicy", "name: d, namespace: other", "rules: [{}]"),
		sec("AuthorizationPolicy", "name: e, namespace: istio-system", "")+
			sec("AuthorizationPolicy", "name: f, namespace: istio-system", "selector: {matchLabels: {app: reviews}}, action: AUDIT, rules: [{}]")+
			sec("AuthorizationPolicy", "name: g, namespace: istio-system", "selector: {matchLabels: {app: ratings}}, action: AUDIT, rules: [{}]"),
	)
	var got []string
	for _, p := range s.Security.Authorization {
		got = append(got, p.Name+" "+p.Namespace+" "+p.Origin)
	}
	want := "a shop a.yaml:6|b shop a.yaml:1|e istio-system b.yaml:1|f istio-system b.yaml:6"
	if strings.Join(got, "|") != want {
		t.Errorf("got %q, want %q", got, want)
	}
	wantNotes(t, s, `c spec.selector: ignored: this process has not these labels: the document has no effect
d metadata.namespace: ignored: for servers in namespace other, and this process is in shop: the document has no effect
g spec.selector: ignored: this process has not these labels: the document has no effect
`)
	if !s.Security.Istio {
		t.Error("want Istio's defaults to hold")
	}
}

func TestParse_authorizationPolicyIsCompiledWhole(t *testing.T) {
	data, err := os.ReadFile("testdata/security/all.yaml")
	if err != nil {
		t.Fatal(err)
	}
	s := parse(t, policy.Loader{Labels: map[string]string{"app": "reviews"}}, string(data))
	if len(s.Security.Authorization) != 2 || len(s.Security.Authentication) != 1 {
		t.Fatalf("got %+v", s.Security)
	}
	p := s.Security.Authorization[0]
	r := p.Rules[0]
	if p.Action != authz.Deny || p.DryRun || p.Origin != "a.yaml:2" || len(p.Rules) != 1 || r.Origin != "a.yaml:9" ||
		len(r.From) != 4 || len(r.To) != 1 || len(r.When) != 14 {
		t.Errorf("got %+v", p)
	}
	if from := r.From[0]; from.Principals[1] != "*/sa/admin" || from.NotPrincipals[0] != "cluster.local/*" || from.RequestPrincipals[1] != "*" ||
		from.NotRequestPrincipals[0] != "issuer/other" || from.IPBlocks[1] != "::1" || from.NotIPBlocks[0] != "10.1.2.3" ||
		from.RemoteIPBlocks[0] != "192.168.0.0/16" || from.NotRemoteIPBlocks[0] != "192.168.1.1" {
		t.Errorf("got source %+v", from)
	}
	if r.From[1].Namespaces[1] != "dev-*" || r.From[1].NotNamespaces[0] != "dev-x" || r.From[2].ServiceAccounts[1] != "shop/web" ||
		r.From[3].NotServiceAccounts[0] != "shop/web" || r.From[3].TrustDomains[0] != "cluster.local" || r.From[3].NotTrustDomains[0] != "other" {
		t.Errorf("got sources %+v", r.From[1:])
	}
	if to := r.To[0]; to.Hosts[1] != "*.shop" || to.NotHosts[0] != "a.shop" || to.Ports[0] != "8080" || to.NotPorts[0] != "9090" ||
		to.Methods[0] != "GET" || to.NotMethods[0] != "PUT" || to.Paths[3] != "/d/{*}/e/{**}" || to.NotPaths[0] != "/b/public" {
		t.Errorf("got operation %+v", to)
	}
	if w := r.When[0]; w.Key != "request.headers[x-role]" || w.Values[0] != "admin*" || w.NotValues[0] != "admin-x" {
		t.Errorf("got condition %+v", w)
	}
	custom := s.Security.Authorization[1]
	if custom.Action != authz.Custom || custom.Provider != "opa" || s.Security.Providers()["opa"] != custom.Origin {
		t.Errorf("got %+v", custom)
	}
}

func TestParse_requestAuthenticationIsCompiledWhole(t *testing.T) {
	data, err := os.ReadFile("testdata/security/all.yaml")
	if err != nil {
		t.Fatal(err)
	}
	s := parse(t, policy.Loader{Labels: map[string]string{"app": "reviews"}}, string(data))
	r := s.Security.Authentication[0]
	if r.Name != "RequestAuthentication default/users 0" || r.Issuer != "https://issuer.example" || r.Audiences[0] != "reviews" || r.JWKSURI != "https://issuer.example/keys" ||
		r.FromHeaders[0].Name != "x-token" || r.FromHeaders[0].Prefix != "Token " || r.FromParams[0] != "token" || r.FromCookies[0] != "session" ||
		r.OutputPayload != "x-payload" || !r.Forward || r.OutputClaims[0].Header != "x-sub" || r.OutputClaims[0].Claim != "sub" ||
		r.Timeout.Seconds() != 2 || r.SpaceDelimited[0] != "roles" || !strings.HasPrefix(r.Origin, "a.yaml:") {
		t.Errorf("got %+v", r)
	}
}

// A condition on a header that servers take off requests never sees one, and that is said.
func TestParse_conditionsOnStrippedHeaders(t *testing.T) {
	s := parse(t, reviewsInShop, sec("AuthorizationPolicy", "name: a, namespace: shop", `rules: [{when: [
  {key: "request.headers[X-Forwarded-Client-Cert]", values: [a]}, {key: "request.headers[x-envoy-peer]", notValues: [a]},
  {key: "request.headers[x_role]", values: [a]}, {key: "request.headers[x-role]", values: [a]},
  {key: "request.headers[x-envoy-attempt-count]", values: ["1"]}, {key: "request.headers[host]", values: [a]}, {key: source.ip, values: [10.0.0.1]}]}]`))
	const taken = "approximated: enmesh's servers take this header off requests, unless TrustHeadersOf (in gRPC TrustMetadataOf) knows the peer: values never match, and notValues always"
	wantNotes(t, s, `a spec.rules[0].when[0].key: `+taken+`
a spec.rules[0].when[1].key: `+taken+`
a spec.rules[0].when[2].key: approximated: over HTTP enmesh's servers take headers with _ in their name off requests, unless they have KeepUnderscores: values never match there, and notValues always
`)
}

// What Istio has no field for is said by annotations, for all rules of a document.
func TestParse_requestAuthenticationIsNarrowedByAnnotations(t *testing.T) {
	const rules = "jwtRules: [{issuer: a, jwksUri: 'https://a.example/keys'}, {issuer: b, jwksUri: 'https://b.example/keys'}]"
	s := parse(t, reviewsInShop,
		sec("RequestAuthentication", `name: a, namespace: shop, annotations: {enmesh.dev/token-algorithms: "ES256, EdDSA",
  enmesh.dev/token-types: "at+jwt,none", enmesh.dev/token-subject: required}`, rules)+
			sec("RequestAuthentication", "name: b, namespace: shop, annotations: {enmesh.dev/token-subject: optional}", rules))
	for i, r := range s.Security.Authentication {
		if got := fmt.Sprintf("%q %q %t", r.Algorithms, r.Types, r.OptionalSubject); i < 2 && got != `["ES256" "EdDSA"] ["at+jwt" ""] false` || i >= 2 && got != "[] [] true" {
			t.Errorf("rule %d: got %s", i, got)
		}
	}
	if n := len(s.Security.Authentication); n != 4 {
		t.Errorf("got %d rules, want 4", n)
	}
	wantNotes(t, s, "")
}

func TestParse_requestAuthenticationsAreCombined(t *testing.T) {
	rule := func(iss string) string { return "jwtRules: [{issuer: " + iss + ", jwksUri: 'https://a.example/keys'}]" }
	s := parse(t, reviewsInShop,
		sec("RequestAuthentication", "name: a, namespace: shop", rule("a"))+
			sec("RequestAuthentication", "name: b, namespace: istio-system", rule("b"))+
			sec("RequestAuthentication", "name: c, namespace: shop", "selector: {matchLabels: {app: reviews}}, "+rule("c"))+
			sec("RequestAuthentication", "name: d, namespace: shop", "selector: {matchLabels: {app: ratings}}, "+rule("d")),
	)
	var got []string
	for _, r := range s.Security.Authentication {
		got = append(got, r.Issuer)
	}
	if strings.Join(got, " ") != "a b c" {
		t.Errorf("got rules of %q, want those of a, b and c", got)
	}
}

func TestParse_dryRun(t *testing.T) {
	s := parse(t, reviewsInShop, sec("AuthorizationPolicy", "name: a, namespace: shop, annotations: {istio.io/dry-run: 'true'}", "action: DENY, rules: [{}]"))
	if p := s.Security.Authorization[0]; !p.DryRun {
		t.Errorf("got %+v, want a dry run", p)
	}
}

// A waypoint's policy is refused in testdata/refused; a gateway's is somebody else's.
func TestParse_gatewaysPolicyHasNoEffect(t *testing.T) {
	s := parse(t, reviewsInShop, sec("AuthorizationPolicy", "name: a, namespace: shop", "targetRefs: [{kind: Gateway, group: gateway.networking.k8s.io, name: edge}]"))
	if len(s.Security.Authorization) != 0 || !strings.Contains(notes(s), "for gateways and waypoints only") {
		t.Errorf("got %+v and notes\n%s", s.Security, notes(s))
	}
}

func TestParse_peerAuthentication(t *testing.T) {
	const (
		mesh      = "name: default, namespace: istio-system"
		namespace = "name: default, namespace: shop"
		workload  = "name: reviews, namespace: shop"
		selector  = "selector: {matchLabels: {app: reviews}}, "
	)
	pa := func(meta, spec string) string { return sec("PeerAuthentication", meta, spec) }
	mode := func(m string) string { return "mtls: {mode: " + m + "}" }
	for name, tt := range map[string]struct {
		text   string
		port   uint16
		want   mtls.Mode
		origin string
		note   string
	}{
		"nothing":                        {"", 80, mtls.Strict, "", ""},
		"documents, none of this kind":   {sec("AuthorizationPolicy", "name: a", "rules: [{}]"), 80, mtls.Permissive, "", ""},
		"one for others":                 {pa("name: a, namespace: other", mode("STRICT")), 80, mtls.Permissive, "", ""},
		"the mesh":                       {pa(mesh, mode("STRICT")), 80, mtls.Strict, "a.yaml:4", ""},
		"the namespace before the mesh":  {pa(mesh, mode("STRICT")) + pa(namespace, mode("DISABLE")), 80, mtls.Disable, "a.yaml:9", ""},
		"the workload before both":       {pa(mesh, mode("STRICT")) + pa(workload, selector+mode("PERMISSIVE")) + pa(namespace, mode("DISABLE")), 80, mtls.Permissive, "a.yaml:9", ""},
		"another workload":               {pa(namespace, mode("STRICT")) + pa(workload, "selector: {matchLabels: {app: ratings}}, "+mode("DISABLE")), 80, mtls.Strict, "a.yaml:4", ""},
		"UNSET inherits":                 {pa(mesh, mode("STRICT")) + pa(namespace, mode("UNSET")), 80, mtls.Strict, "a.yaml:4", "it says no mode"},
		"an empty spec inherits":         {pa(mesh, mode("STRICT")) + pa(namespace, ""), 80, mtls.Strict, "a.yaml:4", "it says no mode"},
		"a port":                         {pa(workload, selector+mode("STRICT")+", portLevelMtls: {8080: {mode: DISABLE}}"), 8080, mtls.Disable, "a.yaml:4", ""},
		"another port":                   {pa(workload, selector+mode("STRICT")+", portLevelMtls: {8080: {mode: DISABLE}}"), 80, mtls.Strict, "a.yaml:4", ""},
		"a port alone, UNSET":            {pa(mesh, mode("STRICT")) + pa(workload, selector+mode("UNSET")+", portLevelMtls: {8080: {mode: DISABLE}}"), 80, mtls.Strict, "a.yaml:4", ""},
		"a port that inherits":           {pa(workload, selector+mode("STRICT")+", portLevelMtls: {8080: {mode: UNSET}}"), 8080, mtls.Strict, "a.yaml:4", ""},
		"of two the first":               {pa("name: b, namespace: shop", mode("STRICT")) + pa("name: a, namespace: shop", mode("DISABLE")), 80, mtls.Disable, "a.yaml:9", "which goes first"},
		"a selector in the root":         {pa(mesh, selector+mode("DISABLE")) + pa(namespace, mode("STRICT")), 80, mtls.Strict, "a.yaml:9", "in the root namespace istio-system"},
		"an empty selector in the root":  {pa(mesh, "selector: {}, "+mode("STRICT")), 80, mtls.Strict, "a.yaml:4", ""},
		"a root namespace of the loader": {pa("name: a, namespace: mesh", mode("STRICT")), 80, mtls.Permissive, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := parse(t, reviewsInShop, tt.text)
			if got := s.Security.ModeOf(tt.port); got != tt.want {
				t.Errorf("got %v, want %v", got, tt.want)
			}
			if _, got, _ := s.Security.Peers.Of(tt.port); got != tt.origin {
				t.Errorf("got origin %q, want %q", got, tt.origin)
			}
			if got := notes(s); tt.note != "" && !strings.Contains(got, tt.note) {
				t.Errorf("got notes\n%swant one with %q", got, tt.note)
			}
		})
	}
	loader := reviewsInShop
	loader.RootNamespace = "mesh"
	if got := parse(t, loader, pa("name: a, namespace: mesh", mode("STRICT"))).Security.ModeOf(80); got != mtls.Strict {
		t.Errorf("got %v, want what the root namespace says", got)
	}
}
