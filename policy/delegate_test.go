// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package policy_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/policy"
)

// part is a VirtualService without hosts.
func part(meta, http string) string {
	return "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {" + meta + "}\nspec: {http: " + http + "}\n---\n"
}

// The match of a delegate's rule is narrowed by that of the rule above; one that is
// wider takes the rule out. want has the paths, of all, that still reach the delegate.
func TestDelegate_matches(t *testing.T) {
	for _, tt := range []struct {
		above, own string
		want       bool // the rule is left
		takes      *enmesh.Call
		not        *enmesh.Call
	}{
		{"", "{uri: {prefix: /a}}", true, &enmesh.Call{Path: "/a"}, &enmesh.Call{Path: "/b"}},
		{"{uri: {prefix: /a}}", "", true, &enmesh.Call{Path: "/a"}, &enmesh.Call{Path: "/b"}},
		{"{uri: {prefix: /a}}", "{uri: {prefix: /a/b}}", true, &enmesh.Call{Path: "/a/b/c"}, &enmesh.Call{Path: "/a/c"}},
		{"{uri: {prefix: /a}}", "{uri: {exact: /a/b}}", true, &enmesh.Call{Path: "/a/b"}, &enmesh.Call{Path: "/a"}},
		{"{uri: {exact: /a}}", "{uri: {exact: /a}}", true, &enmesh.Call{Path: "/a"}, &enmesh.Call{Path: "/b"}},
		{"{uri: {exact: /a}}", "{uri: {exact: /b}}", false, nil, nil},
		{"{uri: {exact: /a}}", "{uri: {prefix: /a}}", false, nil, nil},
		{"{uri: {prefix: /a/b}}", "{uri: {prefix: /a}}", false, nil, nil},
		{"{uri: {regex: /a.*}}", "{uri: {exact: /a}}", false, nil, nil},
		{"{uri: {prefix: /a}}", "{uri: {regex: /a}}", false, nil, nil},
		{"{uri: {regex: /a.*}}", "{method: {exact: GET}}", true, &enmesh.Call{Path: "/ab", Method: "GET"}, &enmesh.Call{Path: "/b", Method: "GET"}},
		{"{uri: {prefix: /a}, ignoreUriCase: true}", "{uri: {prefix: /a}}", false, nil, nil},
		{"{headers: {x: {exact: '1'}}}", "{headers: {x: {exact: '2'}}}", false, nil, nil},
		{"{headers: {x: {exact: '1'}}}", "{headers: {x: {}}}", false, nil, nil},
		{"{headers: {x: {}}}", "{headers: {x: {exact: '1'}}}", true, &enmesh.Call{Header: header{map[string][]string{"X": {"1"}}}},
			&enmesh.Call{Header: header{map[string][]string{"X": {"2"}}}}},
		{"{headers: {x: {exact: '1'}}}", "{headers: {y: {exact: '2'}}}", true, &enmesh.Call{Header: header{map[string][]string{"X": {"1"}, "Y": {"2"}}}},
			&enmesh.Call{Header: header{map[string][]string{"Y": {"2"}}}}},
		{"{withoutHeaders: {x: {exact: '1'}}}", "{withoutHeaders: {y: {exact: '2'}}}", true, &enmesh.Call{Header: header{}},
			&enmesh.Call{Header: header{map[string][]string{"X": {"1"}}}}},
		{"{queryParams: {q: {exact: '1'}}}", "{queryParams: {p: {exact: '2'}}}", true, &enmesh.Call{Query: "q=1&p=2"}, &enmesh.Call{Query: "p=2"}},
		{"{queryParams: {q: {exact: '1'}}}", "{queryParams: {q: {prefix: '1'}}}", false, nil, nil},
		{"{port: 80}", "{uri: {prefix: /}}", true, &enmesh.Call{Path: "/", Destination: enmesh.Destination{Port: 80}}, &enmesh.Call{Path: "/"}},
		{"{port: 80}", "{port: 81}", false, nil, nil},
		{"{scheme: {exact: http}}", "{scheme: {exact: https}}", false, nil, nil},
		{"{authority: {prefix: a}}", "{authority: {exact: ab}}", true, &enmesh.Call{Authority: "ab"}, &enmesh.Call{Authority: "a"}},
		{"{sourceLabels: {app: web}}", "{sourceLabels: {app: cart}}", false, nil, nil},
		{"{sourceNamespace: default}", "{sourceNamespace: shop}", false, nil, nil},
		{"{gateways: [mesh]}", "{gateways: [front]}", false, nil, nil},
		{"{uri: {prefix: /a}}, {uri: {prefix: /b}}", "{uri: {prefix: /b/c}}", true, &enmesh.Call{Path: "/b/c"}, &enmesh.Call{Path: "/a/c"}},
		{"{uri: {prefix: /a}}", "{uri: {prefix: /a/b}}, {uri: {prefix: /c}}", false, nil, nil},
	} {
		above, own := "match: ["+tt.above+"], ", "match: ["+tt.own+"], "
		if tt.above == "" {
			above = ""
		}
		if tt.own == "" {
			own = ""
		}
		s := parse(t, policy.Loader{Labels: map[string]string{"app": "web"}},
			vs("a", "a", "[{"+above+"delegate: {name: b}}, {name: rest, match: [{uri: {exact: /never}}], "+toA+"}]")+part("name: b", "[{"+own+toA+"}]"))
		rules := s.Service("a.default.svc.cluster.local").Rules
		if got := len(rules) == 2; got != tt.want {
			t.Errorf("%s with %s: left %t, want %t", tt.above, tt.own, got, tt.want)
			continue
		}
		if !tt.want {
			if !strings.Contains(notes(s), "b spec.http[0].match[") {
				t.Errorf("%s with %s: no finding says so: %s", tt.above, tt.own, notes(s))
			}
			continue
		}
		for c, want := range map[*enmesh.Call]bool{tt.takes: true, tt.not: false} {
			if c.Header == nil {
				c.Header = header{map[string][]string{}}
			}
			if _, got := rules[0].Matches(c); got != want {
				t.Errorf("%s with %s: %s%s taken %t, want %t", tt.above, tt.own, c.Path, c.Query, got, want)
			}
		}
	}
}

