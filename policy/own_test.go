// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package policy_test

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/limit"
	"github.com/enmesh-go/enmesh/limit/concurrency"
	"github.com/enmesh-go/enmesh/limit/shed"
	"github.com/enmesh-go/enmesh/policy"
	"github.com/enmesh-go/enmesh/resilience"
	"github.com/enmesh-go/enmesh/resilience/breaker"
	"github.com/enmesh-go/enmesh/resilience/fallback"
	"github.com/enmesh-go/enmesh/resilience/hedge"
	"github.com/enmesh-go/enmesh/resilience/throttle"
)

// own is a document of an own kind, its spec in flow style.
func own(kind, name, spec string) string {
	metadata := "name: " + name
	if ns, short, ok := strings.Cut(name, "/"); ok {
		metadata = "name: " + short + ", namespace: " + ns
	}
	return "---\napiVersion: enmesh.dev/v1\nkind: " + kind + "\nmetadata: {" + metadata + "}\nspec: {" + spec + "}\n"
}

func key(service string) string { return service + ".default.svc.cluster.local" }

// The examples say all that can be said, and compile to all that can be configured.
func TestOwn_examples(t *testing.T) {
	s, err := policy.Loader{Labels: map[string]string{"app": "reviews"}}.Load("testdata/own")
	if err != nil {
		t.Fatal(err)
	}
	wantNotes(t, s, "reviews spec.rules[2].slidingWindow: approximated: for each key counted from two windows, the last by the share of it that is still within: a burst at the end of one may pass twice\n")
	ratings, recommendations, reviews := s.Outbound(key("ratings")), s.Outbound(key("recommendations")), s.Outbound(key("reviews"))
	payments := s.Outbound(key("payments"))
	perUser := s.Inbound.RateLimit.Limits[1]
	for _, tt := range []struct{ got, want any }{
		{s.Inbound.RateLimit.Limits[0].Limit, limit.Config{Rate: 500, Burst: 100, Terms: limit.Terms{Name: "all"}}},
		{perUser.Limit, limit.KeyedConfig{By: limit.ByHeader("x-user"), MaxKeys: 200_000, Each: limit.FixedConfig{
			Limit: 60, Window: time.Minute, Terms: limit.Terms{Name: "per-user", Cost: 2, Status: 429, Headers: limit.Always, Envoy: true},
		}}},
		{s.Inbound.RateLimit.Limits[2].Limit, limit.KeyedConfig{
			By:   limit.ByAll(limit.BySource(24, 48), limit.ByPrincipal()),
			Each: limit.CounterConfig{Limit: 1000, Window: 10 * time.Second, Terms: limit.Terms{Name: "per-network"}},
		}},
		{payments.RateLimit.Limits[0].Name, "limit-0"},
		{payments.RateLimit.Limits[0].Limit, limit.LeakyConfig{Rate: 50, Queue: 20, MaxWait: 200 * time.Millisecond}},
		{payments.RateLimit.Limits[1].Limit, limit.LogConfig{Limit: 5, Window: time.Minute, Terms: limit.Terms{Name: "reports"}}},
		{s.Inbound.Concurrency.Fixed, concurrency.Config{Max: 200, Status: 529, Shares: concurrency.Shares{Critical: 1, SheddablePlus: 0.8, Sheddable: 0.5}}},
		{ratings.Concurrency.IsAdaptive && ratings.Concurrency.Shadow, true},
		{ratings.Concurrency.Adaptive, concurrency.AdaptiveConfig{Initial: 20, Min: 3, Max: 1000, Tolerance: 1.5, Backoff: 0.9}},
		{s.Outbound(key("history")).Concurrency.Adaptive, concurrency.AdaptiveConfig{Algorithm: concurrency.AIMD, Timeout: 2 * time.Second}},
		{reviews.Budget.Config, resilience.BudgetConfig{Ratio: 0.1, MinPerSecond: 3, Window: 10 * time.Second}},
		{reviews.Hedge.Config, hedge.Config{Delay: 50 * time.Millisecond, Percentile: 0.95, MinSamples: 100, Window: 30 * time.Second, MaxHedges: 1, Idempotent: true}},
		{s.Inbound.Shed.Config, shed.Config{CPU: 0.8, Delay: 5 * time.Millisecond, InFlight: 400}},
		{s.Inbound.Shed.Queue, shed.QueueConfig{Slots: 100, Waiting: 1000, Interval: 100 * time.Millisecond, Target: 5 * time.Millisecond}},
		{recommendations.Fallback.Config, fallback.Config{
			On: resilience.MustOn("failure,refused"), Destination: enmesh.Destination{Service: key("recommendations-basic")}, Idempotent: true,
			Cache:  fallback.Cache{On: true, MaxAge: 10 * time.Minute, MaxEntries: 5000, MaxBytes: 4 << 20, Headers: "X-Tenant"},
			Static: fallback.Static{Status: 200, ContentType: "application/json", Body: `{"items": []}`, HasMessage: true},
		}},
		{ratings.Breaker.Config, breaker.Config{
			ConsecutiveFailures: 10, FailureRatio: 0.5, SlowAfter: 800 * time.Millisecond, SlowRatio: 0.7, MinRequests: 20,
			Interval: 10 * time.Second, OpenFor: 5 * time.Second, Probes: 2, ProbeTimeout: 3 * time.Second,
		}},
		{ratings.Throttle.Config, throttle.Config{
			Multiplier: 2, Window: 2 * time.Minute, Overloaded: throttle.DefaultOverloaded(), MinRequests: 20, MinPerSecond: 1,
		}},
		{ratings.Throttle.Own, policy.Own{Document: "Throttle default/ratings", Origin: "testdata/own/throttle.yaml:2"}},
		{len(ratings.Own()), 3},
		{len(s.Inbound.Own()), 3},
		{s.Outbound(key("details")), policy.Outbound{}},
	} {
		if !reflect.DeepEqual(tt.got, tt.want) {
			t.Errorf("got %+v, want %+v", tt.got, tt.want)
		}
	}
	post := &enmesh.Call{Side: enmesh.Server, Path: "/api/x", Method: "POST"}
	if m := perUser.Match; len(m) != 2 || !m[0].Matches(post) || m[1].Matches(post) {
		t.Errorf("the matches do not hold as written: %+v", m)
	}
}

