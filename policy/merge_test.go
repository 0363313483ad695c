// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package policy_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/enmesh-go/enmesh/policy"
)

// notes is the findings that are not plainly enforced, one a line, without their
// files.
func notes(s *policy.Snapshot) string {
	var b strings.Builder
	for _, f := range s.Notes() {
		b.WriteString(f.Name + " " + f.Field + ": " + f.Verdict.String() + ": " + f.Message + "\n")
	}
	return b.String()
}

func wantNotes(t *testing.T, s *policy.Snapshot, want string) {
	t.Helper()
	if got := notes(s); got != want {
		t.Errorf("got notes\n%swant\n%s", got, want)
	}
}

// One VirtualService a host: the earlier file goes first, in a file the smaller
// name, and the others say what they have lost.
func TestParse_oneServiceAHost(t *testing.T) {
	s := parse(t, policy.Loader{},
		vs("second", "a", "[{name: second, "+toA+"}]")+vs("first", "'a', b", "[{name: first, "+toA+"}]"),
		vs("again", "a.default.svc.cluster.local, c", "[{name: again, "+toA+"}]"),
	)
	for key, want := range map[string]string{"a": "first", "b": "first", "c": "again"} {
		if got := s.Service(key + ".default.svc.cluster.local").Rules[0].Name; got != want {
			t.Errorf("%s: got %q, want %q", key, got, want)
		}
	}
	wantNotes(t, s, `second spec.hosts[0]: warned: without effect for host "a": it has its rules from VirtualService "first" (a.yaml:6), which goes first; put the rules together
again spec.hosts[0]: warned: without effect for host "a.default.svc.cluster.local": it has its rules from VirtualService "first" (a.yaml:6), which goes first; put the rules together
`)
}

// Rules for one host in one namespace are merged: subsets put together, and the
// first traffic policy there is.
func TestParse_mergesDestinationRules(t *testing.T) {
	s := parse(t, policy.Loader{},
		dr("name: a1", "a", "subsets: [{name: v1, labels: {v: '1'}}]"),
		dr("name: a2", "a.default", "trafficPolicy: {loadBalancer: {simple: RANDOM}}, subsets: [{name: v1, labels: {v: x}}, {name: v2}]"),
		dr("name: a3", "a.default.svc.cluster.local", "trafficPolicy: {loadBalancer: {simple: ROUND_ROBIN}}, subsets: [{name: v3}]"),
	)
	d := s.Destination("a.default.svc.cluster.local")
	if got := strings.Join(d.Subsets(), " "); got != "v1 v2 v3" {
		t.Errorf("got subsets %s", got)
	}
	if labels, _ := d.Labels("v1"); labels["v"] != "1" {
		t.Errorf("got labels %v, want the first rule's", labels)
	}
	if got := d.Traffic("v3", 0).Algorithm; got != "RANDOM" {
		t.Errorf("got %s, want the first policy", got)
	}
	wantNotes(t, s, `a2 spec.subsets[0]: warned: without effect: subset "v1" is from DestinationRule "a1" (a.yaml:1)
a3 spec.trafficPolicy: warned: without effect: the host has its traffic policy from DestinationRule "a2" (b.yaml:1)
`)
}

