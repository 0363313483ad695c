// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package authz_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/security/authz"
)

// manyRules is a policy of n rules, each for a client and a path of its own, with a method
// and a namespace that all share; ten of a hundred are prefixes, ranges or claims instead.
func manyRules(action authz.Action, n int) authz.Config {
	p := authz.Policy{Name: "many", Namespace: "default", Action: action}
	for i := range n {
		rule := authz.Rule{
			From: []authz.Source{{Principals: []string{fmt.Sprintf("cluster.local/ns/default/sa/client-%d", i)}}},
			To:   []authz.Operation{{Methods: []string{"GET"}, Paths: []string{fmt.Sprintf("/api/v1/things/%d", i)}}},
		}
		switch i % 30 {
		case 7:
			rule.To[0].Paths, rule.From[0] = []string{fmt.Sprintf("/files/%d/*", i)}, authz.Source{Namespaces: []string{"default"}}
		case 17:
			rule.From[0] = authz.Source{IPBlocks: []string{fmt.Sprintf("172.16.%d.%d/32", i/256%256, i%256)}}
			rule.To[0].Paths = nil
		case 27:
			rule = authz.Rule{When: []authz.Condition{{Key: "request.headers[x-tenant]", Values: []string{fmt.Sprintf("tenant-%d", i)}}}}
		}
		p.Rules = append(p.Rules, rule)
	}
	return authz.Config{Policies: []authz.Policy{p}}
}

// clientOf is a request that rule i matches, or, if far, one that none does.
func clientOf(i int, far bool) request {
	r := request{identity: fmt.Sprintf("spiffe://cluster.local/ns/default/sa/client-%d", i), path: fmt.Sprintf("/api/v1/things/%d", i), host: "api.example:8080"}
	if far {
		r.path += "/none"
	}
	r.header = lines("X-Tenant", "nobody")
	return r
}

func TestScenarioA14_tenThousandRules(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector makes everything slow")
	}
	const rules, calls = 10_000, 20_000
	for _, action := range []authz.Action{authz.Allow, authz.Deny} {
		t.Run(action.String(), func(t *testing.T) {
			e := engine(t, manyRules(action, rules))
			var requests []*enmesh.Call
			for i := range 1000 {
				requests = append(requests, clientOf(i*10, i%2 == 1).call())
			}
			ctx := context.Background()
			best := time.Hour
			for range 5 { // other processes take the processor away: the best of five counts
				took := make([]time.Duration, calls)
				for i := range calls {
					start := time.Now()
					_, err := e.Admit(ctx, requests[i%len(requests)])
					took[i] = time.Since(start)
					if n := i % len(requests); (n*10)%30 == 0 && (err == nil) != ((n%2 == 0) == (action == authz.Allow)) {
						t.Fatalf("request %d: %v", n, err)
					}
				}
				slices.Sort(took)
				best = min(best, took[calls*99/100])
			}
			t.Logf("p99 of a decision by %d rules: %v", rules, best)
			if best > 50*time.Microsecond {
				t.Errorf("p99 is %v, want at most 50µs", best)
			}
		})
	}
}

