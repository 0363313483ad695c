// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package authz_test

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/security/authz"
)

// verdicts: whether a rule matches in an Allow policy and in a Deny policy.
type verdicts struct{ allow, deny bool }

var (
	yes   = verdicts{true, true}
	no    = verdicts{}
	doubt = verdicts{deny: true} // it opens nothing, and closes
)

type ruleCase struct {
	name string
	rule authz.Rule
	req  request
	want verdicts
}

func runRules(t *testing.T, cases []ruleCase) {
	t.Helper()
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			allow, deny := matched(t, tc.rule, tc.req)
			if got := (verdicts{allow, deny}); got != tc.want {
				t.Errorf("matches as {allow deny} %v, want %v", got, tc.want)
			}
		})
	}
}

func TestRule_identity(t *testing.T) {
	principals := func(v ...string) authz.Rule { return from(authz.Source{Principals: v}) }
	runRules(t, []ruleCase{
		{"exact", principals("cluster.local/ns/default/sa/web"), request{identity: web}, yes},
		{"other", principals("cluster.local/ns/default/sa/api"), request{identity: web}, no},
		{"prefix", principals("cluster.local/ns/default/*"), request{identity: web}, yes},
		{"suffix", principals("*/sa/web"), request{identity: web}, yes},
		{"any", principals("*"), request{identity: web}, yes},
		{"any, plaintext", principals("*"), request{}, no},
		{"not, plaintext", from(authz.Source{NotPrincipals: []string{"*"}}), request{}, yes},
		{"not any", from(authz.Source{NotPrincipals: []string{"*"}}), request{identity: web}, no},
		{"not this", from(authz.Source{NotPrincipals: []string{"cluster.local/ns/default/sa/web"}}), request{identity: web}, no},
		{"nobody known", principals("*"), request{anonymous: true}, no},
		{"no SPIFFE ID", principals("cluster.local/ns/default/sa/web"), request{identity: "https://cluster.local/ns/default/sa/web"}, doubt},
		{"no SPIFFE ID, not", from(authz.Source{NotPrincipals: []string{"cluster.local/ns/default/sa/web"}}), request{identity: "https://x"}, doubt},
		{"NUL", principals("cluster.local/ns/default/sa/*"), request{identity: web + "\x00evil"}, doubt},
		{"namespace", from(authz.Source{Namespaces: []string{"default"}}), request{identity: web}, yes},
		{"namespace prefix", from(authz.Source{Namespaces: []string{"def*"}}), request{identity: web}, yes},
		{"namespace inner star", from(authz.Source{Namespaces: []string{"d*ult"}}), request{identity: web}, yes},
		{"namespace inner star, other", from(authz.Source{Namespaces: []string{"d*uld"}}), request{identity: web}, no},
		{"namespace other", from(authz.Source{Namespaces: []string{"defaul", "efault", "d.fault"}}), request{identity: web}, no},
		{"namespace deeper", from(authz.Source{Namespaces: []string{"dev"}}), request{identity: "spiffe://td/cluster/c1/ns/dev/sa/x"}, yes},
		{"namespace twice", from(authz.Source{Namespaces: []string{"dev"}}), request{identity: "spiffe://td/ns/a/ns/dev/sa/x"}, doubt},
		{"account", from(authz.Source{ServiceAccounts: []string{"default/web"}}), request{identity: web}, yes},
		{"account of own namespace", from(authz.Source{ServiceAccounts: []string{"web"}}), request{identity: web}, yes},
		{"account of other namespace", from(authz.Source{ServiceAccounts: []string{"prod/web"}}), request{identity: web}, no},
		{"account not", from(authz.Source{NotServiceAccounts: []string{"web"}}), request{identity: web}, no},
		{"account not, other", from(authz.Source{NotServiceAccounts: []string{"web"}}), request{identity: webEvil}, yes},
		{"trust domain", from(authz.Source{TrustDomains: []string{"cluster.local"}}), request{identity: web}, yes},
		{"trust domain prefix", from(authz.Source{TrustDomains: []string{"clus*"}}), request{identity: web}, yes},
		{"trust domain other", from(authz.Source{TrustDomains: []string{"cluster-local"}}), request{identity: web}, no},
		{"fields are joined", from(authz.Source{Principals: []string{"*"}, Namespaces: []string{"prod"}}), request{identity: web}, no},
		{"key", when("source.principal", "cluster.local/ns/default/sa/web"), request{identity: web}, yes},
		{"namespace key", when("source.namespace", "default"), request{identity: web}, yes},
		{"account key", when("source.serviceAccount", "default/web"), request{identity: web}, yes},
		{"trust domain key", unless("source.trustDomain", "cluster.local"), request{identity: web}, no},
	})
}

