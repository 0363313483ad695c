// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package mesh_test

import (
	"errors"
	"flag"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/balance"
	"github.com/enmesh-go/enmesh/discovery"
	"github.com/enmesh-go/enmesh/mesh"
)

var update = flag.Bool("update", false, "write the golden files anew")

// asked is a mesh under documents, in files that are named as they are here, and nobody
// serves at the endpoints.
func asked(t *testing.T, files map[string]string, endpoints map[string][]discovery.Endpoint, opts ...mesh.Option) *mesh.Mesh {
	t.Helper()
	t.Chdir(t.TempDir())
	for name, text := range files {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		opts = append(opts, mesh.WithPolicies(name))
	}
	opts = append([]mesh.Option{mesh.WithWorkload(mesh.Workload{
		Service: "productpage", Labels: map[string]string{"app": "productpage"}, Locality: discovery.Locality{Region: "eu", Zone: "a"},
	})}, opts...)
	if endpoints != nil {
		opts = append(opts, mesh.WithResolver(discovery.NewStatic(endpoints)))
	}
	m, err := mesh.Open(t.Context(), opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	})
	return m
}

// at is an endpoint of a version in a zone of the region eu.
func at(addr, version, zone string) discovery.Endpoint {
	return discovery.Endpoint{
		Addrs: []string{addr}, Version: version, Labels: map[string]string{"version": version},
		Locality: discovery.Locality{Region: "eu", Zone: zone},
	}
}

func three() map[string][]discovery.Endpoint {
	return map[string][]discovery.Endpoint{
		"reviews": {at("10.0.0.1:80", "v1", "a"), at("10.0.0.2:80", "v2", "a"), at("10.0.0.3:80", "v1", "b")},
		"ratings": {at("10.0.1.1:80", "v1", "a")},
	}
}