// An allowed call costs no allocation, whatever the rules look at.
func TestEngine_allocatesNothing(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	ctx := context.Background()
	auth := &enmesh.Auth{Issuer: "https://i.example", Subject: "alice", Audiences: []string{"api"}, Claims: map[string]any{"groups": []any{"dev", "ops"}}}
	everything := authz.Rule{
		From: []authz.Source{{
			Principals: []string{"cluster.local/ns/default/*"}, Namespaces: []string{"default"}, TrustDomains: []string{"cluster.local"},
			RequestPrincipals: []string{"https://i.example/alice"}, IPBlocks: []string{"10.0.0.0/8"}, RemoteIPBlocks: []string{"1.2.3.0/24"},
		}},
		To: []authz.Operation{{Hosts: []string{"*.example"}, Ports: []string{"8080"}, Methods: []string{"GET"}, Paths: []string{"/api/{*}/x", "/none"}, NotPaths: []string{"*/secret"}}},
		When: []authz.Condition{
			{Key: "request.headers[X-Role]", Values: []string{"admin", "user"}}, {Key: "request.auth.claims[groups]", Values: []string{"ops"}},
			{Key: "request.auth.audiences", Values: []string{"api"}}, {Key: "source.serviceAccount", NotValues: []string{"default/evil"}},
		},
	}
	r := request{identity: web, path: "/api/7/x", host: "a.example:8080", auth: auth, header: lines("X-Role", "user, admin")}
	r.header.Set("X-Forwarded-For", "1.2.3.4")
	for _, tc := range []struct {
		name string
		cfg  authz.Config
		req  request
	}{
		{"every kind of field", authz.Config{TrustedProxies: 1, Policies: []authz.Policy{{Name: "p", Rules: []authz.Rule{everything}}}}, r},
		{"10,000 rules", manyRules(authz.Allow, 10_000), clientOf(30, false)},
		{"10,000 rules of DENY", manyRules(authz.Deny, 10_000), clientOf(30, true)},
	} {
		t.Run(tc.name, func(t *testing.T) {
			e, c := engine(t, tc.cfg), tc.req.call()
			if _, err := e.Admit(ctx, c); err != nil {
				t.Fatal(err)
			}
			if got := testing.AllocsPerRun(1000, func() { _, _ = e.Admit(ctx, c) }); got != 0 {
				t.Errorf("%v allocations, want 0", got)
			}
		})
	}
}

// Refusing costs what the made-up answer takes in the call's record, once.
func TestEngine_refusalIsCheap(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	e, c := engine(t, manyRules(authz.Allow, 10_000)), clientOf(30, true).call()
	if got := testing.AllocsPerRun(1000, func() { _, _ = e.Admit(context.Background(), c) }); got != 0 {
		t.Errorf("%v allocations for a call with a record of rare things, want 0", got)
	}
}

func BenchmarkEngine(b *testing.B) {
	for _, n := range []int{10, 100, 10_000} {
		for _, denied := range []bool{false, true} {
			e := engine(b, manyRules(authz.Allow, n))
			name := fmt.Sprintf("rules=%d/allowed", n)
			if denied {
				name = fmt.Sprintf("rules=%d/denied", n)
			}
			ctx := context.Background()
			b.Run(name, func(b *testing.B) {
				c := clientOf(0, denied).call()
				b.ReportAllocs()
				for b.Loop() {
					_, _ = e.Admit(ctx, c)
				}
			})
			b.Run(name+"/parallel", func(b *testing.B) {
				b.ReportAllocs()
				b.RunParallel(func(pb *testing.PB) {
					c := clientOf(0, denied).call()
					for pb.Next() {
						_, _ = e.Admit(ctx, c)
					}
				})
			})
		}
	}
}

// What no index helps with: every rule has to be tried.
func BenchmarkEngine_linear(b *testing.B) {
	p := authz.Policy{Name: "odd", Action: authz.Deny}
	for i := range 1000 {
		p.Rules = append(p.Rules, authz.Rule{
			From: []authz.Source{{NotPrincipals: []string{"cluster.local/ns/default/*"}}},
			To:   []authz.Operation{{NotPaths: []string{fmt.Sprintf("/open/%d", i)}}},
		})
	}
	e, c := engine(b, authz.Config{Policies: []authz.Policy{p}}), clientOf(0, false).call()
	b.ReportAllocs()
	for b.Loop() {
		_, _ = e.Admit(context.Background(), c)
	}
}

func BenchmarkNew(b *testing.B) {
	cfg := manyRules(authz.Allow, 10_000)
	b.ReportAllocs()
	for b.Loop() {
		engine(b, cfg)
	}
}
