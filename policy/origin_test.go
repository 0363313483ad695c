// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package policy_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/enmesh-go/enmesh/policy"
)

const rooted = `apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: reviews}
spec:
  hosts: [reviews]
  http:
  - name: other
    match:
    - {sourceLabels: {app: other}, name: labels}
    route: [{destination: {host: reviews}}]
  - name: some
    match:
    - uri: {prefix: /x}
    - gateways: [edge]
      name: edge
    - uri: {prefix: /y}
    route: [{destination: {host: reviews}}]
  - match:
    - uri: {prefix: /a}
    - uri: {prefix: /b}
    delegate: {name: part}
  - match: [{uri: {prefix: /c}}]
    delegate: {name: missing}
  - match: [{method: {exact: PUT}}]
    delegate: {name: open}
`

const parts = `apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: part}
spec:
  http:
  - match:
    - headers: {k: {exact: v}}
    - uri: {prefix: /b/c}
    route: [{destination: {host: reviews}}]
  - match: [{uri: {prefix: /z}}]
    route: [{destination: {host: reviews}}]
  - route: [{destination: {host: reviews}}]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: open}
spec:
  http:
  - route: [{destination: {host: reviews}}]
`

// Every rule and match says where it stands, a delegate's in both files, and what is left
// out stands where it would be.
func TestService_origins(t *testing.T) {
	s, err := policy.Parse([]policy.File{{Name: "r.yaml", Data: []byte(rooted)}, {Name: "p.yaml", Data: []byte(parts)}})
	if err != nil {
		t.Fatal(err)
	}
	svc := s.Service("reviews.default.svc.cluster.local")
	var got []string
	for i, r := range svc.Rules {
		got = append(got, fmt.Sprintf("%d %s %s %q: %s", i, r.Name, r.Origin, r.Delegate, strings.Join(r.MatchOrigins, " | ")))
		for _, l := range r.Left {
			got = append(got, fmt.Sprintf("  %s %s %s", l.Name, l.Origin, l.Why))
		}
		if len(r.MatchOrigins) != len(r.Match) {
			t.Errorf("rule %d has %d matches and %d origins", i, len(r.Match), len(r.MatchOrigins))
		}
	}
	for _, l := range svc.Left {
		got = append(got, fmt.Sprintf("before %d: %s %s %s", l.Before, l.Name, l.Origin, l.Why))
	}
	want := []string{
		`0 some r.yaml:11 "": r.yaml:13 | r.yaml:16`,
		`  edge r.yaml:14 gateways: for gateways only`,
		`1 reviews-2-0 p.yaml:6 "r.yaml:18": p.yaml:7, r.yaml:19 | p.yaml:7, r.yaml:20 | p.yaml:8, r.yaml:20`,
		`2 reviews-2-2 p.yaml:12 "r.yaml:18": r.yaml:19 | r.yaml:20`,
		`3 reviews-4-0 p.yaml:19 "r.yaml:24": r.yaml:24`,
		`before 0: other r.yaml:9 sourceLabels[app]: want other, have none`,
		`before 2: reviews-2-1 p.yaml:10 no match of the rule that delegates here (r.yaml:18) holds all that this one does`,
		`before 3: reviews-3 r.yaml:22 VirtualService "missing" without hosts in namespace default is not loaded`,
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// A Destination says of each part where it is from.
func TestDestination_Sources(t *testing.T) {
	rule := func(spec string) string {
		return "apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {name: NAME}\nspec:\n  host: reviews\n" + spec
	}
	s, err := policy.Parse([]policy.File{
		{Name: "a.yaml", Data: []byte(rule("  subsets:\n  - {name: v1, labels: {version: v1}}\n"))},
		{Name: "b.yaml", Data: []byte(strings.Replace(rule("  trafficPolicy: {loadBalancer: {simple: RANDOM}}\n  subsets:\n  - {name: v2, labels: {version: v2}}\n"), "NAME", "other", 1))},
		{Name: "c.yaml", Data: []byte(strings.Replace(rule(""), "reviews", "ratings", 1))},
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ host, subset, want string }{
		{"reviews", "", "[{trafficPolicy b.yaml:6}]"},
		{"reviews", "v1", "[{trafficPolicy b.yaml:6} {subset v1 a.yaml:7}]"},
		{"reviews", "v2", "[{trafficPolicy b.yaml:6} {subset v2 b.yaml:8}]"},
		{"ratings", "", "[{host c.yaml:1}]"},
		{"details", "", "[]"},
	} {
		if got := fmt.Sprint(s.Destination(tt.host + ".default.svc.cluster.local").Sources(tt.subset)); got != tt.want {
			t.Errorf("%s %s: got %s, want %s", tt.host, tt.subset, got, tt.want)
		}
	}
}