// Each example says every field that its kind has.
func TestOwn_examplesAreWhole(t *testing.T) {
	files, err := filepath.Glob("testdata/own/*.yaml")
	if err != nil || len(files) != len(ownKinds) {
		t.Fatalf("got %v, %v; want one file for each of %v", files, err, ownKinds)
	}
	var all strings.Builder
	for _, name := range files {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		all.Write(data)
	}
	for _, kind := range ownKinds {
		_, err := policy.Parse([]policy.File{{Name: "a.yaml", Data: []byte(own(kind, "a", "nothingLikeIt0123456789: 1"))}})
		_, names, ok := strings.Cut(fmt.Sprint(err), "it has ")
		if !ok {
			continue // it has more than are listed
		}
		names, _, _ = strings.Cut(names, "\n")
		for _, name := range strings.FieldsFunc(strings.ReplaceAll(names, " and ", ", "), func(r rune) bool { return r == ',' || r == ' ' }) {
			if !strings.Contains(all.String(), name+":") {
				t.Errorf("%s: no example has %s", kind, name)
			}
		}
	}
}

func TestOwn_zeroIsNone(t *testing.T) {
	s := parse(t, policy.Loader{}, own("RetryBudget", "a", "host: a, ratio: 0, minPerSecond: 0")+
		own("Shed", "b", "cpu: 0, inFlight: 3")+own("RateLimit", "c", "host: a, rules: [{leakyBucket: {rate: 1, queue: 0}}]"))
	if got := s.Outbound(key("a")).Budget.Config; got.Ratio != -1 || got.MinPerSecond != -1 {
		t.Errorf("got %+v, want neither a ratio nor a floor", got)
	}
	if got := s.Inbound.Shed.Config.CPU; got != -1 {
		t.Errorf("got CPU %v, want -1", got)
	}
	if got := s.Outbound(key("a")).RateLimit.Limits[0].Limit.(limit.LeakyConfig).Queue; got != -1 {
		t.Errorf("got Queue %v, want -1", got)
	}
}

