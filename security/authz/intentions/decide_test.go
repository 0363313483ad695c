// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package intentions_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/enmeshtest"
	"github.com/enmesh-go/enmesh/security/authz"
	"github.com/enmesh-go/enmesh/security/authz/intentions"
)

// ordered are one intention of each precedence. The agent may send them in any order.
const ordered = `[
	{"SourceNS":"default","SourceName":"*","DestinationName":"*","Action":"deny","Precedence":5},
	{"SourceNS":"default","SourceName":"b","DestinationName":"*","Action":"allow","Precedence":6},
	{"SourceNS":"default","SourceName":"a","DestinationName":"*","Action":"deny","Precedence":6},
	{"SourceNS":"default","SourceName":"a","DestinationName":"web","Action":"allow","Precedence":9}
]`

func TestDecide_precedence(t *testing.T) {
	a := of(t, ordered, "allow")
	for service, want := range map[string]struct {
		allowed bool
		by      string
	}{
		"a": {true, "a => web (precedence 9)"},
		"b": {true, "b => * (precedence 6)"},
		"c": {false, "* => * (precedence 5)"},
	} {
		if d := a.Explain(call(id(service))); d.Allowed != want.allowed || d.Intention != want.by || d.Source != service {
			t.Errorf("%s: got %+v, want %+v", service, d, want)
		}
	}
	// "*" to the destination by its name goes before a source by its name to "*".
	a = of(t, `[{"SourceName":"*","DestinationName":"web","Action":"deny","Precedence":8},
		{"SourceName":"b","DestinationName":"*","Action":"allow","Precedence":6}]`, "allow")
	if d := a.Explain(call(id("b"))); d.Allowed || !strings.HasPrefix(d.Intention, "* => web") {
		t.Errorf("got %+v, want a denial by * => web", d)
	}
}

func TestDecide_default(t *testing.T) {
	for _, tt := range []struct {
		policy string
		cfg    intentions.Default
		want   bool
	}{
		{"allow", intentions.FromConsul, true}, {"deny", intentions.FromConsul, false}, {"", intentions.FromConsul, false},
		{"nonsense", intentions.FromConsul, false}, {"allow", intentions.Deny, false}, {"deny", intentions.Allow, true},
	} {
		a := open(t, intentions.Config{Default: tt.cfg}, newAgent(t, "null", tt.policy).address, "")
		if d := a.Explain(call(id("x"))); d.Allowed != tt.want || a.Set().AllowByDefault() != tt.want {
			t.Errorf("policy %q, Default %d: got %+v, want %t", tt.policy, tt.cfg, d, tt.want)
		}
	}
}

// Whatever the intentions say, a caller must be a service of this cluster, segment by
// segment.
func TestDecide_refusesStrangers(t *testing.T) {
	a := of(t, `[{"SourceName":"*","DestinationName":"web","Action":"allow","Precedence":8}]`, "allow")
	if d := a.Explain(call(id("a"))); !d.Allowed {
		t.Fatalf("a service of the cluster: got %+v, want it allowed", d)
	}
	for _, identity := range []string{
		"", "spiffe://other.consul/ns/default/dc/dc1/svc/a", "spiffe://" + td + ".evil/ns/default/dc/dc1/svc/a",
		"spiffe://" + td + "/ns/default/sa/a", "spiffe://" + td + "/ap/p/ns/default/dc/dc1/svc/a",
		"spiffe://" + td + "/ns/default/dc/dc1/svc/a/svc/b", "spiffe://" + td + "/ns/default/dc/dc1/x/svc/a",
		"spiffe://" + td + "/ns/default/dc//svc/a", "spiffe://" + td + "/ns/default/dc/dc1/svc/", "spiffe://" + td + "/ns/default/dc/dc1/svc/*",
		"spiffe://" + td + "/ns/*/dc/dc1/svc/a", "spiffe://" + td + "/agent/client/dc/dc1/id/x", td + "/ns/default/dc/dc1/svc/a",
		"spiffe://" + td + "/ns/other/dc/dc1/svc/a/",
	} {
		if d := a.Explain(call(identity)); d.Allowed {
			t.Errorf("%q was allowed: %+v", identity, d)
		}
	}
	nobody := call("")
	nobody.Source = nil
	if d := a.Explain(nobody); d.Allowed {
		t.Errorf("a caller of whom nothing is known was allowed: %+v", d)
	}
	// A namespace of its own is another one than default.
	if d := of(t, `[{"SourceName":"a","DestinationName":"web","Action":"allow"}]`, "deny").
		Explain(call("spiffe://" + td + "/ns/other/dc/dc1/svc/a")); d.Allowed {
		t.Errorf("a service of another namespace was allowed: %+v", d)
	}
}

