// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package mesh_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/balance"
	"github.com/enmesh-go/enmesh/discovery"
	"github.com/enmesh-go/enmesh/mesh"
	"github.com/enmesh-go/enmesh/policy"
	"github.com/enmesh-go/enmesh/telemetry/edges"
)

const subsets = `apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: reviews}
spec:
  host: reviews
  subsets:
  - {name: v1, labels: {version: v1}}
  - {name: v2, labels: {version: v2}}`

// split sends shares of the calls to v1 and v2.
func split(v1, v2 int) string {
	return fmt.Sprintf(`apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: reviews}
spec:
  hosts: [reviews]
  http:
  - match: [{headers: {end-user: {exact: jason}}}]
    route: [{destination: {host: reviews, subset: v2}}]
  - route:
    - {destination: {host: reviews, subset: v1}, weight: %d}
    - {destination: {host: reviews, subset: v2}, weight: %d}`, v1, v2)
}

func TestMesh_routesByPolicyOverMutualTLS(t *testing.T) {
	town := newTown(t, subsets, split(100, 0))
	town.registry.Set("reviews", town.serve("reviews", "v1", nil), town.serve("reviews", "v2", nil))
	client := town.client(town.open("productpage", "v1"))
	for range 20 {
		if got, err := get(t.Context(), client, "http://reviews:9080/"); got != "v1" || err != nil {
			t.Fatalf("got %q, %v; want v1", got, err)
		}
	}
	for _, name := range []string{"reviews", "reviews.default", "reviews.default.svc.cluster.local:9080"} {
		if got, err := get(t.Context(), client, "http://"+name+"/", "End-User", "jason"); got != "v2" || err != nil {
			t.Errorf("jason at %s: got %q, %v; want v2", name, got, err)
		}
	}
}

func TestMesh_reloadLosesNothingAndABadFileChangesNothing(t *testing.T) {
	town := newTown(t, subsets, split(100, 0))
	town.registry.Set("reviews", town.serve("reviews", "v1", nil), town.serve("reviews", "v2", nil))
	m := town.open("productpage", "v1")
	client := town.client(m)
	var failed atomic.Int64
	var last atomic.Value
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				got, err := get(t.Context(), client, "http://reviews/")
				if err != nil {
					failed.Add(1)
					t.Error(err)
					return
				}
				last.Store(got)
			}
		})
	}
	serves := func(version string) func() bool {
		return func() bool { v, _ := last.Load().(string); return v == version }
	}
	until(t, "v1 serves", serves("v1"))
	town.write("policy.yaml", subsets+"\n---\n"+split(0, 100))
	until(t, "v2 serves", serves("v2"))

	town.write("policy.yaml", subsets+"\n---\n"+strings.Replace(split(100, 0), "weight: 100", "weight: -1", 1))
	until(t, "the bad file is noticed", func() bool { return m.Status().Policy.Err != nil })
	err := m.Status().Policy.Err
	var problems *policy.Error
	if !errors.As(err, &problems) || problems.Problems[0].Line == 0 || !strings.Contains(err.Error(), "policy.yaml:") || !strings.Contains(err.Error(), "weight") {
		t.Errorf("the bad file is told as %v, want its file, line and field", err)
	}
	for range 20 {
		if got, err := get(t.Context(), client, "http://reviews/"); got != "v2" || err != nil {
			t.Errorf("after a bad file: %q, %v; want v2", got, err)
		}
	}
	town.write("policy.yaml", subsets+"\n---\n"+split(100, 0))
	until(t, "v1 serves again", serves("v1"))
	close(stop)
	wg.Wait()
	if n := failed.Load(); n != 0 {
		t.Errorf("%d calls failed", n)
	}
	if got := m.Status().Policy; got.Err != nil || got.Refused != 1 || got.Loads < 4 || got.Documents != 2 {
		t.Errorf("status %+v, want one refused load and no error", got)
	}
}

func TestMesh_refusesWhatItDoesNotKnow(t *testing.T) {
	town := newTown(t, strings.ReplaceAll(split(100, 0), "reviews", "details")) // no DestinationRule has its subsets
	town.registry.Set("details", town.serve("details", "v2", nil))
	town.registry.Set("empty")
	client := town.client(town.open("productpage", "v1"))
	for _, tt := range []struct {
		url    string
		header []string
		want   error
	}{
		{"http://details/", []string{"End-User", "jason"}, balance.ErrNoCluster},
		{"http://empty/", nil, balance.ErrNoEndpoint},
	} {
		if _, err := get(t.Context(), client, tt.url, tt.header...); !errors.Is(err, tt.want) {
			t.Errorf("%s: %v, want %v", tt.url, err, tt.want)
		}
	}
}

func TestOpen_failsOnPolicyThatDoesNotCompile(t *testing.T) {
	town := newTown(t, "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: x}\nspec:\n  hots: [reviews]")
	_, err := mesh.Open(t.Context(), mesh.WithPolicies(town.policies))
	if err == nil || !strings.Contains(err.Error(), "policy.yaml:5") {
		t.Errorf("got %v, want the file and line", err)
	}
}

