// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package authz_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"testing"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/security/authz"
)

// dice makes random policies and requests of small vocabularies, so that they often meet.
type dice struct{ *rand.Rand }

func pick[T any](d dice, list ...T) T { return list[d.IntN(len(list))] }

// some is one to three of list, or nil in most cases.
func (d dice) some(chance int, list []string) []string {
	if d.IntN(100) >= chance {
		return nil
	}
	out := []string{pick(d, list...)}
	for d.IntN(3) == 0 {
		out = append(out, pick(d, list...))
	}
	return out
}

var words = struct {
	principals, namespaces, accounts, domains, users, blocks, hosts, ports, methods, paths []string
}{
	principals: []string{"*", "cluster.local/ns/default/sa/web", "cluster.local/ns/default/*", "*/sa/web", "td.example/ns/prod/sa/api", "old.example/ns/prod/sa/api", "old.example/*", "cluster.local/ns/default/sa/we*", "*web", "td*"},
	namespaces: []string{"*", "default", "prod", "d*t", "pro*", "*fault", "dev", "*o*"},
	accounts:   []string{"web", "default/web", "prod/api", "dev/x", "api"},
	domains:    []string{"*", "cluster.local", "td.example", "td*", "*.example"},
	users:      []string{"*", "https://i.example/alice", "https://i.example/*", "*/alice", "*ice", "https://i.example/al*", "https://i.example/team/bob", "*.example/bob", "https*", "other/bob"},
	blocks:     []string{"10.0.0.0/8", "10.1.2.3", "192.168.0.0/16", "0.0.0.0/0", "2001:db8::/32", "10.1.2.2/31", "::/0", "1.2.3.4"},
	hosts:      []string{"*", "a.example", "*.example", "a.*", "A.Example:8443", "a.example:*", "b.example.", "a.example:80", "*:443"},
	ports:      []string{"80", "8080", "443"},
	methods:    []string{"GET", "POST", "P*", "*", "*T", "get"},
	paths:      []string{"*", "/", "/admin", "/admin*", "/admin/*", "*/secret", "/users/{*}", "/users/{*}/x", "/a/{**}", "/a/{**}/z", "/a/{**}/", "/{*}/{*}", "*.txt", "/pkg.Svc/M", "/pkg.Svc/*"},
}

func (d dice) source() authz.Source {
	for {
		s := authz.Source{
			RequestPrincipals: d.some(15, words.users), NotRequestPrincipals: d.some(10, words.users),
			IPBlocks: d.some(15, words.blocks), NotIPBlocks: d.some(8, words.blocks),
			RemoteIPBlocks: d.some(10, words.blocks), NotRemoteIPBlocks: d.some(5, words.blocks),
			TrustDomains: d.some(10, words.domains), NotTrustDomains: d.some(8, words.domains),
		}
		if d.IntN(4) == 0 {
			s.ServiceAccounts, s.NotServiceAccounts = d.some(60, words.accounts), d.some(25, words.accounts)
		} else {
			s.Principals, s.NotPrincipals = d.some(35, words.principals), d.some(12, words.principals)
			s.Namespaces, s.NotNamespaces = d.some(20, words.namespaces), d.some(10, words.namespaces)
		}
		if fmt.Sprint(s) != fmt.Sprint(authz.Source{}) {
			return s
		}
	}
}

func (d dice) operation() authz.Operation {
	for {
		o := authz.Operation{
			Hosts: d.some(20, words.hosts), NotHosts: d.some(10, words.hosts), Ports: d.some(10, words.ports), NotPorts: d.some(8, words.ports),
			Methods: d.some(25, words.methods), NotMethods: d.some(10, words.methods), Paths: d.some(45, words.paths), NotPaths: d.some(15, words.paths),
		}
		if fmt.Sprint(o) != fmt.Sprint(authz.Operation{}) {
			return o
		}
	}
}

func (d dice) condition() authz.Condition {
	values := []string{"a", "b", "a*", "*b", "*", "admin", "user", "a,b", "user,*", "true", "3", "read"}
	key := pick(d, "request.headers[X-Role]", "request.headers[x-role]", "request.headers[user-agent]", "request.headers[host]",
		"request.auth.claims[groups]", "request.auth.claims[scope]", "request.auth.claims[n][m]", "request.auth.claims[level]",
		"request.auth.audiences", "request.auth.presenter", "request.auth.principal", "source.ip", "remote.ip", "destination.ip", "destination.port",
		"source.principal", "source.namespace", "source.serviceAccount", "source.trustDomain", "connection.sni")
	switch key {
	case "source.ip", "remote.ip", "destination.ip":
		values = words.blocks
	case "destination.port":
		values = words.ports
	case "source.principal":
		values = words.principals
	case "source.namespace":
		values = words.namespaces
	case "source.serviceAccount":
		values = words.accounts
	case "source.trustDomain":
		values = words.domains
	case "request.auth.principal":
		values = words.users
	case "request.headers[host]", "connection.sni":
		values = []string{"a.example", "*.example", "*", "a.*", "B.example"}
	}
	for {
		c := authz.Condition{Key: key, Values: d.some(70, values), NotValues: d.some(35, values)}
		if c.Values != nil || c.NotValues != nil {
			return c
		}
	}
}

func (d dice) rule() authz.Rule {
	var r authz.Rule
	for range pick(d, 0, 1, 1, 2) {
		r.From = append(r.From, d.source())
	}
	for range pick(d, 0, 1, 1, 2) {
		r.To = append(r.To, d.operation())
	}
	for range pick(d, 0, 0, 1, 2) {
		r.When = append(r.When, d.condition())
	}
	return r
}