// A field that would do nothing is refused, and the message has the fix; where it does
// something it stands.
func TestOwn_withoutEffect(t *testing.T) {
	const service = "rateLimitService: {provider: p, domain: d, descriptors: [{entries: [{key: k, value: v}]}]}"
	for _, tt := range []struct{ kind, spec, want string }{
		{"RateLimit", "rules: [{match: [{sourceLabels: {app: a}}], tokenBucket: {rate: 1}}]", "spec.rules[0].match[0].sourceLabels: no call tells a server its caller's labels, so that this would take none: use sourceNamespace, or a key with principal"},
		{"RateLimit", "rules: [{match: [{sourceNamespace: shop}], tokenBucket: {rate: 1}}]", ""},
		{"RateLimit", "host: a, rules: [{match: [{sourceLabels: {app: a}}], tokenBucket: {rate: 1}}]", ""},
		{"Hedge", "host: a, idempotent: true, match: [{sourceLabels: {app: a}}]", ""},
		{"RateLimit", "host: a, rules: [{headers: ON_REFUSAL, tokenBucket: {rate: 1}}]", "spec.rules[0].headers: a client's limit writes no headers: remove it, or use a selector, on servers"},
		{"RateLimit", "host: a, rules: [{envoyHeaders: true, tokenBucket: {rate: 1}}]", "spec.rules[0].envoyHeaders: a client's limit writes no headers: remove it, or use a selector, on servers"},
		{"RateLimit", "host: a, rules: [{envoyHeaders: true, " + service + "}]", ""}, // in the answer that the caller gets
		{"RateLimit", "rules: [{headers: NEVER, envoyHeaders: true, tokenBucket: {rate: 1}}]", "spec.rules[0].envoyHeaders: headers is NEVER, and these are written beside the others: remove one"},
		{"RateLimit", "rules: [{headers: ALWAYS, envoyHeaders: true, tokenBucket: {rate: 1}}]", ""},
		{"ConcurrencyLimit", "host: a, adaptive: {timeout: 2s}", "spec.adaptive.timeout: it is of AIMD, and the algorithm is GRADIENT2: remove it, or write algorithm: AIMD"},
		{"ConcurrencyLimit", "host: a, adaptive: {algorithm: VEGAS, tolerance: 2}", "spec.adaptive.tolerance: it is of GRADIENT2, and the algorithm is VEGAS: remove it, or write algorithm: GRADIENT2"},
		{"ConcurrencyLimit", "host: a, adaptive: {algorithm: AIMD, timeout: 2s}", ""},
		{"ConcurrencyLimit", "host: a, adaptive: {tolerance: 2}", ""},
		{"CircuitBreaker", "host: a, consecutiveFailures: 3, minRequests: 10", "spec.minRequests: only shares wait for so many calls, and none is set: add failureRatio or slowAfter, or remove it"},
		{"CircuitBreaker", "host: a, failureRatio: 0.5, minRequests: 10", ""},
		{"CircuitBreaker", "host: a, slowAfter: 1s, minRequests: 10", ""},
		{"Fallback", "host: a, idempotent: true, static: {status: 200}", "spec.idempotent: a fixed answer sends no call again: remove it, or add destination or cache"},
		{"Fallback", "host: a, idempotent: true, static: {status: 200}, cache: {}", ""},
		{"Fallback", "host: a, idempotent: true, static: {status: 200}, destination: {host: b}", ""},
	} {
		_, err := policy.Parse([]policy.File{{Name: "a.yaml", Data: []byte(own(tt.kind, "a", tt.spec))}})
		switch {
		case tt.want == "" && err != nil:
			t.Errorf("%s %s: got %v", tt.kind, tt.spec, err)
		case tt.want != "" && (err == nil || !strings.HasSuffix(err.Error(), tt.want)):
			t.Errorf("%s %s: got %v, want %s", tt.kind, tt.spec, err, tt.want)
		}
	}
}