func TestMesh_refusesAnEndpointItCannotName(t *testing.T) {
	town := newTown(t)
	known := town.serve("reviews", "v1", nil)
	other := known
	other.ServiceAccount = "details"
	nobody := known
	nobody.ServiceAccount = ""
	town.registry.Set("reviews", known)
	town.registry.Set("imposter", other)
	town.registry.Set("nobody", nobody)
	client := town.client(town.open("productpage", "v1"))
	if got, err := get(t.Context(), client, "http://reviews/"); got != "v1" || err != nil {
		t.Errorf("the right one: %q, %v", got, err)
	}
	for _, service := range []string{"imposter", "nobody"} {
		if got, err := get(t.Context(), client, "http://"+service+"/"); err == nil {
			t.Errorf("%s answered %q, want a refusal", service, got)
		}
	}
	town.write("policy.yaml", `apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: imposter}
spec:
  host: imposter
  trafficPolicy:
    tls: {mode: ISTIO_MUTUAL, subjectAltNames: ["spiffe://cluster.local/ns/default/sa/reviews"]}`)
	until(t, "subjectAltNames go before the endpoint's account", func() bool {
		got, err := get(t.Context(), client, "http://imposter/")
		return got == "v1" && err == nil
	})
}

func TestMesh_plaintextWithoutCertificates(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "plain") }))
	defer server.Close()
	registry := discovery.NewStatic(map[string][]discovery.Endpoint{"old": {{Addrs: []string{server.Listener.Addr().String()}}}})
	m, err := mesh.Open(t.Context(), mesh.WithResolver(registry))
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	if m.ServerTLS() != nil {
		t.Error("a mesh without certificates has a TLS configuration")
	}
	client := (&town{t: t}).client(m)
	if got, err := get(t.Context(), client, "http://old/"); got != "plain" || err != nil {
		t.Errorf("got %q, %v", got, err)
	}
	if _, err := get(t.Context(), client, "http://never-heard-of/"); enmesh.ErrorOf(err) == nil {
		t.Errorf("an unknown service: %v, want a refusal", err)
	}
}

func TestMesh_tellsMetricsAndEdges(t *testing.T) {
	town := newTown(t, subsets, split(100, 0))
	town.registry.Set("reviews", town.serve("reviews", "v1", nil))
	table := edges.New(edges.Config{})
	m := town.open("productpage", "v1", mesh.WithTelemetry(table))
	client := town.client(m)
	for range 3 {
		if _, err := get(t.Context(), client, "http://reviews/"); err != nil {
			t.Fatal(err)
		}
	}
	var edge edges.Edge
	until(t, "the edge is counted", func() bool {
		for _, e := range table.Snapshot() {
			edge = e
		}
		return edge.Requests == 3
	})
	if edge.From != "productpage" || edge.To != "reviews" || edge.Version != "v1" || edge.Attempts != 3 || edge.Failures != 0 {
		t.Errorf("edge %+v", edge)
	}
	w := httptest.NewRecorder()
	m.Metrics().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	for _, want := range []string{
		"istio_requests_total{", `destination_service="reviews.default.svc.cluster.local"`, `source_principal="spiffe://cluster.local/ns/default/sa/productpage"`,
		`enmesh_discovery_endpoints{service="reviews.default.svc.cluster.local"} 1`, "enmesh_policy_last_load_applied 1",
	} {
		if !strings.Contains(w.Body.String(), want) {
			t.Errorf("the metrics do not have %s", want)
		}
	}
	services := m.Status().Services
	if len(services) != 1 || !services[0].Known || services[0].Endpoints != 1 || services[0].Err != nil {
		t.Errorf("services %+v", services)
	}
}

// What is beyond the limit of series is counted in one.
func TestMesh_boundsItsSeries(t *testing.T) {
	town := newTown(t)
	town.registry.Set("reviews", town.serve("reviews", "v1", nil))
	town.registry.Set("ratings", town.serve("ratings", "v1", nil))
	for _, limit := range []int{0, 1, 5} {
		m := town.open("productpage", "v1", mesh.WithMaxSeries(limit))
		client := town.client(m)
		for _, service := range []string{"reviews", "ratings"} {
			if _, err := get(t.Context(), client, "http://"+service+"/"); err != nil {
				t.Fatal(err)
			}
		}
		series := func() (all, over int) {
			w := httptest.NewRecorder()
			m.Metrics().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
			return strings.Count(w.Body.String(), "istio_requests_total{"), strings.Count(w.Body.String(), `istio_requests_total{connection_security_policy="_overflow"`)
		}
		until(t, "both calls are counted", func() bool { all, _ := series(); return all == 2 })
		if _, over := series(); (over == 1) != (limit == 1) {
			t.Errorf("with a limit of %d there are %d series for the rest", limit, over)
		}
	}
}

func TestMesh_reloadKeepsClustersAndWhatTheyLearned(t *testing.T) {
	town := newTown(t, subsets, split(50, 50))
	town.registry.Set("reviews", town.serve("reviews", "v1", nil), town.serve("reviews", "v2", nil))
	m := town.open("productpage", "v1")
	client := town.client(m)
	if _, err := get(t.Context(), client, "http://reviews/", "End-User", "jason"); err != nil {
		t.Fatal(err)
	}
	d := enmesh.Destination{Service: "reviews", Subset: "v2"}
	before := m.Cluster(d, enmesh.HTTP)
	endpoint := before.Set().Endpoints[0]
	town.write("policy.yaml", subsets+"\n---\n"+split(10, 90))
	until(t, "the reload", func() bool { return m.Status().Policy.Loads == 2 })
	after := m.Cluster(enmesh.Destination{Service: "reviews.default", Subset: "v2"}, enmesh.HTTP)
	if after != before || after.Set().Endpoints[0] != endpoint {
		t.Error("a reload made a new cluster or a new endpoint")
	}
	var _ balance.Source = m
	var _ balance.TLSSource = m
}