func TestRule_trustDomainAliases(t *testing.T) {
	cfg := func(principal string) authz.Config {
		return authz.Config{TrustDomain: "new.example", Aliases: []string{"old.example"}, Policies: []authz.Policy{{
			Name: "p", Rules: []authz.Rule{from(authz.Source{Principals: []string{principal}})},
		}}}
	}
	for _, tc := range []struct {
		principal, identity string
		want                bool
	}{
		{"old.example/ns/a/sa/b", "spiffe://new.example/ns/a/sa/b", true},
		{"new.example/ns/a/sa/b", "spiffe://old.example/ns/a/sa/b", true},
		{"cluster.local/ns/a/sa/b", "spiffe://new.example/ns/a/sa/b", true},
		{"cluster.local/ns/a/*", "spiffe://old.example/ns/a/sa/b", true},
		{"cluster.local/ns/a/sa/b", "spiffe://other.example/ns/a/sa/b", false},
		{"other.example/ns/a/sa/b", "spiffe://new.example/ns/a/sa/b", false},
		{"*/ns/a/sa/b", "spiffe://other.example/ns/a/sa/b", true},
	} {
		if got := allows(engine(t, cfg(tc.principal)), request{identity: tc.identity}); got != tc.want {
			t.Errorf("%s for %s: allowed %v, want %v", tc.principal, tc.identity, got, tc.want)
		}
	}
}