// Which of several documents goes first, and what is said of the others.
func TestOwn_precedence(t *testing.T) {
	limits := "rules: [{tokenBucket: {rate: %d}}]"
	in := func(name, selector string, rate int) string {
		if selector != "" {
			selector = "selector: {matchLabels: {" + selector + "}}, "
		}
		return own("RateLimit", name, selector+fmt.Sprintf(limits, rate))
	}
	out := func(name, host string, rate int) string {
		return own("RateLimit", name, "host: '"+host+"', "+fmt.Sprintf(limits, rate))
	}
	loader := policy.Loader{Labels: map[string]string{"app": "a"}}
	for _, tt := range []struct {
		name     string
		files    []string
		in, out  float64 // the rate in force; 0: none
		wantNote string
	}{
		{"selector goes before namespace", []string{in("x", "", 1), in("y", "app: a", 2)}, 2, 0, "x spec: ignored: this process has its RateLimit from RateLimit \"y\""},
		{"namespace goes before root", []string{in("istio-system/x", "app: a", 1), in("y", "", 2)}, 2, 0, "x spec: ignored: this process has its RateLimit from RateLimit \"y\""},
		{"root alone", []string{in("istio-system/x", "", 1)}, 1, 0, ""},
		{"other labels", []string{in("x", "app: b", 1)}, 0, 0, "x spec.selector: ignored: this process has not these labels"},
		{"other namespace", []string{in("shop/x", "", 1)}, 0, 0, "x metadata.namespace: ignored: for servers in namespace shop"},
		{"earlier file", []string{in("z", "", 1), in("a", "", 2)}, 1, 0, "a spec: warned: without effect: this process has its RateLimit from RateLimit \"z\" (a.yaml:2), which goes first"},
		{"smaller name of a file", []string{in("z", "", 1) + in("a", "", 2)}, 2, 0, "z spec: warned: without effect: this process has its RateLimit from RateLimit \"a\""},
		{"earlier file for a host", []string{out("z", "reviews", 1), out("a", "reviews.default", 2)}, 0, 1, "a spec.host: warned: without effect: host \"reviews.default\" has its RateLimit from RateLimit \"z\" (a.yaml:2)"},
		{"exact before wildcard", []string{out("a", "*.default.svc.cluster.local", 1), out("b", "reviews", 2)}, 0, 2, ""},
		{"wildcard", []string{out("a", "*.default.svc.cluster.local", 1), out("b", "ratings", 2)}, 0, 1, ""},
		{"the process's namespace first", []string{out("istio-system/a", "reviews.default.svc.cluster.local", 1), out("b", "reviews", 2)}, 0, 2, ""},
		{"nobody looks there", []string{out("shop/a", "reviews.default.svc.cluster.local", 1)}, 0, 0, "a spec.host: warned: without effect: policies for reviews.default"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := parse(t, loader, tt.files...)
			rate := func(r *policy.RateLimit) float64 {
				if r == nil {
					return 0
				}
				return r.Limits[0].Limit.(limit.Config).Rate
			}
			if in, out := rate(s.Inbound.RateLimit), rate(s.Outbound(key("reviews")).RateLimit); in != tt.in || out != tt.out {
				t.Errorf("got rates %v and %v, want %v and %v", in, out, tt.in, tt.out)
			}
			if got := notes(s); !strings.Contains(got, tt.wantNote) || tt.wantNote == "" && got != "" {
				t.Errorf("got notes %q, want %q", got, tt.wantNote)
			}
		})
	}
}

