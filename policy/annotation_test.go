// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package policy_test

import (
	"strings"
	"testing"
	"time"

	"github.com/enmesh-go/enmesh/policy"
	"github.com/enmesh-go/enmesh/resilience/fault"
	"github.com/enmesh-go/enmesh/resilience/retry"
)

const quick = "annotations: {enmesh.dev/load-balancer: PEAK_EWMA, team.example/owner: shop}"

func TestParse_annotatedLoadBalancer(t *testing.T) {
	s := parse(t, policy.Loader{},
		dr("name: a1, "+quick, "a", `subsets: [{name: v1}, {name: v2, trafficPolicy: {loadBalancer: {simple: RANDOM}}}],
  trafficPolicy: {portLevelSettings: [{port: {number: 80}, loadBalancer: {simple: ROUND_ROBIN}}, {port: {number: 81}, connectionPool: {http: {http2MaxRequests: 9}}}]}`),
		dr("name: a2, "+quick, "a", "subsets: [{name: v3}]"),
	)
	d := s.Destination("a.default.svc.cluster.local")
	for _, tt := range []struct {
		subset string
		port   uint16
		want   string
	}{
		{"", 0, "PEAK_EWMA"}, {"v1", 0, "PEAK_EWMA"}, {"v3", 0, "PEAK_EWMA"}, {"", 81, "PEAK_EWMA"},
		{"v2", 0, "RANDOM"}, {"", 80, "ROUND_ROBIN"}, {"v1", 80, "ROUND_ROBIN"},
	} {
		if got := d.Traffic(tt.subset, tt.port).Algorithm; got != tt.want {
			t.Errorf("subset %q, port %d: %s, want %s", tt.subset, tt.port, got, tt.want)
		}
	}
	if got := notes(s); !strings.Contains(got, `a2 metadata.annotations["enmesh.dev/load-balancer"]: warned: without effect: the host has its load balancer from DestinationRule "a1"`) {
		t.Errorf("got notes\n%swant the second annotation to be without effect", got)
	}
}

// Strict retries are those of a document's own rules, and of the rules it delegates to.
func TestParse_strictRetries(t *testing.T) {
	strict := func(text, value string) string {
		return strings.Replace(text, "metadata: {", `metadata: {annotations: {enmesh.dev/strict-retries: "`+value+`"}, `, 1)
	}
	root := vs("a", "a", "[{delegate: {name: d}}]")
	delegate := "---\napiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: d}\nspec: {http: [{" + toA + "}]}\n"
	for name, tt := range map[string]struct {
		text string
		want bool
	}{
		"not said":         {vs("a", "a", "[{"+toA+"}]"), false},
		"said":             {strict(vs("a", "a", "[{"+toA+"}]"), "true"), true},
		"said not to":      {strict(vs("a", "a", "[{"+toA+"}]"), "false"), false},
		"by the root":      {strict(root, "true") + delegate, true},
		"by the delegate":  {root + strict(delegate, "true"), true},
		"by neither of it": {root + delegate, false},
	} {
		s := parse(t, policy.Loader{}, tt.text)
		svc := s.Service("a.default.svc.cluster.local")
		if got := svc.Rules[0].Retry; got.Strict != tt.want || got.MaxAttempts != 3 {
			t.Errorf("%s: got %+v, want strict %v", name, got, tt.want)
		}
		if got := notes(s); got != "" {
			t.Errorf("%s: notes %s", name, got)
		}
		for _, f := range s.FindingsFor(policy.GRPCGo) {
			if strings.HasPrefix(f.Field, "metadata.annotations") && (f.Verdict == policy.Approximated) != tt.want {
				t.Errorf("%s: over xDS %v", name, f)
			}
		}
	}
}