func TestRule_operation(t *testing.T) {
	paths := func(v ...string) authz.Rule { return to(authz.Operation{Paths: v}) }
	hosts := func(v ...string) authz.Rule { return to(authz.Operation{Hosts: v}) }
	runRules(t, []ruleCase{
		{"path", paths("/admin"), request{path: "/admin"}, yes},
		{"path is case-sensitive", paths("/admin"), request{path: "/Admin"}, no},
		{"path is whole", paths("/admin"), request{path: "/admin/x"}, no},
		{"path prefix", paths("/admin*"), request{path: "/admin/x"}, yes},
		{"path suffix", paths("*/x"), request{path: "/admin/x"}, yes},
		{"path any", paths("*"), request{path: "/"}, yes},
		{"no path", paths("*"), request{path: "admin"}, doubt},
		{"no path, not", to(authz.Operation{NotPaths: []string{"/admin"}}), request{path: "admin"}, doubt},
		{"asterisk", paths("/admin"), request{method: "OPTIONS", path: "*"}, doubt},
		{"path with NUL", paths("/admin*"), request{path: "/admin\x00x"}, doubt},
		{"segment", paths("/users/{*}"), request{path: "/users/7"}, yes},
		{"segment is one", paths("/users/{*}"), request{path: "/users/7/x"}, no},
		{"segment is not empty", paths("/users/{*}"), request{path: "/users/"}, no},
		{"segment within", paths("/users/{*}/orders"), request{path: "/users/7/orders"}, yes},
		{"segments", paths("/a/{*}/b/{**}"), request{path: "/a/1/b/2/3"}, yes},
		{"segments may be none", paths("/a/{*}/b/{**}"), request{path: "/a/1/b/"}, yes},
		{"segments need the slash", paths("/a/{*}/b/{**}"), request{path: "/a/1/b"}, no},
		{"end", paths("/store/{**}/cart"), request{path: "/store/a/b/cart"}, yes},
		{"end, other", paths("/store/{**}/cart"), request{path: "/store/a/b/carts"}, no},
		{"end with slash", paths("/foo/{**}/"), request{path: "/foo/bar/"}, yes},
		{"end with slash, as documented", paths("/foo/{**}/"), request{path: "/foo/bar/baz.txt"}, doubt},
		{"end with slash, not there", paths("/foo/{**}/"), request{path: "/foo/bar"}, no},
		{"host", hosts("example.com"), request{host: "example.com"}, yes},
		{"host in capitals", hosts("example.com"), request{host: "EXAMPLE.com"}, yes},
		{"host pattern in capitals", hosts("Example.COM"), request{host: "example.com"}, yes},
		{"host with port", hosts("example.com"), request{host: "example.com:8443"}, yes},
		{"host with dot", hosts("example.com"), request{host: "example.com."}, yes},
		{"host with dot and port", hosts("example.com"), request{host: "example.com.:80"}, yes},
		{"host pattern with dot", hosts("example.com."), request{host: "example.com"}, yes},
		{"host suffix", hosts("*.example.com"), request{host: "a.example.com:99"}, yes},
		{"host prefix", hosts("example.*"), request{host: "example.org"}, yes},
		{"host other", hosts("example.com"), request{host: "example.com.evil.org"}, no},
		{"host of port", hosts("example.com:8443"), request{host: "example.com:8443"}, yes},
		{"host of other port", hosts("example.com:8443"), request{host: "example.com:80"}, no},
		{"host of default port", hosts("example.com:80"), request{host: "example.com"}, yes},
		{"host of TLS's default port", hosts("example.com:443"), request{host: "example.com", https: true}, yes},
		{"host of any port", hosts("example.com:*"), request{host: "example.com:1"}, yes},
		{"host with user", hosts("example.com"), request{host: "user@example.com"}, doubt},
		{"host with bad port", hosts("example.com"), request{host: "example.com:http"}, doubt},
		{"host with two dots", hosts("example.com"), request{host: "example.com.."}, doubt},
		{"host folded by Unicode alone", hosts("kk.example"), request{host: "\u212ak.example"}, doubt},
		{"host of IPv6", hosts("[::1]"), request{host: "[0:0::1]:80"}, yes},
		{"no host", hosts("*"), request{}, no},
		{"method", to(authz.Operation{Methods: []string{"GET"}}), request{}, yes},
		{"method of gRPC", to(authz.Operation{Methods: []string{"POST"}, Paths: []string{"/pkg.Svc/M"}}), request{grpc: true, path: "/pkg.Svc/M"}, yes},
		{"method in small letters", to(authz.Operation{Methods: []string{"GET"}}), request{method: "get"}, doubt},
		{"not method in small letters", to(authz.Operation{NotMethods: []string{"GET"}}), request{method: "get"}, doubt},
		{"port", to(authz.Operation{Ports: []string{"8080"}}), request{}, yes},
		{"other port", to(authz.Operation{Ports: []string{"80"}}), request{}, no},
		{"port unknown", to(authz.Operation{Ports: []string{"80"}}), request{at: "-"}, doubt},
		{"port unknown, not", to(authz.Operation{NotPorts: []string{"80"}}), request{at: "-"}, doubt},
		{"port key", when("destination.port", "8080"), request{}, yes},
		{"SNI", when("connection.sni", "a.example"), request{sni: "A.example"}, yes},
		{"SNI in plaintext", when("connection.sni", "*"), request{}, no},
		{"method by its header", when("request.headers[:method]", "GET"), request{}, yes},
		{"host by its header", when("request.headers[Host]", "a.example"), request{host: "A.example:80"}, yes},
	})
}