const layer7 = `[{"SourceName":"a","DestinationName":"web","Precedence":9,"Permissions":[
	{"Action":"deny","HTTP":{"PathPrefix":"/admin"}},
	{"Action":"deny","HTTP":{"Header":[{"Name":"x-role","Exact":"guest"}]}},
	{"Action":"allow","HTTP":{"PathExact":"/a b"}},
	{"Action":"allow","HTTP":{"PathRegex":"/v[0-9]+/.*","Methods":["GET","HEAD"]}},
	{"Action":"allow","HTTP":{"PathExact":"/own","Header":[{"Name":"x-user","Prefix":"u-"},{"Name":"x-debug","Present":true,"Invert":true}]}}
]}]`

func TestDecide_permissions(t *testing.T) {
	for _, tt := range []struct {
		name         string
		method, path string
		header       enmeshtest.Header
		denied       bool // where the default is to allow
		permission   int
	}{
		{"the first that matches", "GET", "/admin/x", nil, true, 1},
		{"a prefix is one of the text", "GET", "/administrator", nil, true, 1},
		{"decoded", "GET", "/a b", nil, false, 3},
		{"the whole of the expression", "GET", "/v1/x", nil, false, 4},
		{"not a part of it", "GET", "/x/v1/x", nil, false, 0},
		{"line ends are within it", "GET", "/v1/\nx", nil, false, 4},
		{"another method", "POST", "/v1/x", nil, false, 0},
		{"methods are exact", "get", "/v1/x", nil, false, 0},
		{"denied by a header", "GET", "/v1/x", enmeshtest.Header{"X-Role": {"guest"}}, true, 2},
		{"denied by any of its values", "GET", "/v1/x", enmeshtest.Header{"X-Role": {"user", "guest"}}, true, 2},
		{"allowed by a header", "GET", "/own", enmeshtest.Header{"X-User": {"u-1"}}, false, 5},
		{"allowed by all its values only", "GET", "/own", enmeshtest.Header{"X-User": {"u-1", "x"}}, false, 0},
		{"not with a header that must be missing", "GET", "/own", enmeshtest.Header{"X-User": {"u-1"}, "X-Debug": {""}}, false, 0},
		{"none", "GET", "/", nil, false, 0},
	} {
		for _, otherwise := range []string{"allow", "deny"} {
			a := of(t, layer7, otherwise)
			c := call(id("a"))
			c.Method, c.Path = tt.method, tt.path
			if tt.header != nil {
				c.Header = tt.header
			}
			d := a.Explain(c)
			want := !tt.denied && (otherwise == "allow" || tt.permission > 0)
			if d.Allowed != want || d.Permission != tt.permission {
				t.Errorf("%s, default %s: got %+v, want %t by permission %d", tt.name, otherwise, d, want, tt.permission)
			}
		}
	}
}