// What a document in shadow says of timeouts, retries and faults is on trial, and Istio's
// default retries stay; where it goes is no matter of shadow.
func TestParse_inShadow(t *testing.T) {
	text := strings.Replace(vs("a", "a", "[{timeout: 2s, retries: {attempts: 5, perTryTimeout: 1s, retryOn: 5xx, retryRemoteLocalities: true}, fault: {delay: {fixedDelay: 1s, percentage: {value: 1}}}, "+toA+"}, {timeout: 3s, "+toA+"}]"),
		"metadata: {", `metadata: {annotations: {enmesh.dev/shadow: "true"}, `, 1)
	s := parse(t, policy.Loader{}, text)
	rules := s.Service("a.default.svc.cluster.local").Rules
	for i, r := range rules {
		if r.Timeout != 0 || r.PerTry != 0 || r.Fault != (fault.Config{}) || r.RemoteAfter != 0 || r.Retry != policy.DefaultRetry() || len(r.Split) != 1 {
			t.Errorf("rule %d does %+v", i, r)
		}
	}
	want := policy.Trial{Timeout: 2 * time.Second, PerTry: time.Second, Retry: retry.Config{MaxAttempts: 6, On: mustOn(t, "5xx")}, Fault: fault.Config{Delay: time.Second, DelayPPM: 10_000}}
	if got := *rules[0].Trial; got != want {
		t.Errorf("on trial is %+v, want %+v", got, want)
	}
	if got := *rules[1].Trial; got != (policy.Trial{Timeout: 3 * time.Second, Retry: retry.Config{MaxAttempts: 1}}) {
		t.Errorf("of the second rule %+v is on trial", got)
	}
	for on, want := range map[policy.Enforcer]policy.Verdict{policy.Embedded: policy.Enforced, policy.GRPCJava: policy.Approximated} {
		for _, f := range s.FindingsFor(on) {
			if strings.HasPrefix(f.Field, "metadata.annotations") && (f.Verdict != want || !strings.Contains(f.Message, "timeouts, retries and faults of the document")) {
				t.Errorf("for %v: %v", on, f)
			}
		}
	}
	if r := parse(t, policy.Loader{}, strings.Replace(text, `"true"`, `"false"`, 1)).Service("a.default.svc.cluster.local").Rules[0]; r.Trial != nil || r.Timeout != 2*time.Second {
		t.Errorf("not in shadow: %+v", r)
	}
}

func TestParse_annotationsThatAreMistakes(t *testing.T) {
	for name, tt := range map[string]struct{ text, want string }{
		"a slip": {
			dr("name: a, annotations: {enmesh.dev/loadbalancer: PEAK_EWMA}", "a", "exportTo: ['*']"),
			`metadata.annotations["enmesh.dev/loadbalancer"]: no such annotation: did you mean enmesh.dev/load-balancer?`,
		},
		"a value that is none": {
			dr("name: a, annotations: {enmesh.dev/load-balancer: EWMA}", "a", "exportTo: ['*']"),
			`metadata.annotations["enmesh.dev/load-balancer"]: no such value "EWMA"`,
		},
		"another kind": {
			strings.Replace(vs("a", "a", "[{"+toA+"}]"), "name: a", "name: a, "+quick, 1),
			"this annotation is for the kind DestinationRule",
		},
		"an algorithm that is signed with a secret": {
			sec("RequestAuthentication", `name: a, annotations: {enmesh.dev/token-algorithms: "ES256,HS256"}`, ""), `no such value "HS256"`,
		},
		"no algorithm":      {sec("RequestAuthentication", `name: a, annotations: {enmesh.dev/token-algorithms: ""}`, ""), `no such value ""`},
		"one type twice":    {sec("RequestAuthentication", `name: a, annotations: {enmesh.dev/token-types: "JWT,JWT"}`, ""), `no such value "JWT"`},
		"no name of a type": {sec("RequestAuthentication", `name: a, annotations: {enmesh.dev/token-types: "at jwt"}`, ""), `no such value "at jwt"`},
		"a subject that may be": {
			sec("RequestAuthentication", `name: a, annotations: {enmesh.dev/token-subject: require}`, ""), `no such value "require": did you mean required?`,
		},
		"tokens of another kind": {
			sec("AuthorizationPolicy", "name: a, annotations: {enmesh.dev/token-subject: required}", ""), "this annotation is for the kind RequestAuthentication",
		},
	} {
		_, err := policy.Loader{}.Parse([]policy.File{{Name: "a.yaml", Data: []byte(tt.text)}})
		if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), "a.yaml:") {
			t.Errorf("%s: got error %v, want one with a place and %q", name, err, tt.want)
		}
	}
}