func TestRule_addresses(t *testing.T) {
	blocks := func(v ...string) authz.Rule { return from(authz.Source{IPBlocks: v}) }
	runRules(t, []ruleCase{
		{"address", blocks("10.1.2.3"), request{}, yes},
		{"range", blocks("10.0.0.0/8"), request{}, yes},
		{"range with bits of a host", blocks("10.9.9.9/8"), request{}, yes},
		{"outside", blocks("10.2.0.0/16", "192.168.0.0/16"), request{}, no},
		{"not", from(authz.Source{NotIPBlocks: []string{"10.0.0.0/8"}}), request{}, no},
		{"IPv4 as IPv6", blocks("10.0.0.0/8"), request{from: "[::ffff:10.1.2.3]:1"}, yes},
		{"range of IPv4 as IPv6", blocks("::ffff:10.0.0.0/104"), request{}, yes},
		{"all of IPv6 is not IPv4", blocks("::/0"), request{}, no},
		{"zone", blocks("fe80::/10"), request{from: "[fe80::1%eth0]:1"}, yes},
		{"unknown", blocks("10.0.0.0/8"), request{from: "-"}, doubt},
		{"unknown, not", from(authz.Source{NotIPBlocks: []string{"10.0.0.0/8"}}), request{from: "-"}, doubt},
		{"key", when("source.ip", "10.0.0.0/8"), request{}, yes},
		{"destination", when("destination.ip", "10.9.0.0/16"), request{}, yes},
		{"remote is the source", when("remote.ip", "10.1.2.3"), request{header: lines("X-Forwarded-For", "1.2.3.4")}, yes},
	})
}

func TestRule_remoteAddress(t *testing.T) {
	for _, tc := range []struct {
		name    string
		proxies int
		header  []string
		want    string // "" is doubt
	}{
		{"one proxy", 1, []string{"6.6.6.6, 1.2.3.4"}, "1.2.3.4"},
		{"two proxies", 2, []string{"6.6.6.6, 1.2.3.4, 5.5.5.5"}, "1.2.3.4"},
		{"in two lines", 2, []string{"6.6.6.6,1.2.3.4", "5.5.5.5"}, "1.2.3.4"},
		{"with port", 1, []string{"1.2.3.4:5678"}, "1.2.3.4"},
		{"IPv6 with port", 1, []string{"[2001:db8::1]:80"}, "2001:db8::1"},
		{"IPv6 in brackets", 1, []string{"[2001:db8::1]"}, "2001:db8::1"},
		{"not through the proxy", 2, []string{"1.2.3.4"}, "10.1.2.3"},
		{"no header", 1, nil, "10.1.2.3"},
		{"no address", 1, []string{"1.2.3.4, unknown"}, ""},
		{"empty", 1, []string{"1.2.3.4,"}, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := request{header: lines("X-Forwarded-For", tc.header...)}
			try := func(action authz.Action, block string) bool {
				return allows(engine(t, authz.Config{TrustedProxies: tc.proxies, Policies: []authz.Policy{{
					Name: "p", Action: action, Rules: []authz.Rule{from(authz.Source{RemoteIPBlocks: []string{block}})},
				}}}), r)
			}
			if tc.want == "" {
				if try(authz.Allow, "0.0.0.0/0") || try(authz.Deny, "192.0.2.0/24") {
					t.Error("what cannot be read was let through")
				}
				return
			}
			if !try(authz.Allow, tc.want) || try(authz.Deny, tc.want) || try(authz.Allow, "6.6.6.6") {
				t.Errorf("the caller is not %s", tc.want)
			}
		})
	}
}

