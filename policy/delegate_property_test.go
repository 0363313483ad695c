// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package policy_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/policy"
)

// A delegate's rule takes a call only when the rule above and its own match do, each by
// itself; exactly then where both have one match; or it is left out, and then a finding
// says so. With several matches above, Istio goes on with those that hold all that the
// delegate's does, and forgets the others.
func TestDelegate_isTheIntersection(t *testing.T) {
	random := rand.New(rand.NewPCG(4, 2))
	kept, left := 0, 0
	for range 500 {
		above, own := randomMatch(random), randomMatch(random)
		load := func(text string) *policy.Service {
			return parse(t, policy.Loader{}, text).Service("a.default.svc.cluster.local")
		}
		root := load(vs("a", "a", "[{match: ["+above+"], "+toA+"}]")).Rules[0]
		leaf := load(vs("a", "a", "[{match: ["+own+"], "+toA+"}]")).Rules[0]
		s := parse(t, policy.Loader{}, vs("a", "a", "[{match: ["+above+"], delegate: {name: b}}, {match: [{port: 9}], "+toA+"}]")+
			part("name: b", "[{match: ["+own+"], "+toA+"}]"))
		rules := s.Service("a.default.svc.cluster.local").Rules
		if len(rules) == 1 {
			left++
			if !strings.Contains(notes(s), "the rule is left out") {
				t.Errorf("%s with %s is left out in silence", above, own)
			}
			continue
		}
		kept++
		for c := range everyCall {
			_, a := root.Matches(c)
			_, o := leaf.Matches(c)
			one := len(root.Match)+len(leaf.Match) == 2
			if _, got := rules[0].Matches(c); got && !(a && o) || one && got != (a && o) {
				t.Fatalf("%s with %s takes %s %s %v: %t, want %t and %t", above, own, c.Method, c.Path, c.Header, got, a, o)
			}
		}
	}
	if kept < 50 || left < 50 {
		t.Errorf("%d kept, %d left out: too few of one", kept, left)
	}
}

// randomMatch is a match block or two, of few values, so that they meet.
func randomMatch(r *rand.Rand) string {
	pick := func(of ...string) string { return of[r.IntN(len(of))] }
	var blocks []string
	for range 1 + r.IntN(2) {
		fields := []string{"port: 80"}
		for _, f := range []string{
			pick("", "", "uri: {prefix: /a}", "uri: {prefix: /a/b}", "uri: {exact: /a/b}", "uri: {exact: /a}"),
			pick("", "", "method: {exact: GET}", "method: {prefix: P}", "method: {exact: PUT}"),
			pick("", "", "", "headers: {x: {}}", "headers: {x: {exact: '1'}}", "headers: {x: {prefix: '1'}}"),
			pick("", "", "", "withoutHeaders: {y: {}}", "withoutHeaders: {y: {exact: '1'}}", "withoutHeaders: {z: {exact: '1'}}"),
			pick("", "", "", "queryParams: {q: {exact: '1'}}", "queryParams: {q: {prefix: '1'}}"),
		} {
			if f != "" {
				fields = append(fields, f)
			}
		}
		blocks = append(blocks, "{"+strings.Join(fields, ", ")+"}")
	}
	return strings.Join(blocks, ", ")
}

// everyCall is all calls that differ for randomMatch.
func everyCall(yield func(*enmesh.Call) bool) {
	values := map[string][]string{"": nil, "1": {"1"}, "12": {"12"}}
	for _, path := range []string{"/", "/a", "/ab", "/a/b", "/a/bc"} {
		for _, method := range []string{"GET", "PUT", "POST"} {
			for x := range values {
				for yz := range 4 {
					for _, query := range []string{"", "q=1", "q=12"} {
						h := map[string][]string{}
						if x != "" {
							h["X"] = values[x]
						}
						if yz&1 != 0 {
							h["Y"] = []string{[]string{"1", "2"}[len(method)%2]}
						}
						if yz&2 != 0 {
							h["Z"] = []string{fmt.Sprint(len(path) % 2)}
						}
						c := &enmesh.Call{Path: path, Method: method, Query: query, Header: header{h}, Destination: enmesh.Destination{Port: 80}}
						if !yield(c) {
							return
						}
					}
				}
			}
		}
	}
}