func TestOwn_retryBudgetGoesBeforeIstios(t *testing.T) {
	istio := dr("name: a", "a", "trafficPolicy: {retryBudget: {percent: 3}}")
	s := parse(t, policy.Loader{}, istio+own("RetryBudget", "b", "host: a"))
	if got, want := notes(s), "b spec.host: warned: the retryBudget of the DestinationRule (a.yaml:"; !strings.Contains(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	s = parse(t, policy.Loader{}, istio+own("RetryBudget", "b", "host: a, shadow: true"))
	if got := notes(s); strings.Contains(got, "without effect") {
		t.Errorf("in shadow: got %q", got)
	}
}

// What a match says of the caller is decided at once on a client, and for each call on a
// server.
func TestOwn_matchesOnTheSource(t *testing.T) {
	rules := "rules: [{match: [{sourceNamespace: shop}], tokenBucket: {rate: 1}}, {tokenBucket: {rate: 2}}]"
	s := parse(t, policy.Loader{}, own("RateLimit", "in", rules)+own("RateLimit", "out", "host: a, "+rules)+own("Hedge", "h", "host: a, match: [{sourceNamespace: shop}]"))
	if got := s.Outbound(key("a")); len(got.RateLimit.Limits) != 1 || got.RateLimit.Limits[0].Name != "limit-1" || got.Hedge != nil {
		t.Errorf("client: got %+v, want the second limit and no hedge", got)
	}
	limits := s.Inbound.RateLimit.Limits
	if len(limits) != 2 {
		t.Fatalf("server: got %+v, want both", limits)
	}
	from := func(identity string) bool {
		return limits[0].Match[0].Matches(&enmesh.Call{Side: enmesh.Server, Path: "/", Source: &enmesh.Peer{Identity: identity}})
	}
	if !from("spiffe://mesh/ns/shop/sa/a") || from("spiffe://mesh/ns/default/sa/a") {
		t.Error("server: the match does not look at the caller's namespace")
	}
}

func TestOwn_fallbackToASubset(t *testing.T) {
	text := own("Fallback", "f", "host: a, destination: {host: a, subset: old}")
	s := parse(t, policy.Loader{}, dr("name: a", "a", "subsets: [{name: old, labels: {version: v1}}]")+text)
	if got, want := s.Outbound(key("a")).Fallback.Config.Destination, (enmesh.Destination{Service: key("a"), Subset: "old"}); got != want {
		t.Errorf("got %v, want %v", got, want)
	}
	_, err := policy.Parse([]policy.File{{Name: "a.yaml", Data: []byte(dr("name: a", "a", "subsets: [{name: new, labels: {version: v2}}]") + text)}})
	if err == nil || !strings.Contains(err.Error(), `spec.destination.subset: "old" is not defined by any DestinationRule`) {
		t.Errorf("got %v, want the subset refused", err)
	}
}

// A field without a value is refused by its name and line, not taken for its presence.
func TestOwn_fieldWithoutAValue(t *testing.T) {
	_, err := policy.Parse([]policy.File{{Name: "a.yaml", Data: []byte(own("RateLimit", "a", "rules: [{tokenBucket}]"))}})
	if want := "a.yaml:5:17: RateLimit \"a\" (document 1): spec.rules[0].tokenBucket: has no value: give it one, or remove it"; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("got %v, want %s", err, want)
	}
}

// Every field that is set has a finding.
func TestOwn_findings(t *testing.T) {
	s := parse(t, policy.Loader{}, own("Fallback", "f", "host: a, shadow: true, idempotent: false, cache: {maxAge: 1s, headers: [x]}, static: {status: 200}"))
	var got []string
	for _, f := range s.Findings {
		got = append(got, f.Field+" "+f.Verdict.String()+" "+f.Message)
	}
	want := []string{
		"spec.host enforced ", "spec.shadow enforced ", "spec.idempotent enforced ", "spec.cache.maxAge enforced ", "spec.cache.headers enforced ",
		"spec.static.status enforced for HTTP calls; those of gRPC are answered with grpcMessage",
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// What is for calls that may be done twice, and does not say which those are, is only partly
// in force over gRPC: the verdict says so. Saying either is plain.
func TestOwn_whatMayBeDoneTwice(t *testing.T) {
	for spec, want := range map[string]string{
		"Hedge: ":                                             "spec.host: approximated: gRPC calls are hedged only where",
		"Hedge: match: [{uri: {prefix: /}}]":                  "spec.host: approximated: gRPC calls are hedged only where",
		"Hedge: match: [{method: {exact: POST}}]":             "spec.host: approximated: gRPC calls are hedged only where",
		"Hedge: match: [{method: {exact: GET}}]":              "",
		"Hedge: idempotent: true":                             "",
		"Hedge: idempotent: false":                            "",
		"Fallback: destination: {host: b}":                    "spec.destination: approximated: gRPC calls are sent there only where",
		"Fallback: cache: {}":                                 "spec.cache: approximated: of gRPC calls answers are kept only where",
		"Fallback: static: {status: 200}":                     "",
		"Fallback: cache: {}, idempotent: true":               "",
		"Fallback: destination: {host: b}, idempotent: false": "",
	} {
		kind, rest, _ := strings.Cut(spec, ": ")
		if rest != "" {
			rest = ", " + rest
		}
		got := notes(parse(t, policy.Loader{}, own(kind, "a", "host: a"+rest)))
		if want == "" && got != "" || !strings.Contains(got, want) {
			t.Errorf("%s: got notes %q, want %q", spec, got, want)
		}
	}
}
