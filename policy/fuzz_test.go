// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package policy_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/balance"
	"github.com/enmesh-go/enmesh/balance/route"
	"github.com/enmesh-go/enmesh/policy"
	"github.com/enmesh-go/enmesh/resilience"
	"github.com/enmesh-go/enmesh/resilience/fault"
	"github.com/enmesh-go/enmesh/resilience/retry"
)

// FuzzParse holds that any text either loads, and then compiles to rules that can be
// asked, or is refused with problems that have a place and a message.
func FuzzParse(f *testing.F) {
	for _, pattern := range []string{"documents/*.*", "refused/*.yaml", "refused/*.json", "own/*.yaml", "security/*.yaml", "entries/*.yaml"} {
		names, err := filepath.Glob(filepath.Join("testdata", pattern))
		if err != nil {
			f.Fatal(err)
		}
		for _, name := range names {
			data, err := os.ReadFile(name)
			if err != nil {
				f.Fatal(err)
			}
			if len(data) < 4096 {
				f.Add(data)
			}
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) { holdsTogether(t, data) })
}

// FuzzRules is FuzzParse for the rules of a VirtualService and the policy of a
// DestinationRule, which whole documents seldom reach.
func FuzzRules(f *testing.F) {
	f.Add("[{route: [{destination: {host: a, subset: v1}, weight: 3}, {destination: {host: b}}]}]", "{loadBalancer: {simple: RANDOM}}")
	f.Add("[{match: [{uri: {regex: 'a|b'}, headers: {':method': {exact: GET}, x: }}, {queryParams: {a: {prefix: b}}}], "+toA+", timeout: 1s}]",
		"{outlierDetection: {interval: 1m, maxEjectionPercent: 3}, tls: {mode: SIMPLE, subjectAltNames: [a]}}")
	f.Add("[{fault: {delay: {fixedDelay: 1s, percent: 1}, abort: {grpcStatus: ABORTED}}, retries: {attempts: 2, retryOn: '5xx,503'}, "+toA+"}]",
		"{portLevelSettings: [{port: {number: 80}, connectionPool: {http: {http2MaxRequests: 2}}}], retryBudget: {percent: 3}}")
	f.Add("[{headers: {request: {set: {host: a}, remove: [b]}}, rewrite: {uri: /}, mirrors: [{destination: {host: c}}], "+toA+"}, {redirect: {scheme: https}}]",
		"{connectionPool: {tcp: {connectTimeout: 1s, idleTimeout: 0s}}, loadBalancer: {consistentHash: {useSourceIp: true, maglev: {tableSize: 7}}}}")
	f.Add("[{match: [{uri: {prefix: /a}}], redirect: {prefixRewrite: /b, derivePort: FROM_REQUEST_PORT}}, {directResponse: {status: 200, body: {bytes: aGk=}}}]", "{}")
	f.Add(`[{rewrite: {uriRegexRewrite: {match: '^/(a)', rewrite: '/\1'}}, mirror: {host: b}, mirrorPercentage: {value: 1}, `+toA+"}, {delegate: {name: x}}]", "{}")
	f.Add("[{"+toA+"}]", "{loadBalancer: {zoneAwareLbSetting: {enabled: true, minClusterSize: 2, failover: [{from: eu, to: us}, {from: 'eu/*', to: eu}], failoverPriority: [a, '=b', topology.istio.io/subzone]}}}")
	f.Add("[{"+toA+"}]", "{loadBalancer: {warmup: {duration: 1s, minimumPercent: 0.5, aggression: 2}}, outlierDetection: {outlierDetectionHttpErrorCodes: [200, 404]}}")
	f.Fuzz(func(t *testing.T, http, traffic string) {
		holdsTogether(t, []byte(vs("a", "a", http)+dr("name: a", "a", "subsets: [{name: v1, trafficPolicy: "+traffic+"}], trafficPolicy: "+traffic)))
	})
}

// FuzzDelegate is FuzzParse for rules that delegate and those that they delegate to, put
// together in one service.
func FuzzDelegate(f *testing.F) {
	f.Add("[{uri: {prefix: /a/}}]", "timeout: 1s", "[{match: [{uri: {prefix: /a/b}}], "+toA+"}, {"+toA+"}]")
	f.Add("[{uri: {regex: '/a.*'}, headers: {x: {exact: y}}}]", "rewrite: {uri: /}", "[{match: [{headers: {x: {}}, method: {exact: GET}}], "+toA+"}]")
	f.Add("[{uri: {exact: /a}, port: 80}, {queryParams: {a: {prefix: b}}, ignoreUriCase: true}]", "mirror: {host: b}", "[{match: [{uri: {exact: /A}}], redirect: {uri: /c}}]")
	f.Add("[]", "retries: {attempts: 1}", "[{match: [{withoutHeaders: {x: {exact: y}}}], directResponse: {status: 200}}, {delegate: {name: c}}]")
	f.Fuzz(func(t *testing.T, match, above, rules string) {
		holdsTogether(t, []byte(vs("a", "a", "[{match: "+match+", delegate: {name: part}, "+above+"}, {"+toA+"}]")+
			"apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: part}\nspec: {http: "+rules+"}\n"))
	})
}

