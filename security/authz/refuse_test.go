// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package authz_test

import (
	"strings"
	"testing"

	"github.com/enmesh-go/enmesh/security/authz"
)

// policyOf is a policy of one rule.
func policyOf(action authz.Action, rule authz.Rule) authz.Policy {
	return authz.Policy{Name: "p", Namespace: "ns", Origin: "authz.yaml:7", Action: action, Rules: []authz.Rule{rule}}
}

// Whatever cannot be meant is refused when the engine is made, by the name of the policy
// and the field, and with what to write.
func TestNew_refuses(t *testing.T) {
	source := func(s authz.Source) authz.Policy { return policyOf(authz.Deny, from(s)) }
	operation := func(o authz.Operation) authz.Policy { return policyOf(authz.Deny, to(o)) }
	key := func(k string, v ...string) authz.Policy { return policyOf(authz.Deny, when(k, v...)) }
	for _, tc := range []struct {
		name   string
		policy authz.Policy
		want   string
	}{
		{"unknown key", key("request.path", "/x"), `rules[0].when[0].key: "request.path" is not a key`},
		{"key of Envoy", key("experimental.envoy.filters.a.b[c]", "x"), "filters of Envoy"},
		{"key in other case", key("Source.IP", "10.0.0.1"), "is not a key"},
		{"header without name", key("request.headers[]", "x"), "names no header"},
		{"header with two names", key("request.headers[a][b]", "x"), "names no header"},
		{"header without brackets", key("request.headers.x", "x"), "is not a key"},
		{"header that is none", key("request.headers[a b]", "x"), "names no header"},
		{"path as a header", key("request.headers[:path]", "/x"), "operation.paths"},
		{"header of the protocol", key("request.headers[Transfer-Encoding]", "x"), "keeps to itself"},
		{"header of gRPC", key("request.headers[grpc-timeout]", "x"), "keeps to itself"},
		{"binary header", key("request.headers[x-bin]", "x"), "binary metadata"},
		{"claim without name", key("request.auth.claims[]", "x"), "names no claim"},
		{"claim unclosed", key("request.auth.claims[a", "x"), "names no claim"},
		{"claim nested unclosed", key("request.auth.claims[a][b", "x"), "names no claim"},
		{"no values", policyOf(authz.Deny, authz.Rule{When: []authz.Condition{{Key: "source.ip"}}}), "neither values nor notValues"},
		{"empty values", policyOf(authz.Deny, authz.Rule{When: []authz.Condition{{Key: "source.ip", Values: []string{}}}}), ".values: is empty"},
		{"empty value", key("request.headers[x]", ""), `.values[0]: "" is empty`},
		{"bad address", source(authz.Source{IPBlocks: []string{"10.0.0.1", "10.0.0.x"}}), `authz: authz.yaml:7: policy "ns/p": rules[0].from[0].source.ipBlocks[1]: "10.0.0.x" is neither an IP address nor`},
		{"address with a zone", source(authz.Source{RemoteIPBlocks: []string{"fe80::1%eth0"}}), "remoteIpBlocks[0]"},
		{"range too long", source(authz.Source{NotIPBlocks: []string{"10.0.0.0/33"}}), "notIpBlocks[0]"},
		{"range across IPv4", source(authz.Source{IPBlocks: []string{"::ffff:0.0.0.0/90"}}), "ipBlocks[0]"},
		{"wildcard inside", source(authz.Source{Principals: []string{"td/ns/*/sa/x"}}), `has a "*" that is neither`},
		{"wildcards at both ends", operation(authz.Operation{Hosts: []string{"*x*"}}), `has a "*" that is neither`},
		{"two wildcards", operation(authz.Operation{Paths: []string{"/x**"}}), `has a "*" that is neither`},
		{"scheme", source(authz.Source{Principals: []string{web}}), `begins with "spiffe://"`},
		{"principal that nobody has", source(authz.Source{Principals: []string{"Cluster.Local/ns/a/sa/b"}}), "would match nobody"},
		{"principal without path", source(authz.Source{NotPrincipals: []string{"cluster.local"}}), "would match nobody"},
		{"account with wildcard", source(authz.Source{ServiceAccounts: []string{"ns/*"}}), "without wildcards"},
		{"account with slashes", source(authz.Source{ServiceAccounts: []string{"a/b/c"}}), "is no service account"},
		{"accounts beside principals", source(authz.Source{ServiceAccounts: []string{"a/b"}, Principals: []string{"*"}}), "beside principals or namespaces"},
		{"accounts beside namespaces", source(authz.Source{NotServiceAccounts: []string{"a/b"}, NotNamespaces: []string{"c"}}), "beside principals or namespaces"},
		{"namespace with slash", source(authz.Source{Namespaces: []string{"a/b"}}), "has a slash"},
		{"user without subject", source(authz.Source{RequestPrincipals: []string{"alice"}}), `write "issuer/subject"`},
		{"user of half a name", source(authz.Source{RequestPrincipals: []string{"https://i.example/"}}), `write "issuer/subject"`},
		{"user of no issuer", source(authz.Source{NotRequestPrincipals: []string{"/alice*"}}), `write "issuer/subject"`},
		{"user by half an issuer", source(authz.Source{RequestPrincipals: []string{"https://i.ex*"}}), "cut within the issuer"},
		{"source without fields", source(authz.Source{}), "from[0].source: has no field"},
		{"empty list", source(authz.Source{Principals: []string{}}), "principals: is empty"},
		{"no operation", operation(authz.Operation{}), "to[0].operation: has no field"},
		{"no sources", policyOf(authz.Allow, authz.Rule{From: []authz.Source{}}), "from: is empty"},
		{"no operations", policyOf(authz.Allow, authz.Rule{To: []authz.Operation{}}), "to: is empty"},
		{"no conditions", policyOf(authz.Allow, authz.Rule{When: []authz.Condition{}}), "when: is empty"},
		{"path without slash", operation(authz.Operation{Paths: []string{"pkg.Svc/M"}}), "begins with no slash"},
		{"path prefix without slash", operation(authz.Operation{NotPaths: []string{"admin*"}}), "begins with no slash"},
		{"template with more in a segment", operation(authz.Operation{Paths: []string{"/foo/{*}.txt"}}), "is no path template"},
		{"template with wildcard", operation(authz.Operation{Paths: []string{"/*/baz/{*}"}}), "is no path template"},
		{"template with wildcards", operation(authz.Operation{Paths: []string{"/**/baz/{*}"}}), "is no path template"},
		{"template after the last", operation(authz.Operation{Paths: []string{"/{**}/foo/{*}"}}), "is no path template"},
		{"template with two rests", operation(authz.Operation{Paths: []string{"/{**}/foo/{**}"}}), "is no path template"},
		{"template without slash", operation(authz.Operation{Paths: []string{"{*}/foo"}}), "begins with no slash"},
		{"port in words", operation(authz.Operation{Ports: []string{"http"}}), "is no port"},
		{"port 0", operation(authz.Operation{Ports: []string{"0"}}), "is no port"},
		{"port too high", operation(authz.Operation{NotPorts: []string{"65536"}}), "is no port"},
		{"port range", operation(authz.Operation{Ports: []string{"80-90"}}), "is no port"},
		{"host with scheme", operation(authz.Operation{Hosts: []string{"http://a"}}), "hosts[0]"},
		{"host with bad port", operation(authz.Operation{Hosts: []string{"a:8*"}}), "hosts[0]"},
		{"host not of ASCII", operation(authz.Operation{Hosts: []string{"b\u00fccher.example"}}), "is no host"},
		{"address without brackets", operation(authz.Operation{Hosts: []string{"::1"}}), "hosts[0]"},
		{"control character", operation(authz.Operation{Methods: []string{"GET\n"}}), "control character"},
		{"deny without rules", authz.Policy{Name: "p", Action: authz.Deny}, "action DENY without rules never matches"},
		{"custom without rules", authz.Policy{Name: "p", Action: authz.Custom, Provider: "ext"}, "action CUSTOM without rules never matches"},
		{"custom without provider", policyOf(authz.Custom, authz.Rule{}), "needs a provider"},
		{"custom with unknown provider", authz.Policy{Name: "p", Action: authz.Custom, Provider: "x", Rules: []authz.Rule{{}}}, `provider "x" is not one of`},
		{"provider of another action", authz.Policy{Name: "p", Action: authz.Deny, Provider: "ext", Rules: []authz.Rule{{}}}, `provider "ext" is for action CUSTOM`},
		{"dry run of custom", authz.Policy{Name: "p", Action: authz.Custom, Provider: "ext", DryRun: true, Rules: []authz.Rule{{}}}, "a dry run is of action"},
		{"dry run of audit", authz.Policy{Name: "p", Action: authz.Audit, DryRun: true, Rules: []authz.Rule{{}}}, "a dry run is of action"},
		{"unknown action", authz.Policy{Name: "p", Action: 9}, "action 9 is not"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := authz.New(authz.Config{Policies: []authz.Policy{tc.policy}, Checkers: map[string]authz.Checker{"ext": answers{}}})
			if err == nil || !strings.Contains(err.Error(), tc.want) || !strings.HasPrefix(err.Error(), "authz: ") {
				t.Errorf("New: %v, want an error with %q", err, tc.want)
			}
		})
	}
}

