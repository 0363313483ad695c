// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package policy_test

import (
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/balance"
	"github.com/enmesh-go/enmesh/balance/outlier"
	"github.com/enmesh-go/enmesh/balance/route"
	"github.com/enmesh-go/enmesh/policy"
	"github.com/enmesh-go/enmesh/resilience"
	"github.com/enmesh-go/enmesh/resilience/fault"
	"github.com/enmesh-go/enmesh/resilience/retry"
)

// parse loads one file and fails the test if it is refused.
func parse(t *testing.T, l policy.Loader, files ...string) *policy.Snapshot {
	t.Helper()
	var in []policy.File
	for i, text := range files {
		in = append(in, policy.File{Name: fmt.Sprintf("%c.yaml", 'a'+i), Data: []byte(text)})
	}
	s, err := l.Parse(in)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// vs is a VirtualService; http is its rules, in flow style.
func vs(name, host, http string) string {
	return "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: " + name + "}\n" +
		"spec: {hosts: [" + host + "], http: " + http + "}\n---\n"
}

// dr is a DestinationRule; spec is its fields besides the host, in flow style.
func dr(meta, host, spec string) string {
	return "apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {" + meta + "}\n" +
		"spec: {host: " + host + ", " + spec + "}\n---\n"
}

const toA = "route: [{destination: {host: a}}]"

func mustOn(t *testing.T, s string) retry.On {
	t.Helper()
	on, err := retry.ParseOn(s)
	if err != nil {
		t.Fatal(err)
	}
	return on
}

func TestRule_fields(t *testing.T) {
	byDefault := retry.Config{MaxAttempts: 3, On: retry.DefaultOn()}
	for _, tt := range []struct {
		name, rule string
		got        func(r *policy.Rule) any
		want       any
	}{
		{"timeout", "timeout: 1h30m", func(r *policy.Rule) any { return r.Timeout }, 90 * time.Minute},
		{"no timeout", "", func(r *policy.Rule) any { return r.Timeout }, time.Duration(0)},
		{"per try", "retries: {attempts: 1, perTryTimeout: 250ms}", func(r *policy.Rule) any { return r.PerTry }, 250 * time.Millisecond},
		{"default retries", "", func(r *policy.Rule) any { return r.Retry }, byDefault},
		{"no retries", "retries: {attempts: 0}", func(r *policy.Rule) any { return r.Retry.MaxAttempts }, 1},
		{"retries", "retries: {attempts: 4, backoff: 10ms}", func(r *policy.Rule) any { return r.Retry },
			retry.Config{MaxAttempts: 5, On: retry.DefaultOn(), BaseBackoff: 10 * time.Millisecond}},
		{"retries stay near", "retries: {attempts: 4, retryRemoteLocalities: false}", func(r *policy.Rule) any { return r.RemoteAfter }, 0},
		{"retries go far", "retries: {attempts: 4, retryRemoteLocalities: true}", func(r *policy.Rule) any { return r.RemoteAfter }, 2},
		{"retry on", "retries: {attempts: 1, retryOn: '5xx, reset,409'}", func(r *policy.Rule) any { return r.Retry.On }, mustOn(t, "5xx,reset,409")},
		{"delay", "fault: {delay: {fixedDelay: 7s, percentage: {value: 0.1}}}", func(r *policy.Rule) any { return r.Fault },
			fault.Config{Delay: 7 * time.Second, DelayPPM: 1000}},
		{"delay of old", "fault: {delay: {fixedDelay: 7s, percent: 25}}", func(r *policy.Rule) any { return r.Fault.DelayPPM }, uint32(250_000)},
		{"delay of none", "fault: {delay: {fixedDelay: 7s}}", func(r *policy.Rule) any { return r.Fault.DelayPPM }, uint32(0)},
		{"abort", "fault: {abort: {httpStatus: 418, percentage: {value: 100}}}", func(r *policy.Rule) any { return r.Fault },
			fault.Config{AbortStatus: 418, AbortPPM: fault.Million}},
		{"abort gRPC", "fault: {abort: {grpcStatus: UNAVAILABLE, percentage: {value: 33.3333333}}}", func(r *policy.Rule) any { return r.Fault },
			fault.Config{AbortCode: enmesh.Unavailable, HasAbortCode: true, AbortPPM: 333_333}},
		{"name", "name: mine", func(r *policy.Rule) any { return r.Name }, "mine"},
		{"number", "", func(r *policy.Rule) any { return r.Name }, "a-0"},
		{"set", "headers: {request: {set: {x: '1'}}}", func(r *policy.Rule) any { return r.Headers.Request.Set["x"] }, "1"},
		{"authority", "rewrite: {authority: b}", func(r *policy.Rule) any { return r.Headers.Request.Set[":authority"] }, "b"},
		{"authority added", "headers: {request: {add: {Host: b, x: y}}}", func(r *policy.Rule) any {
			return r.Headers.Request.Set[":authority"] + fmt.Sprint(r.Headers.Request.Add)
		}, "bmap[x:y]"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			extra := tt.rule
			if extra != "" {
				extra += ", "
			}
			s := parse(t, policy.Loader{}, vs("a", "a", "[{"+extra+toA+"}]"))
			r := s.Service("a.default.svc.cluster.local").Rules[0]
			if got := tt.got(r); got != tt.want {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}

func TestRule_split(t *testing.T) {
	s := parse(t, policy.Loader{}, vs("a", "a", `[{route: [
	  {destination: {host: a, port: {number: 80}}, weight: 3},
	  {destination: {host: b.other.svc.cluster.local}, weight: 0},
	  {destination: {host: example.com}, weight: 7}]}, {match: [{method: {exact: GET}}], route: [{destination: {host: a}, weight: 0}]}]`))
	svc := s.Service("a.default.svc.cluster.local")
	var got []string
	for _, r := range svc.Rules {
		for _, to := range r.Split {
			got = append(got, fmt.Sprint(to.Destination, " ", to.Weight))
		}
	}
	want := []string{"a.default.svc.cluster.local:80 3", "example.com 7", "a.default.svc.cluster.local 1"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// What a rule does instead of sending calls on.
func TestRule_answers(t *testing.T) {
	for action, want := range map[string]any{
		"redirect: {uri: /a}": &route.Redirect{URI: "/a"},
		"redirect: {prefixRewrite: /a, authority: b, port: 81, scheme: https, redirectCode: 308}": &route.Redirect{
			PrefixRewrite: "/a", Authority: "b", Port: 81, Scheme: "https", Code: 308},
		"redirect: {authority: b, derivePort: FROM_REQUEST_PORT}":             &route.Redirect{Authority: "b", DerivePort: route.RequestPort},
		"redirect: {authority: b, derivePort: FROM_PROTOCOL_DEFAULT}":         &route.Redirect{Authority: "b", DerivePort: route.ProtocolPort},
		"directResponse: {status: 404}":                                       &route.Direct{Status: 404},
		"directResponse: {status: 200, body: {string: hello}}":                &route.Direct{Status: 200, Body: "hello"},
		"directResponse: {status: 200, body: {bytes: aGVsbG8=}}":              &route.Direct{Status: 200, Body: "hello"},
		"rewrite: {uri: /b/}, " + toA:                                         route.Rewrite{URI: "/b/"},
		`rewrite: {uriRegexRewrite: {match: "/(x)", rewrite: '/\1'}}, ` + toA: route.Rewrite{Regex: "/(x)", Substitution: `/\1`},
	} {
		s := parse(t, policy.Loader{}, vs("a", "a", "[{match: [{uri: {prefix: /x}}], "+action+"}]"))
		r := s.Service("a.default.svc.cluster.local").Rules[0]
		var got any = r.Rewrite
		if r.Redirect != nil {
			got = r.Redirect
		} else if r.Direct != nil {
			got = r.Direct
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %+v, want %+v", action, got, want)
		}
	}
}

// header is an enmesh.Header over http.Header.
type header struct{ http.Header }

func (h header) Values(key string) []string { return h.Header.Values(key) }

// The matches are compiled to balance/route, whose tests hold their meaning; here
// each field of a match must arrive.
func TestService_Find(t *testing.T) {
	rule := func(name, match string) string { return "{name: " + name + ", match: [" + match + "], " + toA + "}" }
	s := parse(t, policy.Loader{Labels: map[string]string{"app": "web"}}, vs("a", "a", "["+strings.Join([]string{
		rule("elsewhere", "{sourceLabels: {app: cart}}"),
		rule("gateway", "{gateways: [front]}"),
		rule("namespace", "{sourceNamespace: shop}"),
		rule("exact", "{uri: {exact: /exact}, sourceLabels: {app: web}, sourceNamespace: default, gateways: [front, mesh]}"),
		rule("prefix", "{uri: {prefix: /PRE}, ignoreUriCase: true}"),
		rule("regex", "{uri: {regex: '/r[0-9]+'}}"),
		rule("method", "{method: {exact: PUT}}, {headers: {':method': {exact: DELETE}}}"),
		rule("scheme", "{scheme: {exact: https}}"),
		rule("authority", "{authority: {prefix: beta.}}"),
		rule("header", "{headers: {x-user: {exact: jason}}}"),
		rule("present", "{headers: {x-any: {}}}, {headers: {x-star: {regex: '*'}}}, {headers: {x-null: }}"),
		rule("query", "{queryParams: {q: {exact: '1'}}}"),
		rule("port", "{port: 81}"),
		rule("without", "{withoutHeaders: {x-plain: {exact: 'yes'}}, uri: {exact: /without}}"),
	}, ", ")+"]"))
	for _, tt := range []struct {
		want string
		call *enmesh.Call
		h    http.Header
	}{
		{"exact", &enmesh.Call{Path: "/exact"}, nil},
		{"prefix", &enmesh.Call{Path: "/prefix/1"}, nil},
		{"regex", &enmesh.Call{Path: "/r12"}, nil},
		{"", &enmesh.Call{Path: "/r12x"}, nil},
		{"method", &enmesh.Call{Method: "PUT"}, nil},
		{"method", &enmesh.Call{Method: "DELETE"}, nil},
		{"scheme", &enmesh.Call{Scheme: "https"}, nil},
		{"authority", &enmesh.Call{Authority: "beta.a:80"}, nil},
		{"header", &enmesh.Call{}, http.Header{"X-User": {"jason"}}},
		{"present", &enmesh.Call{}, http.Header{"X-Any": {"thing"}}},
		{"present", &enmesh.Call{}, http.Header{"X-Star": {"thing"}}},
		{"present", &enmesh.Call{}, http.Header{"X-Null": {"thing"}}},
		{"query", &enmesh.Call{Query: "q=1"}, nil},
		{"port", &enmesh.Call{Destination: enmesh.Destination{Port: 81}}, nil},
		{"without", &enmesh.Call{Path: "/without"}, nil},
		{"", &enmesh.Call{Path: "/without"}, http.Header{"X-Plain": {"yes"}}},
		{"", &enmesh.Call{}, nil},
	} {
		c := tt.call
		c.Header = header{tt.h}
		if tt.h == nil {
			c.Header = header{http.Header{}}
		}
		got := ""
		if r := s.Service("a.default.svc.cluster.local").Find(c); r != nil {
			got = r.Name
		}
		if got != tt.want {
			t.Errorf("%+v %v: got rule %q, want %q", c.Destination, c.Path, got, tt.want)
		}
	}
}

func TestSnapshot_Service_longestWildcard(t *testing.T) {
	s := parse(t, policy.Loader{},
		vs("wide", `"*.com"`, "[{"+toA+"}]")+vs("narrow", `"*.example.com"`, "[{"+toA+"}]")+vs("one", `"A.example.com"`, "[{"+toA+"}]"))
	for key, want := range map[string]string{
		"a.example.com": "one", "b.example.com": "narrow", "c.b.example.com": "narrow", "example.com": "wide", "x.org": "", ".com": "",
	} {
		got := ""
		if svc := s.Service(key); svc != nil {
			got = svc.Name
		}
		if got != want {
			t.Errorf("%s: got %q, want %q", key, got, want)
		}
	}
}

func TestDestination_Traffic(t *testing.T) {
	s := parse(t, policy.Loader{}, dr("name: a", "a", `
	  trafficPolicy: {
	    loadBalancer: {simple: ROUND_ROBIN}, connectionPool: {http: {http2MaxRequests: 5}, tcp: {connectTimeout: 1s}},
	    outlierDetection: {consecutiveGatewayErrors: 2, baseEjectionTime: 10m}, tls: {mode: ISTIO_MUTUAL, subjectAltNames: [x, y], sni: z},
	    portLevelSettings: [{port: {number: 81}, loadBalancer: {simple: RANDOM}}]},
	  subsets: [
	    {name: plain, labels: {v: "1"}},
	    {name: own, trafficPolicy: {loadBalancer: {simple: PASSTHROUGH}, outlierDetection: {consecutive5xxErrors: 0, maxEjectionPercent: 100, interval: 1s, minHealthPercent: 40}}},
	    {name: port, trafficPolicy: {portLevelSettings: [{port: {number: 82}, tls: {mode: DISABLE}}]}}]`))
	host := policy.Traffic{
		Algorithm: "ROUND_ROBIN", MaxRequests: 5, Connection: balance.ConnectionConfig{ConnectTimeout: time.Second}, DetectOutliers: true,
		Outlier: outlier.Config{
			Consecutive5xx: 5, ConsecutiveGateway: 2, Interval: 10 * time.Second, BaseEjection: 10 * time.Minute,
			MaxEjection: 10 * time.Minute, MaxEjectionPercent: 10,
		},
		TLS: policy.TLS{Mode: policy.TLSIstioMutual, SubjectAltNames: policy.MakeNames([]string{"x", "y"}), SNI: "z"},
	}
	random := policy.Traffic{}
	random.Algorithm = "RANDOM"
	own := host
	own.Algorithm = "PASSTHROUGH"
	own.Outlier = outlier.Config{
		Interval: time.Second, BaseEjection: 30 * time.Second, MaxEjection: 300 * time.Second, MaxEjectionPercent: 100,
	}
	own.MinHealthPercent = 40
	disabled := policy.Traffic{}
	disabled.TLS.Mode = policy.TLSDisable
	randomOwn := own
	randomOwn.Connection, randomOwn.MaxRequests, randomOwn.TLS = balance.ConnectionConfig{}, 0, policy.TLS{}
	for _, tt := range []struct {
		subset string
		port   uint16
		want   policy.Traffic
	}{
		{"", 0, host},
		{"", 80, host},
		{"", 81, random}, // a port's settings inherit nothing
		{"plain", 0, host},
		{"plain", 81, random},
		{"own", 0, own},
		{"own", 81, randomOwn}, // the subset's blocks replace those of the port
		{"port", 82, disabled},
		{"port", 80, host},
		{"port", 81, random},
	} {
		d := s.Destination("a.default.svc.cluster.local")
		got := d.Traffic(tt.subset, tt.port)
		if got != tt.want {
			t.Errorf("%q:%d: got\n%+v, want\n%+v", tt.subset, tt.port, got, tt.want)
		}
		if _, ok := balance.ByName(got.Algorithm); !ok {
			t.Errorf("%q is no algorithm", got.Algorithm)
		}
	}
	for subset, want := range map[string][]uint16{"": {81}, "plain": {81}, "port": {81, 82}, "none": nil} {
		if got := s.Destination("a.default.svc.cluster.local").Ports(subset); !slices.Equal(got, want) {
			t.Errorf("ports of %q: %v, want %v", subset, got, want)
		}
	}
	if got := (*policy.Destination)(nil).Traffic("x", 1); got != (policy.Traffic{}) {
		t.Errorf("got %+v for no destination, want the default", got)
	}
	if labels, ok := s.Destination("a.default.svc.cluster.local").Labels("plain"); !ok || labels["v"] != "1" {
		t.Errorf("got labels %v, %v", labels, ok)
	}
}

// A port's settings have no retry budget of their own, and keep the host's.
func TestDestination_Traffic_retryBudget(t *testing.T) {
	s := parse(t, policy.Loader{}, dr("name: a", "a", `
	  trafficPolicy: {retryBudget: {percent: 0, budgetInterval: 5s}, portLevelSettings: [{port: {number: 81}, loadBalancer: {simple: RANDOM}}]},
	  subsets: [{name: v1, trafficPolicy: {retryBudget: {minRetryConcurrency: 7}}}]`))
	d := s.Destination("a.default.svc.cluster.local")
	host := resilience.BudgetConfig{Ratio: -1, MinPerSecond: 3, Window: 5 * time.Second}
	for _, port := range []uint16{80, 81} {
		if got := d.Traffic("", port); !got.BoundRetries || got.Budget != host {
			t.Errorf("%d: got %+v, want %+v", port, got.Budget, host)
		}
	}
	want := resilience.BudgetConfig{Ratio: 0.2, MinPerSecond: 7, Window: 10 * time.Second}
	got := d.Traffic("v1", 80).Budget
	if got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if _, err := resilience.NewBudget(got); err != nil {
		t.Error(err)
	}
}

func TestTLS_Unenforced(t *testing.T) {
	for spec, want := range map[string]bool{
		"mode: DISABLE": false, "mode: ISTIO_MUTUAL": false, "mode: SIMPLE": false,
		"mode: SIMPLE, credentialName: secret": true, "mode: MUTUAL, clientCertificate: a, privateKey: b": false,
	} {
		s := parse(t, policy.Loader{}, dr("name: a", "a", "trafficPolicy: {tls: {"+spec+"}}"))
		tls := s.Destination("a.default.svc.cluster.local").Traffic("", 0).TLS
		if got := tls.Unenforced() != ""; got != want || !strings.HasPrefix(spec, "mode: "+tls.Mode.String()) {
			t.Errorf("%s: got unenforced %v, want %v", spec, got, want)
		}
	}
}