func TestDecide_headers(t *testing.T) {
	for _, tt := range []struct {
		matcher string
		values  []string
		allow   bool // whether an allowance with it matches
		deny    bool // whether a denial with it does
	}{
		{`"Exact":"a"`, []string{"a"}, true, true},
		{`"Exact":"a"`, []string{"A"}, false, false},
		{`"Exact":"a"`, nil, false, false},
		{`"Exact":"a"`, []string{"b", "a"}, false, true},
		{`"Exact":"a"`, []string{"b,a"}, false, false},
		{`"Exact":"A","IgnoreCase":true`, []string{"a"}, true, true},
		{`"Prefix":"a"`, []string{"ab"}, true, true},
		{`"Suffix":"b"`, []string{"ab"}, true, true},
		{`"Contains":"b"`, []string{"abc"}, true, true},
		{`"Regex":"a+"`, []string{"aa"}, true, true},
		{`"Regex":"a+"`, []string{"aab"}, false, false},
		{`"Regex":"A+","IgnoreCase":true`, []string{"aa"}, true, true},
		{`"Present":true`, []string{""}, true, true},
		{`"Present":true`, nil, false, false},
		{`"Present":true,"Invert":true`, nil, true, true},
		{`"Present":true,"Invert":true`, []string{"x"}, false, false},
		{`"Exact":"a","Invert":true`, []string{"b"}, true, true},
		{`"Exact":"a","Invert":true`, []string{"a"}, false, false},
		{`"Exact":"a","Invert":true`, nil, true, true},
		{`"Exact":"a","Invert":true`, []string{"a", "b"}, false, true},
	} {
		for action, want := range map[string]bool{"allow": tt.allow, "deny": tt.deny} {
			a := of(t, `[{"SourceName":"a","DestinationName":"web","Permissions":[{"Action":"`+action+`","HTTP":{"Header":[{"Name":"X-H",`+
				tt.matcher+`}]}}]}]`, "deny")
			c := call(id("a"))
			if tt.values != nil {
				c.Header = enmeshtest.Header{"X-H": tt.values}
			}
			if d := a.Explain(c); (d.Permission == 1) != want || d.Allowed != (want && action == "allow") {
				t.Errorf("%s, %s of %q: got %+v, want a match %t", action, tt.matcher, tt.values, d, want)
			}
		}
	}
}

// What is not understood denies, and says so.
func TestDecide_unknown(t *testing.T) {
	for name, intention := range map[string]string{
		"a field in a permission": `"Permissions":[{"Action":"allow","HTTP":{"PathExact":"/","Cookies":["x"]}}]`,
		"a kind of permission":    `"Permissions":[{"Action":"allow","TCP":{}}]`,
		"a matcher":               `"Permissions":[{"Action":"allow","HTTP":{"Header":[{"Name":"x","Glob":"*"}]}}]`,
		"no matcher":              `"Permissions":[{"Action":"allow","HTTP":{"Header":[{"Name":"x"}]}}]`,
		"two matchers":            `"Permissions":[{"Action":"allow","HTTP":{"Header":[{"Name":"x","Exact":"a","Prefix":"b"}]}}]`,
		"two paths":               `"Permissions":[{"Action":"allow","HTTP":{"PathExact":"/","PathPrefix":"/"}}]`,
		"a bad expression":        `"Permissions":[{"Action":"allow","HTTP":{"PathRegex":"("}}]`,
		"one that closes another": `"Permissions":[{"Action":"allow","HTTP":{"PathRegex":"a)|(.*"}}]`,
		"a huge expression":       `"Permissions":[{"Action":"allow","HTTP":{"PathRegex":"` + strings.Repeat("a", 2000) + `"}}]`,
		"a bad escape":            `"Permissions":[{"Action":"allow","HTTP":{"PathPrefix":"/%zz"}}]`,
		"an action":               `"Action":"maybe"`,
		"no action":               `"Action":""`,
		"a token's condition":     `"Action":"allow","JWT":{"Providers":[{"Name":"okta"}]}`,
		"a type of source":        `"Action":"allow","SourceType":"external"`,
	} {
		a := of(t, `[{"SourceName":"a","DestinationName":"web",`+intention+`}]`, "allow")
		if d := a.Explain(call(id("a"))); d.Allowed || d.Intention == "" {
			t.Errorf("%s: got %+v, want a denial", name, d)
		}
		if err := a.Err(); err == nil || !strings.Contains(err.Error(), "a => web") {
			t.Errorf("%s: Err: got %v, want it to name the intention", name, err)
		}
		if d := a.Explain(call(id("b"))); !d.Allowed {
			t.Errorf("%s: another caller: got %+v, want the default", name, d)
		}
	}
}