// Istio looks in the caller's namespace, the service's and the root, and stops where
// any rule is for the host.
func TestSnapshot_Destination_searchOrder(t *testing.T) {
	rule := func(ns, host, algorithm string) string {
		return dr("name: x, namespace: "+ns, host, "trafficPolicy: {loadBalancer: {simple: "+algorithm+"}}")
	}
	const a = "a.shop.svc.cluster.local"
	own := rule("web", `"*.shop.svc.cluster.local"`, "RANDOM")
	theirs := rule("shop", "a", "ROUND_ROBIN")
	root := rule("istio-system", `"*.cluster.local"`, "LEAST_CONN")
	other := rule("other", a, "PASSTHROUGH")
	foreign := rule("other", "example.com", "RANDOM")
	for _, tt := range []struct {
		name, text, key, want string
	}{
		{"own namespace first, though less exact", theirs + own + root, a, "RANDOM"},
		{"then the service's", root + theirs, a, "ROUND_ROBIN"},
		{"then the root", root, a, "LEAST_CONN"},
		{"no other", other, a, ""},
		{"any for what is outside the mesh", foreign, "example.com", "RANDOM"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := parse(t, policy.Loader{Namespace: "web"}, tt.text)
			if got := s.Destination(tt.key).Traffic("", 0).Algorithm; got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
	s := parse(t, policy.Loader{Namespace: "web"}, other)
	if got := notes(s); !strings.Contains(got, "x spec.host: warned: without effect: rules for "+a+" are looked for in the namespaces web, shop and istio-system, and this one is in other\n") {
		t.Errorf("got notes %s", got)
	}
}

// A rule with a workloadSelector is for the processes it selects, and goes before
// those without, alone.
func TestParse_workloadSelector(t *testing.T) {
	text := dr("name: a-all", "a", "trafficPolicy: {loadBalancer: {simple: RANDOM}}") +
		dr("name: b-some", "a", "workloadSelector: {matchLabels: {app: web}}, subsets: [{name: v1}]") +
		dr("name: c-some", "a", "workloadSelector: {matchLabels: {app: web}}, subsets: [{name: v2}]")
	s := parse(t, policy.Loader{Labels: map[string]string{"app": "web", "x": "y"}}, text)
	d := s.Destination("a.default.svc.cluster.local")
	if got := d.Traffic("", 0).Algorithm + strings.Join(d.Subsets(), " "); got != "v1" {
		t.Errorf("got %s, want the selecting rule alone", got)
	}
	for _, name := range []string{"a-all", "c-some"} {
		if !strings.Contains(notes(s), name+` spec.host: ignored: host "a.default.svc.cluster.local" has its policy from DestinationRule "b-some" (a.yaml:6)`) {
			t.Errorf("%s: got notes %s", name, notes(s))
		}
	}
	d = parse(t, policy.Loader{Labels: map[string]string{"app": "cart"}}, text).Destination("a.default.svc.cluster.local")
	if got := d.Traffic("", 0).Algorithm + strings.Join(d.Subsets(), " "); got != "RANDOM" {
		t.Errorf("got %s, want the rule for all", got)
	}
}

func TestParse_withoutEffect(t *testing.T) {
	for _, tt := range []struct{ name, text, want string }{
		{"exported elsewhere", strings.Replace(vs("a", "a", "[{"+toA+"}]"), "http:", "exportTo: [shop], http:", 1),
			"a spec.exportTo: ignored: not exported to namespace default, where this process is: the document has no effect\n"},
		{"private elsewhere", dr("name: a, namespace: shop", "a", "exportTo: [.]"),
			"a spec.exportTo: ignored: not exported to namespace default, where this process is: the document has no effect\n"},
		{"gateway", strings.Replace(vs("a", "'*'", "[{"+toA+"}]"), "http:", "gateways: [x/y], http:", 1),
			"a spec.gateways: ignored: for gateways only, not for calls between services: the document has no effect\n"},
		{"delegate", vs("a", "", "[{"+toA+"}]"),
			"a spec: ignored: a delegate, and no rule in force delegates to it: the document has no effect\n"},
		{"other kind", "apiVersion: telemetry.istio.io/v1\nkind: Telemetry\nmetadata: {name: a}\n",
			"a : ignored: kind Telemetry is not enforced yet: the document has no effect\n"},
		{"foreign kind", "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: a}\nspec: {x: [1]}\n",
			"a : ignored: kind Deployment is not enforced yet: the document has no effect\n"},
		{"unreachable", vs("a", "a", "[{"+toA+"}, {name: late, "+toA+"}]"),
			"a spec.http[1]: warned: no call reaches this rule: rule 0 has no match and takes all; put it last\n"},
		{"unreachable after a match", vs("a", "a", "[{match: [{uri: {prefix: /}}], "+toA+"}, {name: late, "+toA+"}]"),
			"a spec.http[1]: warned: no call reaches this rule: rule 0 has a match that holds for all calls; put it last\n"},
		{"all calls of this process only", vs("a", "a", "[{match: [{sourceNamespace: default}], "+toA+"}, {name: rest, "+toA+"}]"), ""},
		{"rewrite of any path", vs("a", "a", "[{rewrite: {uri: /v1}, "+toA+"}]"),
			"a spec.http[0].rewrite.uri: warned: the match says nothing about the path, and that is the prefix \"/\": /a becomes /v1a, as in Istio; match a uri, or end it in \"/\"\n"},
		{"rewrite of any path with a slash", vs("a", "a", "[{rewrite: {uri: /v1/}, "+toA+"}]"), ""},
		{"what a redirect has no use for", vs("a", "a", "[{mirror: {host: b}, timeout: 1s, headers: {request: {remove: [x]}, response: {remove: [y]}}, redirect: {uri: /x}}]"),
			"a spec.http[0].mirror: ignored: the rule sends no calls on: there is nothing to do it to\n" +
				"a spec.http[0].timeout: ignored: the rule sends no calls on: there is nothing to do it to\n" +
				"a spec.http[0].headers.request: ignored: the rule sends no calls on: there is nothing to do it to\n"},
		{"mirror to a missing subset", vs("a", "a", "[{mirrors: [{destination: {host: b, subset: v1}}], "+toA+"}]"),
			"a spec.http[0].mirrors[0].destination.subset: warned: no DestinationRule for host \"b\" is loaded: calls to subset \"v1\" are answered with 503 (NC) until one defines it\n"},
		{"a large answer", vs("a", "a", "[{directResponse: {status: 200, body: {string: "+strings.Repeat("x", 100<<10+1)+"}}}]"),
			"a spec.http[0].directResponse.body: warned: 102401 bytes are much for an answer that policy carries: serve it from a service\n"},
		{"never", vs("a", "a", "[{fault: {abort: {httpStatus: 500}}, "+toA+"}]"),
			"a spec.http[0].fault.abort: warned: it befalls no call: percentage is missing, and that is 0\n"},
		{"no rule for the subset", vs("a", "a", "[{route: [{destination: {host: a, subset: v1}}]}]"),
			"a spec.http[0].route[0].destination.subset: warned: no DestinationRule for host \"a\" is loaded: calls to subset \"v1\" are answered with 503 (NC) until one defines it\n"},
		{"never here", vs("a", "a", "[{match: [{sourceLabels: {app: x}}], "+toA+"}]"),
			"a spec.http: ignored: no rule is for calls of this process: the document has no effect\n"},
		{"no mode", dr("name: a", "a", "trafficPolicy: {tls: {subjectAltNames: [x]}}"),
			"a spec.trafficPolicy.tls: warned: mode is not set, and that is DISABLE: connections are in plaintext\n"},
		{"null", vs("a", "a", "[{timeout: , match: null, "+toA+"}]"), ""},
	} {
		t.Run(tt.name, func(t *testing.T) { wantNotes(t, parse(t, policy.Loader{}, tt.text), tt.want) })
	}
}

// What is set and not enforced is named, field by field.
func TestLoad_findings(t *testing.T) {
	s, err := policy.Load("testdata/documents/later.yaml")
	if err != nil {
		t.Fatal(err)
	}
	golden := filepath.Join("testdata", "later.txt")
	if *update {
		if err := os.WriteFile(golden, []byte(notes(s)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	wantNotes(t, s, string(want))
	for _, f := range s.Findings {
		if f.Field == "spec.trafficPolicy.outlierDetection.consecutiveGatewayErrors" {
			if f.Verdict != policy.Enforced || f.Line != 48 || f.Column != 48 {
				t.Errorf("got %v, want it enforced at 48:48", f)
			}
			return
		}
	}
	t.Error("got no finding on a field that is enforced")
}
