// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package authz_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/security/authz"
)

func role(values ...string) authz.Rule { return when("request.headers[x-role]", values...) }

// A header can be said in several lines, and one line can hold a list: a Deny rule matches
// if any of it does, an Allow rule only if all of it does.
func TestScenarioA4_multiValueHeaders(t *testing.T) {
	commas := strings.Repeat(",", 8<<10)
	with := func(values ...string) request { return request{header: lines("X-Role", values...)} }
	named := func(name string, values ...string) request { return request{header: http.Header{name: values}} }
	runRules(t, []ruleCase{
		{"one", role("admin"), with("admin"), yes},
		{"two lines, last", role("admin"), with("user", "admin"), doubt},
		{"two lines, first", role("admin"), with("admin", "user"), doubt},
		{"two lines, both", role("admin"), with("admin", "admin"), yes},
		{"two lines, both listed", role("admin", "user"), with("admin", "user"), yes},
		{"list", role("admin"), with("user,admin"), doubt},
		{"list with spaces", role("admin"), with("user, admin"), doubt},
		{"list, all", role("admin", "user"), with("user,\t admin"), yes},
		{"list, whole as written", role("user,admin"), with("user,admin"), yes},
		{"list, whole over two lines", role("user,admin"), with("user", "admin"), doubt},
		{"list, by its beginning", role("user*"), with("user,admin"), doubt},
		{"list, by its end", role("*admin"), with("user,admin"), doubt},
		{"list, any", role("*"), with("user,admin"), yes},
		{"list with an empty element", role("admin"), with("admin,"), doubt},
		{"empty", role("*"), with(""), doubt},
		{"spaces", role("*"), with("   "), doubt},
		{"empty, not any", unless("request.headers[x-role]", "*"), with(""), doubt},
		{"absent", role("*"), request{}, no},
		{"absent, not", unless("request.headers[x-role]", "admin"), request{}, yes},
		{"not, one of two", unless("request.headers[x-role]", "admin"), with("user", "admin"), doubt},
		{"not, none", unless("request.headers[x-role]", "admin"), with("user", "guest"), yes},
		{"white space around", role("admin"), with(" admin\t"), yes},
		{"8 KiB of commas", role("admin"), with(commas), doubt},
		{"8 KiB of commas, not", unless("request.headers[x-role]", "admin"), with(commas), doubt},
		{"NUL", role("admin*"), with("admin\x00x"), doubt},
		{"NUL, not", unless("request.headers[x-role]", "admin"), with("admin\x00"), doubt},
		{"bytes beyond ASCII", role("admin"), with("admin\xff"), no},
		{"percent is not decoded", role("admin"), with("%61dmin"), no},
		{"value in capitals", role("admin"), with("ADMIN"), no},
		{"name in capitals", when("request.headers[X-ROLE]", "admin"), with("admin"), yes},
		{"other name", role("admin"), named("X_role", "admin"), no},
		{"no list: user agent", when("request.headers[User-Agent]", "Mozilla/*"), named("User-Agent", "Mozilla/5.0 (X11, like Gecko)"), yes},
		{"no list: date", when("request.headers[date]", "Sat, 21 Nov 2026*"), named("Date", "Sat, 21 Nov 2026 16:00:00 GMT"), yes},
		{"no list, yet denied by a part", when("request.headers[user-agent]", "evil"), named("User-Agent", "good, evil"), doubt},
	})
}

// In gRPC the names of metadata are in lower case, and duplicate keys are a list.
func TestScenarioA4_multiValueMetadata(t *testing.T) {
	r := request{grpc: true, path: "/pkg.Svc/M", header: lines("X-Role", "user", "admin")}
	runRules(t, []ruleCase{
		{"two values", role("admin"), r, doubt},
		{"two values, all", role("admin", "user"), r, yes},
	})
}