// policy has few rules, or, often enough, so many that they are indexed.
func (d dice) policy(i int) authz.Policy {
	p := authz.Policy{
		Name: fmt.Sprintf("p%d", i), Namespace: pick(d, "default", "prod"),
		Action: pick(d, authz.Allow, authz.Allow, authz.Allow, authz.Deny, authz.Deny, authz.Custom, authz.Audit),
	}
	for range pick(d, 0, 1, 1, 2, 3, 12, 25) {
		p.Rules = append(p.Rules, d.rule())
	}
	if p.Rules == nil && p.Action != authz.Audit {
		p.Action = authz.Allow
	}
	if p.Action == authz.Custom {
		p.Provider = "ext"
	}
	p.DryRun = (p.Action == authz.Allow || p.Action == authz.Deny) && d.IntN(8) == 0
	return p
}

func (d dice) config(external bool) authz.Config {
	cfg := authz.Config{
		Default: pick(d, authz.AllowByDefault, authz.AllowByDefault, authz.DenyByDefault), TrustedProxies: pick(d, 0, 1, 2),
		Checkers: map[string]authz.Checker{"ext": answers{}},
	}
	if !external {
		cfg.Checkers["ext"] = answers{err: &enmesh.Error{Code: enmesh.PermissionDenied, Outcome: enmesh.Neutral}}
	}
	if d.IntN(2) == 0 {
		cfg.TrustDomain, cfg.Aliases = "td.example", []string{"old.example"}
	}
	for i := range 1 + d.IntN(4) {
		cfg.Policies = append(cfg.Policies, d.policy(i))
	}
	return cfg
}

func (d dice) request() request {
	r := request{
		grpc:     d.IntN(6) == 0,
		method:   pick(d, "", "GET", "POST", "PUT", "get", "post"),
		path:     pick(d, "", "/admin", "/admin/secret", "/adminx", "/users/7", "/users/7/x", "/users/", "/a/b/z", "/a/", "/a/b/c/", "/a/b", "/x.txt", "/pkg.Svc/M", "/pkg.Svc/Mx", "*", "admin", "/a\x00b"),
		host:     pick(d, "", "a.example", "A.EXAMPLE", "a.example:8443", "a.example.", "b.example:443", "c.org", "x@a.example", "a.example:x", "a.example:"),
		https:    d.IntN(2) == 0,
		identity: pick(d, "", web, webEvil, web, "spiffe://td.example/ns/prod/sa/api", "spiffe://old.example/ns/prod/sa/api", "spiffe://td.example/x/ns/dev/sa/x", "spiffe://td.example/ns/a/ns/prod/sa/api", "https://x", "spiffe://TD/ns/a/sa/b", "spiffe://td.example/only"),
		from:     pick(d, "", "", "10.1.2.2:9", "192.168.1.1:1", "[2001:db8::1]:1", "[::ffff:10.1.2.3]:2", "-"),
		at:       pick(d, "", "", "10.0.0.1:80", "[2001:db8::2]:443", "-"),
		sni:      pick(d, "", "a.example", "A.example", "b.example"),
		header:   http.Header{},
	}
	r.anonymous = d.IntN(20) == 0
	for range pick(d, 0, 0, 1, 1, 2) {
		r.header.Add("X-Role", pick(d, "a", "b", "ab", "admin", "user", "user,admin", "user, admin", "a,b", "", "  ", "a,", "user,x"))
	}
	for range pick(d, 0, 1, 2) {
		r.header.Add("X-Forwarded-For", pick(d, "1.2.3.4", "10.1.2.3, 1.2.3.4", "1.2.3.4:80", "unknown", "2001:db8::9", ""))
	}
	if d.IntN(2) == 0 {
		r.header.Add("User-Agent", pick(d, "a", "a (x, b)", "b", "user, b"))
	}
	if d.IntN(3) > 0 {
		r.auth = &enmesh.Auth{
			Issuer: pick(d, "https://i.example", "other", ""), Subject: pick(d, "alice", "bob", "team/bob", ""), Presenter: pick(d, "a", "", "b"),
			Audiences: pick(d, nil, []string{"a"}, []string{"user", "b"}),
			Claims: map[string]any{
				"groups": pick[any](d, "a", []any{"a", "b"}, []any{json.Number("3"), "x"}, map[string]any{}, nil),
				"scope":  pick[any](d, "read write", "a", nil), "level": pick[any](d, json.Number("3"), true, "3", "x"),
				"n": pick[any](d, map[string]any{"m": "admin"}, map[string]any{}, "a", nil),
			},
		}
	}
	return r
}

// The engine decides as the oracle does, in every one of 100,000 random pairs.
func TestScenarioA15_oracle(t *testing.T) {
	engines, each := 5000, 20
	if raceEnabled { // which makes it ten times as slow
		engines /= 10
	}
	d := dice{rand.New(rand.NewPCG(6, 15))}
	allowed := 0
	for i := range engines {
		external := d.IntN(2) == 0
		cfg := d.config(external)
		e := engine(t, cfg)
		o := oracle{cfg, external}
		for n := range each {
			r := d.request()
			want := o.allowed(r)
			if want {
				allowed++
			}
			if got := allows(e, r); got != want {
				t.Fatalf("engine %d: allowed %v, want %v, for %+v (auth %+v) of %+v\ntrust domain %q, proxies %d, default %d, external %v",
					i, got, want, r, r.auth, cfg.Policies, cfg.TrustDomain, cfg.TrustedProxies, cfg.Default, external)
			}
			if n > 0 { // Explain is slow
				continue
			}
			if got := e.Explain(t.Context(), r.call()); got.Provider == "" && got.Allowed != want {
				t.Fatalf("engine %d: Explain says %+v, want %v", i, got, want)
			}
		}
	}
	t.Logf("%d pairs, %d allowed, 0 disagreements", engines*each, allowed)
}