func explain(t *testing.T, m *mesh.Mesh, q mesh.Query) mesh.Explanation {
	t.Helper()
	x, err := m.Explain(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	return x
}

const delegating = `apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: reviews}
spec:
  hosts: [reviews]
  http:
  - name: old
    match:
    - uri: {prefix: /v0}
      name: by-path
    - headers: {end-user: {exact: jason}}
    - sourceLabels: {app: other}
    route: [{destination: {host: ratings}}]
  - name: elsewhere
    match: [{sourceLabels: {app: other}}]
    route: [{destination: {host: ratings}}]
  - name: lost
    match: [{uri: {prefix: /lost}}]
    delegate: {name: nobody}
  - name: shop
    match: [{uri: {prefix: /v1}}]
    delegate: {name: shop}
`

const delegate = `apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: shop}
spec:
  http:
  - name: put
    match: [{method: {exact: PUT}}]
    route: [{destination: {host: ratings}}]
  - name: get
    match: [{uri: {prefix: /v1/a}}, {uri: {prefix: /v1/books/}}]
    rewrite: {uri: /b/}
    timeout: 3s
    retries: {attempts: 2, perTryTimeout: 1s, retryOn: "5xx", backoff: 10ms}
    fault: {delay: {fixedDelay: 1s, percentage: {value: 10}}, abort: {httpStatus: 503, percentage: {value: 0.5}}}
    headers: {request: {set: {x-a: "1"}, remove: [x-b]}, response: {add: {x-c: "2"}}}
    mirrors: [{destination: {host: ratings}, percentage: {value: 5}}]
    route:
    - {destination: {host: reviews, subset: v1}, weight: 90}
    - {destination: {host: reviews, subset: v2}, weight: 10}
`

const hashing = `apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: reviews}
spec:
  host: reviews
  trafficPolicy: {loadBalancer: {consistentHash: {httpHeaderName: end-user}}}
`

const nearest = `apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: reviews}
spec:
  host: reviews
  trafficPolicy:
    loadBalancer: {simple: ROUND_ROBIN}
    outlierDetection: {consecutive5xxErrors: 5, baseEjectionTime: 30s, maxEjectionPercent: 100}
`

// What people read, whole.
func TestExplain_golden(t *testing.T) {
	for name, tt := range map[string]struct {
		files map[string]string
		query mesh.Query
		web   map[string][]discovery.Endpoint
	}{
		"delegate": {map[string]string{"reviews.yaml": delegating, "shop.yaml": delegate, "subsets.yaml": subsets},
			mesh.Query{Host: "reviews", Path: "/v1/books/x", RawQuery: "q=1", Header: http.Header{"End-User": {"ann"}}}, three()},
		"hash": {map[string]string{"reviews.yaml": hashing},
			mesh.Query{Host: "reviews:80", Header: http.Header{"End-User": {"ann"}}}, three()},
		"tiers": {map[string]string{"reviews.yaml": nearest}, mesh.Query{Protocol: enmesh.GRPC, Host: "reviews", Path: "/shop.Reviews/Get"}, three()},
		"no_route": {map[string]string{"reviews.yaml": delegating, "shop.yaml": delegate, "subsets.yaml": subsets},
			mesh.Query{Host: "reviews.default.svc.cluster.local", Path: "/v2"}, three()},
		"policy_only": {map[string]string{"reviews.yaml": nearest + "---\n" + forReviews("{route: [{destination: {host: reviews}}]}")},
			mesh.Query{Host: "reviews"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			file, err := filepath.Abs("testdata/explain/" + name + ".txt")
			if err != nil {
				t.Fatal(err)
			}
			x := explain(t, asked(t, tt.files, tt.web), tt.query)
			x.Version = "" // not in the text either
			got := x.String()
			if *update {
				if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if got != string(want) {
				t.Errorf("got\n%s\nwant\n%s", got, want)
			}
		})
	}
}

// Each row is what becomes of a call that is not split.
func TestExplain_results(t *testing.T) {
	simple := strings.Replace(nearest, "outlierDetection: {consecutive5xxErrors: 5, baseEjectionTime: 30s, maxEjectionPercent: 100}", "tls: {mode: SIMPLE, credentialName: edge}", 1)
	both := func(http string) map[string]string { return map[string]string{"p.yaml": forReviews(http)} }
	for _, tt := range []struct {
		name  string
		files map[string]string
		query mesh.Query
		opts  []mesh.Option
		want  string
	}{
		{"unknown host", nil, mesh.Query{Host: "nobody"}, nil, "refused: 404 NR: no rule and no registry knows the host"},
		{"passed through", nil, mesh.Query{Host: "example.com:8443"}, []mesh.Option{mesh.WithOutboundMode(mesh.AllowAny)}, "passthrough: to example.com, port 8443, by DNS"},
		{"no DestinationRule", both(`{route: [{destination: {host: reviews, subset: v9}}]}`), mesh.Query{Host: "reviews"}, nil, "refused: 503 NC: the service or subset is not known"},
		{"a service that is not there", both(`{route: [{destination: {host: nowhere}}]}`), mesh.Query{Host: "reviews"}, nil, "refused: 503 NC: the service or subset is not known"},
		{"TLS that is not enforced", map[string]string{"p.yaml": simple}, mesh.Query{Host: "reviews"}, nil, `refused: 501: rule "default" of : the certificates of TLS mode SIMPLE are in the secret edge, and secrets of Kubernetes are not read`},
		{"redirect", both(`{match: [{uri: {prefix: /a/}}], redirect: {prefixRewrite: /b/, redirectCode: 308}}`), mesh.Query{Host: "reviews", Path: "/a/c", RawQuery: "q=1"}, nil, "redirect: 308: http://reviews/b/c?q=1"},
		{"redirect of gRPC", both(`{redirect: {uri: /b}}`), mesh.Query{Host: "reviews", Protocol: enmesh.GRPC, Path: "/a.B/C"}, nil, "redirect: 301: redirect to http://reviews/b, which gRPC does not follow"},
		{"direct", both(`{directResponse: {status: 410, body: {string: gone}}}`), mesh.Query{Host: "reviews"}, nil, "direct response: 410: gone"},
		{"direct success", both(`{directResponse: {status: 200, body: {string: ok}}}`), mesh.Query{Host: "reviews"}, nil, "direct response: 200: ok"},
		{"route", nil, mesh.Query{Host: "reviews"}, nil, "route"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			x := explain(t, asked(t, tt.files, three(), tt.opts...), tt.query)
			if got := x.Result.String(); got != tt.want {
				t.Errorf("got %q, want %q\n%s", got, tt.want, x)
			}
		})
	}
}

// failing has an endpoint's own gates hear of five failures.
func failing(t *testing.T, e *balance.Endpoint) {
	t.Helper()
	bad := &enmesh.Error{Code: enmesh.Unavailable, Outcome: enmesh.Failure, Status: 503, Err: errors.New("busy")}
	for range 5 {
		var a balance.Admission
		now := enmesh.Now()
		if err := e.Admit(t.Context(), &enmesh.Call{}, now, &a); err != nil {
			t.Fatal(err)
		}
		a.Release(enmesh.Result{Err: bad, Outcome: enmesh.Failure, Answered: now, Ended: enmesh.Now()})
	}
}

// Each reason why an endpoint is not picked, or is picked all the same, is said in one
// phrase.
func TestExplain_reasons(t *testing.T) {
	rule := map[string]string{"p.yaml": nearest}
	threshold := map[string]string{"p.yaml": strings.Replace(nearest, "consecutive5xxErrors", "minHealthPercent: 70, consecutive5xxErrors", 1)}
	leaving := three()
	leaving["reviews"][0].Draining = true
	far := map[string][]discovery.Endpoint{"reviews": {at("10.0.0.1:80", "v1", "a"), at("10.0.0.2:80", "v1", "a"), at("10.0.0.3:80", "v1", "b")}}
	far["reviews"][2].Locality.Region = "us"
	apart := map[string]string{"p.yaml": strings.Replace(nearest, "simple: ROUND_ROBIN", `localityLbSetting: {distribute: [{from: eu/a, to: {"eu/b": 100}}]}`, 1)}
	ann := http.Header{"End-User": {"ann"}}
	for _, tt := range []struct {
		name  string
		files map[string]string
		web   map[string][]discovery.Endpoint
		do    func(c *balance.Cluster, e *balance.Endpoint)
		query mesh.Query
		which string
		want  string
		taken bool // it is picked all the same
	}{
		{"ejected", rule, far, func(_ *balance.Cluster, e *balance.Endpoint) { failing(t, e) }, mesh.Query{}, "10.0.0.1:80", "ejected for 30 s: 5 consecutive 5xx", false},
		{"ejected by the program", nil, far, func(_ *balance.Cluster, e *balance.Endpoint) { e.Eject(enmesh.Now().Add(27 * time.Second)) }, mesh.Query{}, "10.0.0.1:80", "ejected for 27 s", false},
		{"resting", nil, far, func(_ *balance.Cluster, e *balance.Endpoint) { e.Rest(enmesh.Now().Add(9 * time.Second)) }, mesh.Query{}, "10.0.0.1:80", "ejected for 9 s: it could not be connected to", false},
		{"draining", nil, leaving, nil, mesh.Query{}, "10.0.0.1:80", "draining: the registry says that it takes no new calls", false},
		{"about to end", nil, far, func(_ *balance.Cluster, e *balance.Endpoint) { e.Drain(enmesh.Now().Add(9 * time.Second)) }, mesh.Query{}, "10.0.0.1:80", "draining: its process is about to end, 9 s to go", false},
		{"unhealthy", nil, far, func(_ *balance.Cluster, e *balance.Endpoint) { e.SetHealthy(false) }, mesh.Query{}, "10.0.0.1:80", "unhealthy: active checks say so", false},
		{"a tier that is not needed", rule, far, nil, mesh.Query{}, "10.0.0.3:80", "tier 1: not used while tier 0 has 100 % healthy", false},
		{"distribute", apart, three(), nil, mesh.Query{}, "10.0.0.1:80", "its locality is given nothing by distribute", false},
		{"panic", threshold, map[string][]discovery.Endpoint{"reviews": far["reviews"][:2]}, func(_ *balance.Cluster, e *balance.Endpoint) { failing(t, e) },
			mesh.Query{}, "10.0.0.1:80", "panic: health is left aside (ejected for 30 s: 5 consecutive 5xx)", true},
		{"nothing better", nil, map[string][]discovery.Endpoint{"reviews": far["reviews"][:1]}, func(_ *balance.Cluster, e *balance.Endpoint) { e.SetHealthy(false) },
			mesh.Query{}, "10.0.0.1:80", "nothing better is left (unhealthy: active checks say so)", true},
		{"not the key's owner", map[string]string{"p.yaml": hashing}, three(), nil, mesh.Query{Header: ann}, "10.0.0.1:80", "left out by ring: not the key's owner", false},
		{"the key's owner", map[string]string{"p.yaml": hashing}, three(), nil, mesh.Query{Header: ann}, "10.0.0.2:80", "the owner of the call's key", true},
		{"of another subset", map[string]string{"p.yaml": strings.Replace(subsets, "---\n", "", 1) + "\n---\n" + forReviews("{"+toReviews+"}")}, three(), nil,
			mesh.Query{}, "10.0.0.2:80", "not in subset v1: want label version=v1, have v2", false},
		{"of another client's subset", nil, three(), func(c *balance.Cluster, _ *balance.Endpoint) {
			cfg := c.Config()
			cfg.Subsetting = balance.SubsetConfig{Size: 2, Count: 3, Index: 1}
			c.Configure(cfg)
		}, mesh.Query{}, "10.0.0.1:80", "not in this client's subset: it has 2 of 3 endpoints", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := asked(t, tt.files, tt.web)
			tt.query.Host = "reviews"
			if tt.do != nil {
				c := m.Cluster(enmesh.Destination{Service: "reviews"}, enmesh.HTTP)
				if err := c.Wait(t.Context()); err != nil {
					t.Fatal(err)
				}
				tt.do(c, c.Set().Endpoints[0])
			}
			x := explain(t, m, tt.query)
			for _, c := range x.Destinations[0].Candidates {
				if c.Addr != tt.which {
					continue
				}
				if c.Why != tt.want || c.Eligible != tt.taken {
					t.Errorf("got %t %q, want %t %q\n%s", c.Eligible, c.Why, tt.taken, tt.want, x)
				}
				return
			}
			t.Errorf("%s is not among the candidates\n%s", tt.which, x)
		})
	}
}