// No name is confused with one that it begins, ends or resembles.
func TestScenarioT8_identitiesAreWhole(t *testing.T) {
	principals := from(authz.Source{Principals: []string{"cluster.local/ns/default/sa/web"}})
	accounts := from(authz.Source{ServiceAccounts: []string{"default/web"}})
	for _, identity := range []string{
		webEvil, web + "X", web + "/x", web + ".", web + "%2f", "spiffe://cluster.local/ns/default/sa/we", "spiffe://evil.cluster.local/ns/default/sa/web",
		"spiffe://cluster.local.evil/ns/default/sa/web", "spiffe://cluster-local/ns/default/sa/web", "spiffe://cluster.local/ns/default/sa/Web",
		"spiffe://cluster.local/ns/default/sa/web\x00", "SPIFFE://cluster.local/ns/default/sa/web", "cluster.local/ns/default/sa/web",
		"spiffe://cluster.local/ns/prod/sa/web", "spiffe://cluster.local/x/ns/default/sa/web/y",
	} {
		if allow, _ := matched(t, principals, request{identity: identity}); allow {
			t.Errorf("a rule for the principal of %s lets %q through", web, identity)
		}
		if strings.HasPrefix(identity, "spiffe://") && strings.HasSuffix(identity, "/ns/default/sa/web") || strings.HasSuffix(identity, "/web/y") || identity == web+"/x" {
			continue // an account is of any trust domain, and of a longer path
		}
		if allow, _ := matched(t, accounts, request{identity: identity}); allow {
			t.Errorf("a rule for the account default/web lets %q through", identity)
		}
	}
}

// Methods are compared as they are, and what a lax handler takes for one is denied with it.
func TestScenarioA12_methods(t *testing.T) {
	only := func(m string) authz.Rule { return to(authz.Operation{Methods: []string{m}}) }
	override := request{method: "GET", header: lines("X-HTTP-Method-Override", "POST")}
	runRules(t, []ruleCase{
		{"get", only("GET"), request{method: "get"}, doubt},
		{"GeT", only("GET"), request{method: "GeT"}, doubt},
		{"HEAD", only("GET"), request{method: "HEAD"}, no},
		{"FOO", only("GET"), request{method: "FOO"}, no},
		{"CONNECT", only("GET"), request{method: "CONNECT"}, no},
		{"OPTIONS *", pathRule("/admin"), request{method: "OPTIONS", path: "*"}, doubt},
		{"override", only("POST"), override, no},
		{"override, not", only("GET"), override, yes},
	})
}

// CVE-2026-26308: Envoy matched the values of a header joined with commas, so that a second
// line slipped past an exact deny.
func TestCVE_2026_26308_secondLineIsDenied(t *testing.T) {
	e := of(t, authz.Deny, role("admin"))
	for _, h := range []http.Header{lines("X-Role", "user", "admin"), lines("X-Role", "admin", "user"), lines("X-Role", "user,admin"), lines("X-Role", "user , admin")} {
		if allows(e, request{header: h}) {
			t.Errorf("%v was let through", h)
		}
	}
}

// CVE-2026-31838: the same, as Istio's policies had it, with "*" and notValues.
func TestCVE_2026_31838_everyLineIsAllowed(t *testing.T) {
	for _, rule := range []authz.Rule{role("user"), unless("request.headers[x-role]", "admin"), role("us*")} {
		if allows(of(t, authz.Allow, rule), request{header: lines("X-Role", "user", "admin")}) {
			t.Errorf("%+v lets admin through", rule)
		}
	}
}

// CVE-2026-39350: Istio made a regular expression of a service account and left the dots in
// it, so that cert-manager.io was cert-manager-io too.
func TestCVE_2026_39350_dotIsADot(t *testing.T) {
	at := func(account string) request {
		return request{identity: "spiffe://cluster.local/ns/a.b/sa/" + account}
	}
	for _, rule := range []authz.Rule{
		from(authz.Source{ServiceAccounts: []string{"a.b/cert-manager.io"}}),
		from(authz.Source{Principals: []string{"cluster.local/ns/a.b/sa/cert-manager.io"}}),
	} {
		if allow, deny := matched(t, rule, at("cert-manager-io")); allow || deny {
			t.Errorf("%+v matches cert-manager-io", rule)
		}
		if allow, deny := matched(t, rule, at("cert-manager.io")); !allow || !deny {
			t.Errorf("%+v does not match cert-manager.io", rule)
		}
	}
	if allow, _ := matched(t, from(authz.Source{Namespaces: []string{"a.*"}}), request{identity: "spiffe://cluster.local/ns/axb/sa/x"}); allow {
		t.Error(`the namespace "a.*" matches "axb"`)
	}
}