// holdsTogether is what FuzzParse says.
func holdsTogether(t *testing.T, data []byte) {
	t.Helper()
	s, err := policy.Parse([]policy.File{{Name: "f.yaml", Data: data}})
	if err != nil {
		var e *policy.Error
		if !errors.As(err, &e) || len(e.Problems) == 0 {
			t.Fatalf("got %T %v, want an *Error with problems", err, err)
		}
		for _, p := range e.Problems {
			if p.File != "f.yaml" || p.Message == "" || p.Line < 0 || p.Line > breaks(string(data))+2 {
				t.Fatalf("got problem %+v", p)
			}
		}
		return
	}
	for _, svc := range s.Services {
		for _, r := range svc.Rules {
			ruleHoldsTogether(t, r)
		}
		for _, host := range svc.Hosts {
			if s.Service(host) != svc {
				t.Fatalf("host %q is not found", host)
			}
		}
	}
	ownHoldsTogether(t, s)
	entriesHoldTogether(t, s)
	securityHoldsTogether(t, s)
	for _, d := range s.Destinations {
		for _, subset := range append(d.Subsets(), "") {
			traffic := d.Traffic(subset, 80)
			if _, ok := balance.ByName(traffic.Algorithm); !ok {
				t.Fatalf("%s: no algorithm %q", d.Origin, traffic.Algorithm)
			}
			if _, err := resilience.NewBudget(traffic.Budget); err != nil {
				t.Fatalf("%s: %v", d.Origin, err)
			}
			balancingHoldsTogether(t, d.Origin, traffic)
		}
	}
}

// balancingHoldsTogether holds that package balance takes what a traffic policy was
// compiled to.
func balancingHoldsTogether(t *testing.T, origin string, traffic policy.Traffic) {
	t.Helper()
	problems := []error{traffic.Connection.Validate(), traffic.Hash.Ring.Validate(), traffic.Hash.Table.Validate()}
	if traffic.Locality != nil {
		problems = append(problems, traffic.Locality.Validate())
	}
	if traffic.Hash.By == policy.HashByCookie {
		problems = append(problems, traffic.Hash.Cookie.Validate())
	}
	if err := errors.Join(problems...); err != nil {
		t.Fatalf("%s: %v", origin, err)
	}
}

// ruleHoldsTogether holds that the packages below take what a rule was compiled to.
func ruleHoldsTogether(t *testing.T, r *policy.Rule) {
	t.Helper()
	if r.Redirect == nil && r.Direct == nil && len(r.Split) == 0 {
		t.Fatalf("rule %s has no target", r.Origin)
	}
	actionsHoldTogether(t, r)
	if _, err := retry.New(r.Retry); err != nil {
		t.Fatalf("%s: %v", r.Origin, err)
	}
	if _, err := fault.New(r.Fault); err != nil {
		t.Fatalf("%s: %v", r.Origin, err)
	}
	r.Matches(&enmesh.Call{Path: "/", Method: "GET"})
}

// actionsHoldTogether is ruleHoldsTogether for what a rule does to calls.
func actionsHoldTogether(t *testing.T, r *policy.Rule) {
	t.Helper()
	for _, m := range append([]*route.Match{nil}, r.Match...) {
		if _, err := r.Rewrite.Middleware(m); err != nil {
			t.Fatalf("%s: %v", r.Origin, err)
		}
		if r.Redirect == nil {
			continue
		}
		if _, err := r.Redirect.Middleware(m, r.Headers.Response); err != nil {
			t.Fatalf("%s: %v", r.Origin, err)
		}
	}
	if r.Direct == nil {
		return
	}
	if _, err := r.Direct.Middleware(r.Headers.Response); err != nil {
		t.Fatalf("%s: %v", r.Origin, err)
	}
}

// breaks counts what YAML takes for the end of a line.
func breaks(text string) (n int) {
	for _, r := range text {
		if strings.ContainsRune("\n\r\u0085\u2028\u2029", r) {
			n++
		}
	}
	return n
}
