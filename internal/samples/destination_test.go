// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package samples_test

import (
	"net/http"
	"path/filepath"
	"sync"
	"testing"

	"google.golang.org/grpc/codes"

	"github.com/enmesh-go/enmesh/discovery"
	"github.com/enmesh-go/enmesh/mesh"
	"github.com/enmesh-go/enmesh/meshhttp"
)

// inZone1 is a caller of the tasks on localities.
var inZone1 = mesh.Workload{Namespace: "sample", Locality: discovery.Locality{Region: "region1", Zone: "zone1"}}

const (
	hashed = "http://consistent-hash/any/path"
	hello  = "http://helloworld.sample.svc.cluster.local:5000/hello/world"
)

// evenly is a third of the calls to each version.
func evenly(service string) map[string]float64 {
	return map[string]float64{service + " v1": 1. / 3, service + " v2": 1. / 3, service + " v3": 1. / 3}
}

// destinations is the documents that have DestinationRules alone.
var destinations = []sample{
	{file: "bookinfo-dr-reviews-random.yaml", calls: []call{{to: "http://reviews/reviews/0", times: 600, shares: evenly("reviews")}}},
	{file: "ref-dr-ratings-port-lb.yaml", calls: []call{
		{to: prodRatings + ":80/ratings/0", times: 600, shares: evenly("ratings.prod")},
		{to: prodRatings + ":9080/ratings/0", times: 600, shares: evenly("ratings.prod")},
	}},
	{file: "ref-dr-ratings-subset-lb.yaml", calls: []call{{to: prodRatings + "/ratings/0", times: 600, shares: evenly("ratings.prod")}}},
	{file: "ref-dr-redis-pool.yaml", calls: []call{{to: "http://myredissrv.prod.svc.cluster.local/any/path", times: 20}}},
	{file: "ref-dr-reviews-cb.yaml", calls: []call{{to: prodReviews + "/reviews/0", times: 600, shares: evenly("reviews.prod")}}},

	{file: "e2e-consistent-hash-header.yaml", from: inEcho, calls: []call{
		{to: hashed, header: map[string]string{"x-some-header": "baz"}, times: 30, same: true},
		{to: hashed, header: map[string]string{"x-some-header": "qux"}, times: 30, same: true},
		{to: hashed, times: 600, shares: map[string]float64{"consistent-hash": 1}},
	}},
	{file: "e2e-consistent-hash-query.yaml", from: inEcho, calls: []call{
		{web: "gRPC has no query", to: hashed + "?some-query-param=baz", times: 30, same: true},
	}},
	{file: "e2e-consistent-hash-sourceip.yaml", from: inEcho, calls: []call{{to: hashed, times: 30, same: true}}},
	{file: "e2e-consistent-hash-cookie-ttl.yaml", from: inEcho, calls: []call{
		{to: hashed, header: map[string]string{"cookie": "session-cookie=baz"}, times: 30, same: true},
	}},
	{file: "ref-dr-ratings-cookie.yaml", calls: []call{
		{to: prodRatings + "/ratings/0", header: map[string]string{"cookie": "user=jason"}, times: 30, same: true},
	}},

	{file: "locality-distribute.yaml", from: inZone1, calls: []call{
		{to: hello, times: 1000, shares: map[string]float64{"helloworld v1": 0.7, "helloworld v2": 0.2, "helloworld v3": 0.1}},
	}},
	{file: "locality-failover.yaml", from: inZone1, calls: []call{{to: hello, times: 30, served: "helloworld v1"}}},

	// The caller has no certificate: what must be mutual TLS is refused, never sent in plaintext.
	{file: "bookinfo-dr-all-mtls.yaml", calls: []call{{to: "http://reviews/reviews/0", status: 503, code: codes.Unavailable}}},
	{file: "grpc-dr-echo-mtls.yaml", from: inEchoGRPC, calls: []call{
		{to: "http://echo:7070/proto.EchoTestService/Echo", status: 503, code: codes.Unavailable},
	}},
	{file: "dr-bar-httpbin-istio-mutual.yaml", from: mesh.Workload{Namespace: "bar"}, calls: []call{
		{to: "http://httpbin:8000/headers/all", status: 503, code: codes.Unavailable},
	}},
	{file: "dr-bar-httpbin-port8000-disable.yaml", from: mesh.Workload{Namespace: "bar"}, calls: []call{
		{to: "http://httpbin:8000/headers/all"},
		{to: "http://httpbin:9000/headers/all", status: 503, code: codes.Unavailable},
	}},
	{file: "dr-foo-httpbin-disable.yaml", from: mesh.Workload{Namespace: "foo"}, calls: []call{{to: "http://httpbin:8000/headers/all"}}},
	{file: "ref-dr-tls-foo-wildcard.yaml", calls: []call{
		{to: "http://bar.foo.com/any/path"},
		{to: "http://baz.foo.com/any/path", status: 503, code: codes.Unavailable}, // it speaks plaintext
	}},
}

// TestSamples_circuitBreaking: one connection to each instance, one call that waits for it,
// and the rest of a burst is refused at once.
func TestSamples_circuitBreaking(t *testing.T) {
	w := newWorld(t)
	m, err := mesh.Open(t.Context(), mesh.WithPolicies(filepath.Join(folder(t), "circuit-breaking-httpbin.yaml")), mesh.WithResolver(w))
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	transport := meshhttp.NewTransport(&http.Transport{}, m.Outbound(), m)
	defer transport.Close()
	client := &http.Client{Transport: transport}
	const burst = 30
	var mu sync.Mutex
	statuses := map[int]int{}
	var calls sync.WaitGroup
	for range burst {
		calls.Go(func() {
			req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://httpbin:8000/get", http.NoBody)
			if err != nil {
				t.Error(err)
				return
			}
			req.Header.Set(doTake, "500ms")
			resp, err := client.Do(req)
			status := statusOf(err)
			if err == nil {
				status = resp.StatusCode
				_ = resp.Body.Close()
			}
			mu.Lock()
			defer mu.Unlock()
			statuses[status]++
		})
	}
	calls.Wait()
	t.Logf("%d calls at once, by status: %v", burst, statuses)
	most := 2 * len(versions)
	if ok := statuses[200]; ok < len(versions) || ok > most || statuses[503] != burst-ok {
		t.Errorf("by status %v, want %d to %d answered and the others refused with 503", statuses, len(versions), most)
	}
}