// GHSA-hrxh-6v49-42gf: grpc-go dropped matchers that it did not know, and so let through
// what they were to stop; a NOT around one panicked.
func TestGHSA_hrxh_6v49_42gf_unknownMatcherIsRefused(t *testing.T) {
	for _, c := range []authz.Condition{
		{Key: "request.metadata", Values: []string{"x"}}, {Key: "request.metadata", NotValues: []string{"x"}},
		{Key: "connection.requestedServerName", NotValues: []string{"x"}}, {Key: "experimental.envoy.filters.x[y]", NotValues: []string{"x"}}, {Key: "", Values: []string{"x"}},
	} {
		for _, action := range []authz.Action{authz.Allow, authz.Deny, authz.Audit} {
			if _, err := authz.New(authz.Config{Policies: []authz.Policy{{Name: "p", Action: action, Rules: []authz.Rule{{When: []authz.Condition{c}}}}}}); err == nil {
				t.Errorf("%s: a condition on %q is taken", action, c.Key)
			}
		}
	}
}

// CVE-2026-33186: a gRPC path without its slash reached the handler, and no deny rule.
func TestCVE_2026_33186_pathWithoutSlash(t *testing.T) {
	deny, allow := of(t, authz.Deny, pathRule("/pkg.Svc/M")), of(t, authz.Allow, pathRule("/pkg.Svc/M", "/pkg.Svc/*", "*/M"))
	for _, p := range []string{"pkg.Svc/M", "M", " /pkg.Svc/M", "*", "http://h/pkg.Svc/M"} {
		if r := (request{grpc: true, path: p}); allows(deny, r) || allows(allow, r) {
			t.Errorf("%q was let through", p)
		}
	}
}

// What a gateway of unknown methods may get instead of a path: nothing of it passes for the
// method, nor around a rule on it.
func TestScenarioA3_methodsAreExact(t *testing.T) {
	deny := of(t, authz.Deny, pathRule("/pkg.Svc/M"))
	for _, p := range []string{
		"//pkg.Svc/M", "/pkg.Svc//M", "/pkg.Svc/M/", "/pkg.Svc/M?x=1", "/pkg.Svc/M#f", "/pkg.Svc%2fM", "/pkg.Svc/%4d", "/./pkg.Svc/M", "/x/../pkg.Svc/M",
		"/x/pkg.Svc/M", "/pkg.Svc/M ", "/pkg.Svc/M\t", "/pkg.Svc/M\x00", `/pkg.Svc\M`, "/pkg.Svc/", "/pkg.Svc", "/", "", "/pkg.Svc/..", "/pkg.Svc/M;x",
	} {
		c := request{grpc: true}.call()
		c.Path = p
		if _, err := deny.Admit(t.Context(), c); err == nil {
			t.Errorf("%q passes a deny rule", p)
		}
		for _, rule := range []string{"/pkg.Svc/M", "/pkg.Svc/*", "*", "/pkg.*", "*/M"} {
			if _, err := of(t, authz.Allow, pathRule(rule)).Admit(t.Context(), c); err == nil {
				t.Errorf("%q is allowed by %q", p, rule)
			}
		}
	}
	for _, p := range []string{"/pkg.svc/m", "/PKG.SVC/M", "/pkg.Svc/m", "/pkg.Svc./M", "/.pkg.Svc/M"} { // other names, and no more
		if r := (request{grpc: true, path: p}); allows(of(t, authz.Allow, pathRule("/pkg.Svc/M")), r) || !allows(deny, r) {
			t.Errorf("%q is taken for /pkg.Svc/M", p)
		}
	}
}