// What a delegate says itself holds, what it leaves open is as the rule above says,
// and short names are of the document that has them.
func TestDelegate_inherits(t *testing.T) {
	root := `[{name: front, timeout: 1s, retries: {attempts: 7}, rewrite: {uri: /x/}, mirror: {host: shadow}, mirrorPercentage: {value: 50},
	  headers: {request: {set: {x: root}}}, fault: {abort: {httpStatus: 500, percentage: {value: 1}}}, delegate: {name: part, namespace: shop}}]`
	s := parse(t, policy.Loader{}, vs("a", "a", root)+part("name: part, namespace: shop", `[
	  {match: [{uri: {prefix: /own}}], name: own, timeout: 2s, retries: {attempts: 0}, rewrite: {uri: /y/}, mirror: {host: other}, headers: {request: {set: {x: leaf}}}, route: [{destination: {host: b}}]},
	  {match: [{uri: {prefix: /moved}}], redirect: {uri: /new}},
	  {route: [{destination: {host: c}}]}]`))
	rules := s.Service("a.default.svc.cluster.local").Rules
	if len(rules) != 3 {
		t.Fatalf("got %d rules, want 3", len(rules))
	}
	var got []string
	for _, r := range rules {
		to := "redirect"
		if len(r.Split) > 0 {
			to = r.Split[0].Service
		}
		mirror := ""
		for _, m := range r.Mirrors {
			mirror += fmt.Sprint(m.Service, " ", m.Share)
		}
		got = append(got, fmt.Sprint(r.Name, " ", r.Origin, " ", r.Timeout, " ", r.Retry.MaxAttempts, " ", r.Rewrite.URI, " ", r.Headers.Request.Set["x"], " ", mirror, " ", r.Fault.AbortPPM, " ", to))
	}
	want := []string{
		"front-own a.yaml:11 2s 1 /y/ leaf other.shop.svc.cluster.local 500000 10000 b.shop.svc.cluster.local",
		"front a.yaml:12 1s 8  root  0 redirect",
		"front a.yaml:13 1s 8 /x/ root shadow.default.svc.cluster.local 500000 10000 c.shop.svc.cluster.local",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if rules[0].Timeout != 2*time.Second || rules[0].Document != "VirtualService shop/part" {
		t.Errorf("the delegate's rule is of %s", rules[0].Document)
	}
}

func TestDelegate_findings(t *testing.T) {
	rest := ", {" + toA + "}]"
	for _, tt := range []struct{ name, text, want string }{
		{"nobody", vs("a", "a", "[{delegate: {name: b}}"+rest),
			"a spec.http[0].delegate: warned: VirtualService \"b\" without hosts in namespace default is not loaded: the rule is left out, as in Istio, and its calls go on to the next\n"},
		{"with hosts", vs("a", "a", "[{delegate: {name: b}}"+rest) + vs("b", "b", "[{"+toA+"}]"),
			"a spec.http[0].delegate: warned: VirtualService \"b\" without hosts in namespace default is not loaded: the rule is left out, as in Istio, and its calls go on to the next\n"},
		{"private", vs("a", "a", "[{delegate: {name: b, namespace: shop}}"+rest) + strings.Replace(part("name: b, namespace: shop", "[{"+toA+"}]"), "http:", "exportTo: ['.'], http:", 1),
			"a spec.http[0].delegate: warned: VirtualService \"b\" (a.yaml:6) is not exported to namespace default: the rule is left out, and its calls go on to the next\n" +
				"b spec: ignored: a delegate, and no rule in force delegates to it: the document has no effect\n"},
		{"exported to the rule, not to the process", strings.Replace(vs("a", "a.default", "[{match: [{port: 1}], delegate: {name: b}}"+rest), "{name: a}", "{name: a, namespace: shop}", 1) +
			strings.Replace(part("name: b, namespace: shop", "[{"+toA+"}]"), "http:", "exportTo: [shop], http:", 1), ""},
		{"twice", vs("a", "a", "[{match: [{port: 1}], delegate: {name: b}}"+rest) + part("name: b", "[{"+toA+"}]") + part("name: b", "[{"+toA+"}]"),
			"b spec: ignored: without effect: rules that delegate to it get those of VirtualService \"b\" (a.yaml:6), which goes first\n"},
		{"unreachable", vs("a", "a", "[{delegate: {name: b}}"+rest) + part("name: b", "[{"+toA+"}, {"+toA+"}]"),
			"a spec.http[1]: warned: no call reaches this rule: the rule at a.yaml:9 has no match and takes all; put it last\n" +
				"b spec.http[1]: warned: no call reaches this rule: the rule at a.yaml:9 has no match and takes all; put it last\n"},
		{"used by two", vs("a", "a", "[{match: [{uri: {prefix: /a}}], delegate: {name: b}}, {match: [{uri: {prefix: /c}}], delegate: {name: b}}"+rest) +
			part("name: b", "[{match: [{uri: {prefix: /}}], "+toA+"}, {"+toA+"}]"),
			"b spec.http[0].match[0]: warned: no match of the rule that delegates here (a.yaml:4) holds all that this one does: the rule is left out there, as in Istio\n"},
	} {
		t.Run(tt.name, func(t *testing.T) { wantNotes(t, parse(t, policy.Loader{}, tt.text), tt.want) })
	}
}
