// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package mesh_test

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/balance"
	"github.com/enmesh-go/enmesh/balance/health"
	"github.com/enmesh-go/enmesh/balance/outlier"
	"github.com/enmesh-go/enmesh/mesh"
	"github.com/enmesh-go/enmesh/meshgrpc"
	"github.com/enmesh-go/enmesh/resilience/breaker"
)

// Checks go over the mesh's own mutual TLS; an instance that fails them gets no calls,
// and gets them again when it is well.
func TestService_checksInstances(t *testing.T) {
	town := newTown(t)
	var ill atomic.Bool
	ill.Store(true)
	second := func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/healthz" && ill.Load() {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		fmt.Fprint(w, "v2")
	}
	town.registry.Set("reviews", town.serve("reviews", "v1", nil), town.serve("reviews", "v2", second))
	m := town.open("productpage", "v1", mesh.WithService("reviews", mesh.ServiceConfig{
		Checker: func(tls balance.TLSSource) (health.Checker, error) {
			return health.NewHTTP(health.HTTPConfig{Path: "/healthz"}, nil, health.Secure(tls))
		},
		Health:     health.Config{Interval: 20 * time.Millisecond, Timeout: 5 * time.Second, Healthy: 1, Unhealthy: 1},
		AwaitCheck: true,
	}))
	client := town.client(m)
	visits := func() string {
		seen := map[string]bool{}
		for range 40 {
			version, err := get(t.Context(), client, "http://reviews/")
			if err != nil {
				t.Fatal(err)
			}
			seen[version] = true
		}
		if len(seen) == 2 {
			return "both"
		}
		for version := range seen {
			return version
		}
		return ""
	}
	until(t, "the first one is found well", func() bool { return visits() == "v1" })
	ill.Store(false)
	until(t, "both get calls", func() bool { return visits() == "both" })
	ill.Store(true)
	until(t, "the second is left alone", func() bool { return visits() == "v1" })
}

// What the program says holds where policy says nothing.
func TestService_choosesInstances(t *testing.T) {
	s := newStreet(t, "reviews")
	last := balance.Algorithm(func(eps []*balance.Endpoint) balance.Picker {
		eps = slices.Clone(eps)
		slices.SortFunc(eps, func(a, b *balance.Endpoint) int { return strings.Compare(b.Label("version"), a.Label("version")) })
		return balance.RoundRobin()(eps[:1])
	})
	rule := func(spec string) string {
		return "apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {name: reviews}\nspec: {host: reviews, " + spec + "}\n"
	}
	for _, tt := range []struct {
		name, documents string
		cfg             mesh.ServiceConfig
		want            int // versions that are called
	}{
		{"nothing said", "", mesh.ServiceConfig{}, 3},
		{"the program's algorithm", "", mesh.ServiceConfig{Algorithm: last}, 1},
		{"beside a rule about something else", rule("trafficPolicy: {connectionPool: {http: {http2MaxRequests: 9}}}"), mesh.ServiceConfig{Algorithm: last}, 1},
		{"a rule's algorithm goes first", rule("trafficPolicy: {loadBalancer: {simple: ROUND_ROBIN}}"), mesh.ServiceConfig{Algorithm: last}, 3},
		{"part of the instances", "", mesh.ServiceConfig{Subsetting: balance.SubsetConfig{Size: 2, Count: 3}}, 2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			option := mesh.WithService("reviews.default", tt.cfg)
			web, rpc := s.open(t, s.web, tt.documents, option), s.open(t, s.rpc, tt.documents, option)
			client := (&town{t: t}).client(web)
			cc, err := grpc.NewClient("enmesh:///reviews", meshgrpc.NewClient(rpc.Outbound(), rpc).DialOptions()...)
			if err != nil {
				t.Fatal(err)
			}
			defer cc.Close()
			overHTTP := func() (string, error) { return get(t.Context(), client, "http://reviews/a/b") }
			overGRPC := func() (string, error) {
				var out wrapperspb.StringValue
				err := cc.Invoke(t.Context(), "/a/b", wrapperspb.String(""), &out)
				return out.GetValue(), err
			}
			for name, call := range map[string]func() (string, error){"HTTP": overHTTP, "gRPC": overGRPC} {
				until(t, fmt.Sprintf("calls over %s go to %d versions", name, tt.want), func() bool {
					seen := map[string]bool{}
					for range 30 {
						answer, err := call()
						if err != nil {
							t.Fatal(err)
						}
						seen[answer] = true
					}
					return len(seen) == tt.want
				})
			}
		})
	}
}