// A service of very many endpoints is told of in part, those that are picked first.
func TestExplain_bounds(t *testing.T) {
	var many []discovery.Endpoint
	for i := range 250 {
		e := at(fmt.Sprintf("10.0.%d.1:80", i), "v1", "a")
		e.Draining = i < 100
		many = append(many, e)
	}
	m := asked(t, nil, map[string][]discovery.Endpoint{"reviews": many})
	for most, want := range map[int]int{0: 100, 3: 3, -1: 0, 1000: 250} {
		d := explain(t, m, mesh.Query{Host: "reviews", Candidates: most}).Destinations[0]
		if len(d.Candidates) != want || d.Omitted != 250-want {
			t.Errorf("%d asked for: %d and %d more, want %d", most, len(d.Candidates), d.Omitted, want)
		}
		if want > 0 && !d.Candidates[0].Eligible {
			t.Errorf("the first is not one that is picked: %+v", d.Candidates[0])
		}
	}
}

func TestExplain_refusesWhatMeansNothing(t *testing.T) {
	m := asked(t, nil, nil)
	for want, q := range map[string]mesh.Query{
		"host is missing":           {},
		"is no host":                {Host: "http://reviews/"},
		"does not begin":            {Host: "reviews", Path: "x"},
		"has a query":               {Host: "reviews", Path: "/x?q"},
		"is no method of gRPC":      {Host: "reviews", Protocol: enmesh.GRPC},
		`scheme "ftp" is not known`: {Host: "reviews", Scheme: "ftp"},
	} {
		if _, err := m.Explain(t.Context(), q); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want %q", q, err, want)
		}
	}
}