// grpc-go 57c9ff14e: a regular expression matched a part of the principal, so that
// never-match-principal was match-principal.
func TestGRPC_57c9ff14e_noPartOfAPrincipal(t *testing.T) {
	rule := from(authz.Source{Principals: []string{"td/match-principal"}})
	for _, identity := range []string{"spiffe://td/never-match-principal", "spiffe://td/match-principal-x", "spiffe://x.td/match-principal"} {
		if allow, deny := matched(t, rule, request{identity: identity}); allow || deny {
			t.Errorf("%s matches", identity)
		}
	}
}

// grpc-go 94b9449eb: where the first name of a certificate did not match, the next was
// tried. There is one identity here, and nothing behind it.
func TestGRPC_94b9449eb_noSecondIdentity(t *testing.T) {
	r := request{identity: "spiffe://td/ns/a/sa/other", sni: "td/ns/a/sa/web", header: lines("X-Forwarded-Client-Cert", "URI=spiffe://td/ns/a/sa/web")}
	rule := from(authz.Source{Principals: []string{"td/ns/a/sa/web"}})
	if allow, deny := matched(t, rule, r); allow || deny {
		t.Error("a name that is not the identity matches")
	}
	r.identity = ""
	if allow, deny := matched(t, rule, r); allow || deny {
		t.Error("without an identity, another name matches")
	}
}

// grpc-go db9482836: the name of a header with a capital in it never matched, and a deny
// rule was open.
func TestGRPC_db9482836_headerNamesHaveNoCase(t *testing.T) {
	for _, key := range []string{"request.headers[X-Role]", "request.headers[x-role]", "request.headers[X-ROLE]"} {
		for _, r := range []request{{header: lines("x-role", "admin")}, {grpc: true, path: "/s/m", header: lines("x-role", "admin")}} {
			if allows(of(t, authz.Deny, when(key, "admin")), r) {
				t.Errorf("a deny rule on %s is open", key)
			}
		}
	}
}

// grpc-go 4fdb83e4a: a range without its length crashed the process that read it.
func TestGRPC_4fdb83e4a_rangeWithoutLength(t *testing.T) {
	for _, block := range []string{"10.0.0.0/", "/8", "/", "10.0.0.0/x", "10.0.0.0/-1", "", "10.0.0.0/8/8"} {
		if _, err := authz.New(authz.Config{Policies: []authz.Policy{policyOf(authz.Deny, from(authz.Source{IPBlocks: []string{block}}))}}); err == nil {
			t.Errorf("the range %q is taken", block)
		}
	}
}

// grpc-go f1d1ce56f: an address with its port was no address, and no rule matched.
func TestGRPC_f1d1ce56f_addressWithPort(t *testing.T) {
	rule := from(authz.Source{IPBlocks: []string{"10.1.2.3"}})
	if allow, deny := matched(t, rule, request{from: "10.1.2.3:65535"}); !allow || !deny {
		t.Error("an address with a port does not match")
	}
	if _, err := authz.New(authz.Config{Policies: []authz.Policy{policyOf(authz.Deny, from(authz.Source{IPBlocks: []string{"10.1.2.3:80"}}))}}); err == nil {
		t.Error("a block with a port is taken")
	}
}

// grpc-go fa4c702b5 and eafb29a4a: what an error in a matcher means, for each action.
func TestGRPC_eafb29a4a_errorsNeverOpen(t *testing.T) {
	for _, tc := range []struct {
		rule authz.Rule
		req  request
	}{
		{from(authz.Source{IPBlocks: []string{"10.0.0.0/8"}}), request{from: "-"}},
		{from(authz.Source{NotIPBlocks: []string{"10.0.0.0/8"}}), request{from: "-"}},
		{from(authz.Source{RequestPrincipals: []string{"a/b"}}), request{auth: &enmesh.Auth{Issuer: "x"}}},
		{to(authz.Operation{NotPaths: []string{"/x"}}), request{path: "x"}},
		{unless("destination.ip", "10.0.0.1"), request{anonymous: true}},
	} {
		if allow, deny := matched(t, tc.rule, tc.req); allow || !deny {
			t.Errorf("%+v: ALLOW matches %v, DENY matches %v", tc.rule, allow, deny)
		}
	}
}