func TestRule_endUser(t *testing.T) {
	auth := &enmesh.Auth{
		Issuer: "https://issuer.example", Subject: "alice", Audiences: []string{"api", "web"}, Presenter: "app",
		Claims: map[string]any{
			"iss": "https://issuer.example", "groups": []any{"dev", "ops"}, "scope": "read write", "level": json.Number("3"), "admin": true,
			"nested": map[string]any{"a": map[string]any{"b": "deep"}}, "name": "a\x00b", "custom": "x y",
		},
	}
	users := func(v ...string) authz.Rule { return from(authz.Source{RequestPrincipals: v}) }
	slashed := &enmesh.Auth{Issuer: "https://issuer.example", Subject: "team/alice"}
	half := &enmesh.Auth{Issuer: "https://issuer.example"}
	runRules(t, []ruleCase{
		{"exact", users("https://issuer.example/alice"), request{auth: auth}, yes},
		{"other", users("https://issuer.example/bob"), request{auth: auth}, no},
		{"any", users("*"), request{auth: auth}, yes},
		{"any, nobody", users("*"), request{}, no},
		{"not any, nobody", from(authz.Source{NotRequestPrincipals: []string{"*"}}), request{}, yes},
		{"not any", from(authz.Source{NotRequestPrincipals: []string{"*"}}), request{auth: auth}, no},
		{"any, without subject", users("*"), request{auth: half}, doubt},
		{"of issuer", users("https://issuer.example/*"), request{auth: auth}, yes},
		{"of subject", users("*/alice"), request{auth: auth}, yes},
		{"of subject's end", users("*lice"), request{auth: auth}, yes},
		{"of issuer's end", users("*.example/alice"), request{auth: auth}, yes},
		{"subject's beginning", users("https://issuer.example/al*"), request{auth: auth}, yes},
		{"slash in the subject", users("https://issuer.example/team/alice"), request{auth: slashed}, doubt},
		{"issuer with the slash", users("https://issuer.example/team/alice"), request{auth: &enmesh.Auth{Issuer: "https://issuer.example/team", Subject: "alice"}}, yes},
		{"key", when("request.auth.principal", "https://issuer.example/alice"), request{auth: auth}, yes},
		{"audience", when("request.auth.audiences", "web"), request{auth: auth}, yes},
		{"audience, not", unless("request.auth.audiences", "web"), request{auth: auth}, no},
		{"audience, other", when("request.auth.audiences", "we"), request{auth: auth}, no},
		{"presenter", when("request.auth.presenter", "app"), request{auth: auth}, yes},
		{"claim", when("request.auth.claims[iss]", "https://issuer.*"), request{auth: auth}, yes},
		{"claim list", when("request.auth.claims[groups]", "ops"), request{auth: auth}, yes},
		{"claim list, other", when("request.auth.claims[groups]", "op"), request{auth: auth}, no},
		{"scope", when("request.auth.claims[scope]", "write"), request{auth: auth}, yes},
		{"scope whole", when("request.auth.claims[scope]", "read write"), request{auth: auth}, yes},
		{"no list of spaces", when("request.auth.claims[custom]", "x"), request{auth: auth}, no},
		{"nested", when("request.auth.claims[nested][a][b]", "deep"), request{auth: auth}, yes},
		{"nested, not there", when("request.auth.claims[nested][a][c]", "*"), request{auth: auth}, no},
		{"nested, not there, not", unless("request.auth.claims[nested][a][c]", "*"), request{auth: auth}, yes},
		{"number", when("request.auth.claims[level]", "3"), request{auth: auth}, doubt},
		{"number, other", when("request.auth.claims[level]", "4"), request{auth: auth}, no},
		{"number, not", unless("request.auth.claims[level]", "3"), request{auth: auth}, doubt},
		{"truth", when("request.auth.claims[admin]", "true"), request{auth: auth}, doubt},
		{"object", when("request.auth.claims[nested]", "*"), request{auth: auth}, doubt},
		{"NUL", when("request.auth.claims[name]", "a*"), request{auth: auth}, doubt},
		{"no token", when("request.auth.claims[iss]", "*"), request{}, no},
		{"no token, not", unless("request.auth.claims[iss]", "*"), request{}, yes},
	})
}