// The program has the last word on what a cluster is, but not on which it is.
func TestService_tunesClusters(t *testing.T) {
	s := newStreet(t, "reviews")
	m := s.open(t, s.web, subsets, mesh.WithService("reviews", mesh.ServiceConfig{
		Outlier: &outlier.Config{Consecutive5xx: 1, BaseEjection: time.Minute},
		Tune: func(cfg *balance.ClusterConfig) {
			cfg.Connection.MaxRequests, cfg.Panic = 7, 50
			cfg.Destination.Service, cfg.Subset = "other", nil
		},
	}))
	cfg := m.Cluster(enmesh.Destination{Service: "reviews", Subset: "v1"}, enmesh.HTTP).Config()
	if cfg.Connection.MaxRequests != 7 || cfg.Panic != 50 || cfg.Gates == nil {
		t.Errorf("got %+v, want the program's numbers and the mesh's gates", cfg)
	}
	if cfg.Destination.Service != "reviews.default.svc.cluster.local" || cfg.Subset["version"] != "v1" {
		t.Errorf("got the cluster of %v with labels %v", cfg.Destination, cfg.Subset)
	}
	s.status = func(h heard) int {
		if strings.HasSuffix(h.who, "v2") {
			return http.StatusInternalServerError
		}
		return http.StatusOK
	}
	client := (&town{t: t}).client(m)
	for range 30 {
		_, _ = get(t.Context(), client, "http://reviews/a")
	}
	if failed := len(s.take("reviews v2")); failed != 1 {
		t.Errorf("the failing instance got %d calls, want 1: then it is ejected", failed)
	}
}

// breakersOf hangs a breaker on each endpoint, the same one after a reload.
func breakersOf(t *testing.T, cfg breaker.Config) func(*balance.ClusterConfig) {
	return func(c *balance.ClusterConfig) {
		if c.Gates != nil {
			t.Error("the program finds gates that it has not made")
		}
		c.Algorithm = balance.RoundRobin()
		c.Gates = func(e *balance.Endpoint) []enmesh.Gate {
			made := e.Keep(cfg, func() any {
				b, err := breaker.New(cfg)
				if err != nil {
					t.Error(err)
				}
				return b
			})
			return []enmesh.Gate{made.(*breaker.Breaker)}
		}
	}
}

// Gates that the program hangs on endpoints stand beside the mesh's own: a breaker of each
// keeps calls from the instance that fails, before and after a reload, and where the mesh
// detects outliers it still does.
func TestService_gatesOfEndpoints(t *testing.T) {
	detect := "---" + `
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: reviews}
spec: {host: reviews, trafficPolicy: {outlierDetection: {consecutive5xxErrors: 1, baseEjectionTime: 1h, interval: 1h, maxEjectionPercent: 100}}}
`
	cfg := breaker.Config{ConsecutiveFailures: 3, OpenFor: time.Hour}
	for _, protocol := range []string{"http", "grpc"} {
		t.Run(protocol, func(t *testing.T) {
			y := newYard(t, protocol, noRetries, mesh.WithService("reviews", mesh.ServiceConfig{Tune: breakersOf(t, cfg)}))
			var failed atomic.Int64
			sick := func(context.Context) int { failed.Add(1); return 500 }
			good, broken, ejected := y.endpointOf(), y.serve(y.server, sick), y.serve(y.server, sick)
			y.registry.Set("reviews", good, broken)
			until(t, "three calls have failed", func() bool { y.calls(1); return failed.Load() == 3 && y.hits.Load() > 0 })
			for _, more := range []string{"", ownDoc("RetryBudget", "host: reviews")} {
				if more != "" {
					y.own(more)
				}
				if got := y.calls(10); got[200] != 5 || got[503] != 5 || failed.Load() != 3 {
					t.Errorf("got %v, %d calls at the instance that fails; want half, refused by its breaker, and 3", got, failed.Load())
				}
			}
			y.own(detect)
			y.registry.Set("reviews", good, broken, ejected)
			until(t, "another call has failed", func() bool { y.calls(1); return failed.Load() == 4 })
			if got := y.calls(10); got[200] != 5 || got[503] != 5 || failed.Load() != 4 {
				t.Errorf("got %v, %d calls at the instances that fail; want half, and 4: the other is ejected after one", got, failed.Load())
			}
		})
	}
}

func TestService_refusesNonsense(t *testing.T) {
	for name, cfg := range map[string]mesh.ServiceConfig{
		"mesh: service reviews: balance:": {Subsetting: balance.SubsetConfig{Size: -1}},
		"AwaitCheck without a Checker":    {AwaitCheck: true},
		"mesh: service reviews: health:": {Checker: func(balance.TLSSource) (health.Checker, error) {
			return health.NewHTTP(health.HTTPConfig{Expect: "often"}, nil)
		}},
	} {
		m, err := mesh.Open(t.Context(), mesh.WithService("reviews", cfg))
		if err == nil {
			_ = m.Close()
		}
		if err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("got %v, want %q in it", err, name)
		}
	}
}