// A permission that asks for a token allows nobody, and denies without one.
func TestDecide_tokens(t *testing.T) {
	const jwt = `"JWT":{"Providers":[{"Name":"okta"}]}`
	a := of(t, `[{"SourceName":"a","DestinationName":"web","Permissions":[{"Action":"deny","HTTP":{"PathExact":"/x"},`+jwt+`},
		{"Action":"allow","HTTP":{"PathExact":"/y"},`+jwt+`},{"Action":"allow","HTTP":{"PathExact":"/z"}}]}]`, "deny")
	for path, want := range map[string]bool{"/x": false, "/y": false, "/z": true} {
		c := call(id("a"))
		c.Path = path
		if d := a.Explain(c); d.Allowed != want {
			t.Errorf("%s: got %+v, want %t", path, d, want)
		}
	}
}

// Sources that nobody here can be match nobody.
func TestDecide_foreignSources(t *testing.T) {
	for _, where := range []string{`"SourcePeer":"other"`, `"SourcePartition":"p1"`, `"SourceSamenessGroup":"g"`} {
		a := of(t, `[{"SourceName":"*","DestinationName":"web","Action":"allow",`+where+`}]`, "deny")
		if d := a.Explain(call(id("a"))); d.Allowed || d.Intention != "" {
			t.Errorf("%s: got %+v, want the default", where, d)
		}
	}
}

func TestAuthorizer_refusal(t *testing.T) {
	var told []intentions.Decision
	cfg := intentions.Config{Audit: func(_ context.Context, _ *enmesh.Call, d *intentions.Decision) { told = append(told, *d) }}
	a := open(t, cfg, newAgent(t, ordered, "deny").address, "")
	_, err := a.Admit(t.Context(), call(id("c")))
	e := enmesh.ErrorOf(err)
	if !errors.Is(err, intentions.ErrDenied) || e.Code != enmesh.PermissionDenied || e.Outcome != enmesh.Neutral || e.Status != 403 {
		t.Errorf("got %v, want PERMISSION_DENIED, 403, Neutral", err)
	}
	if _, err := a.Admit(t.Context(), call(id("a"))); err != nil {
		t.Errorf("got %v, want it allowed", err)
	}
	if len(told) != 1 || told[0].Source != "c" || strings.Contains(err.Error(), "precedence") {
		t.Errorf("the audit heard %+v, the caller %q; want the one refusal, without its reason for the caller", told, err)
	}
}

// As a CUSTOM policy it stands beside others, and both must allow.
func TestAuthorizer_isAChecker(t *testing.T) {
	a := of(t, ordered, "deny")
	engine, err := authz.New(authz.Config{
		Policies: []authz.Policy{
			{Name: "consul", Action: authz.Custom, Provider: "consul", Rules: []authz.Rule{{}}},
			{Name: "no-post", Action: authz.Deny, Rules: []authz.Rule{{To: []authz.Operation{{Methods: []string{"POST"}}}}}},
		},
		Checkers: map[string]authz.Checker{"consul": a},
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		service, method string
		want            bool
	}{{"a", "GET", true}, {"a", "POST", false}, {"c", "GET", false}} {
		c := call(id(tt.service))
		c.Method = tt.method
		if _, err := engine.Admit(t.Context(), c); (err == nil) != tt.want {
			t.Errorf("%s by %s: got %v, want it allowed %t", tt.method, tt.service, err, tt.want)
		}
	}
}

func TestAuthorizer_conforms(t *testing.T) {
	a := of(t, "null", "allow")
	enmeshtest.TestGate(t, func() enmesh.Gate { return a })
	b := of(t, ordered, "allow")
	enmeshtest.TestGate(t, func() enmesh.Gate { return b })
}

func TestDecide_allocations(t *testing.T) {
	a := of(t, layer7, "deny")
	c := call(id("a"))
	c.Path, c.Header = "/own", enmeshtest.Header{"X-User": {"u-1"}}
	set := a.Set()
	if n := testing.AllocsPerRun(100, func() { set.Decide(c) }); n > 0 {
		t.Errorf("got %v allocations, want 0", n)
	}
}

func BenchmarkDecide(b *testing.B) {
	a := of(b, layer7, "deny")
	c := call(id("a"))
	c.Path, c.Header = "/own", enmeshtest.Header{"X-User": {"u-1"}}
	set := a.Set()
	b.ReportAllocs()
	for b.Loop() {
		if d := set.Decide(c); !d.Allowed {
			b.Fatal(d)
		}
	}
}