// Lists so long that they are looked up, not gone through.
func TestRule_longLists(t *testing.T) {
	var paths, names []string
	for i := range 50 {
		paths = append(paths, fmt.Sprintf("/p/%d", i), fmt.Sprintf("/q/%d/*", i), fmt.Sprintf("*/r-%d", i))
		names = append(names, fmt.Sprintf("cluster.local/ns/n%d/sa/a", i))
	}
	rule := authz.Rule{To: []authz.Operation{{Paths: paths}}, From: []authz.Source{{Principals: names}}}
	who := "spiffe://cluster.local/ns/n%d/sa/a"
	runRules(t, []ruleCase{
		{"exact", rule, request{path: "/p/49", identity: fmt.Sprintf(who, 0)}, yes},
		{"prefix", rule, request{path: "/q/49/x", identity: fmt.Sprintf(who, 49)}, yes},
		{"suffix", rule, request{path: "/any/r-7", identity: fmt.Sprintf(who, 7)}, yes},
		{"other path", rule, request{path: "/p/50", identity: fmt.Sprintf(who, 7)}, no},
		{"other caller", rule, request{path: "/p/5", identity: fmt.Sprintf(who, 50)}, no},
	})
}

// Tokens that another authenticator than ours has read.
func TestRule_otherTokens(t *testing.T) {
	auth := &enmesh.Auth{Issuer: "i", Subject: "a\x00b", Audiences: []string{"x\x00"}, Claims: map[string]any{
		"list": []string{"a", "b"}, "nul": []string{"a\x00"}, "half": 1.5, "number": 7, "lists": []any{[]any{"a"}}, "mixed": []any{"a\x00", "b", nil},
	}}
	runRules(t, []ruleCase{
		{"list of strings", when("request.auth.claims[list]", "b"), request{auth: auth}, yes},
		{"list with NUL", when("request.auth.claims[nul]", "a*"), request{auth: auth}, doubt},
		{"list of more", when("request.auth.claims[mixed]", "b"), request{auth: auth}, yes},
		{"fraction", when("request.auth.claims[half]", "1.5"), request{auth: auth}, doubt},
		{"integer", when("request.auth.claims[number]", "7"), request{auth: auth}, doubt},
		{"list of lists", when("request.auth.claims[lists]", "a"), request{auth: auth}, no},
		{"subject with NUL", from(authz.Source{RequestPrincipals: []string{"i/a*"}}), request{auth: auth}, doubt},
		{"audience with NUL", when("request.auth.audiences", "x"), request{auth: auth}, doubt},
		{"no presenter", when("request.auth.presenter", "*"), request{auth: auth}, no},
		{"subject by its end", from(authz.Source{RequestPrincipals: []string{"*x/b"}}), request{auth: &enmesh.Auth{Issuer: "i", Subject: "ax/b"}}, doubt},
	})
}

func TestRule_hostsOfIPv6(t *testing.T) {
	hosts := func(v ...string) authz.Rule { return to(authz.Operation{Hosts: v}) }
	runRules(t, []ruleCase{
		{"port", hosts("[2001:db8::1]:8080"), request{host: "[2001:DB8:0::1]:8080"}, yes},
		{"other port", hosts("[2001:db8::1]:8080"), request{host: "[2001:db8::1]"}, no},
		{"any port", hosts("[2001:db8::1]:*"), request{host: "[2001:db8::1]:1"}, yes},
		{"prefix", hosts("[2001:db8:*"), request{host: "[2001:db8::1]"}, yes},
		{"no brackets", hosts("[::1]"), request{host: "::1"}, doubt},
		{"no address", hosts("[::1]"), request{host: "[::g]"}, doubt},
		{"IPv4 in brackets", hosts("127.0.0.1"), request{host: "[127.0.0.1]"}, doubt},
		{"port too high", hosts("a.example"), request{host: "a.example:65536"}, doubt},
		{"dot alone", hosts("a.example"), request{host: "."}, doubt},
	})
}