func TestNew_refusesConfig(t *testing.T) {
	custom := func(provider string) authz.Policy {
		return authz.Policy{Name: provider, Action: authz.Custom, Provider: provider, Rules: []authz.Rule{{}}}
	}
	for _, tc := range []struct {
		name string
		cfg  authz.Config
		want string
	}{
		{"default", authz.Config{Default: 7}, "Default 7"},
		{"proxies", authz.Config{TrustedProxies: -1}, "TrustedProxies -1 is not within 0 to 100"},
		{"aliases of nothing", authz.Config{Aliases: []string{"a"}}, "are of no TrustDomain"},
		{"trust domain", authz.Config{TrustDomain: "spiffe://a"}, "is not the plain name"},
		{"empty alias", authz.Config{TrustDomain: "a", Aliases: []string{""}}, "is not the plain name"},
		{"no checker", authz.Config{Checkers: map[string]authz.Checker{"x": nil}}, `Checkers["x"] is nil`},
		{"two providers", authz.Config{
			Checkers: map[string]authz.Checker{"a": answers{}, "b": answers{}}, Policies: []authz.Policy{custom("a"), custom("b")},
		}, `another CUSTOM policy has "a"`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if _, err := authz.New(tc.cfg); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("New: %v, want an error with %q", err, tc.want)
			}
		})
	}
}
