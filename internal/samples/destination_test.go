// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package samples_test

import (
	"net/http"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/balance"
	"github.com/enmesh-go/enmesh/discovery"
	"github.com/enmesh-go/enmesh/mesh"
	"github.com/enmesh-go/enmesh/meshgrpc"
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

func inProd(service string) string { return service + ".prod.svc.cluster.local" }

// toTestVersion has calls of one path go to the subset of ref-dr-ratings-subset-lb.yaml.
const toTestVersion = `apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: ratings, namespace: prod}
spec:
  hosts: [ratings.prod.svc.cluster.local]
  http:
  - match: [{uri: {prefix: /test}}]
    route: [{destination: {host: ratings.prod.svc.cluster.local, subset: testversion}}]
  - route: [{destination: {host: ratings.prod.svc.cluster.local}}]
`

// destinations is the documents that have DestinationRules alone.
var destinations = []sample{
	{file: "bookinfo-dr-reviews-random.yaml", calls: []call{{to: "http://reviews/reviews/0", times: 600, shares: evenly("reviews")}},
		holds: []holding{{to: enmesh.Destination{Service: "reviews.default.svc.cluster.local"}, picker: "random"}}},
	{file: "ref-dr-ratings-port-lb.yaml",
		calls: []call{
			{to: prodRatings + ":80/ratings/0", times: 600, shares: evenly("ratings.prod")},
			{to: prodRatings + ":9080/ratings/0", times: 600, shares: evenly("ratings.prod")},
		},
		holds: []holding{
			{to: enmesh.Destination{Service: inProd("ratings"), Port: 80}, picker: "least request of 2"},
			{to: enmesh.Destination{Service: inProd("ratings"), Port: 9080}, picker: "round robin"},
		}},
	{file: "ref-dr-ratings-subset-lb.yaml", own: toTestVersion,
		calls: []call{
			{to: prodRatings + "/ratings/0", times: 600, shares: evenly("ratings.prod")},
			{to: prodRatings + "/test/0", times: 30, served: "ratings.prod v3"},
		},
		holds: []holding{
			{to: enmesh.Destination{Service: inProd("ratings")}, picker: "least request of 2"},
			{to: enmesh.Destination{Service: inProd("ratings"), Subset: "testversion"}, picker: "round robin"},
		}},
	{file: "ref-dr-redis-pool.yaml", calls: []call{{to: "http://myredissrv.prod.svc.cluster.local/any/path", times: 20}},
		holds: []holding{{to: enmesh.Destination{Service: inProd("myredissrv")}, pool: balance.ConnectionConfig{
			MaxConnections: 100, ConnectTimeout: 30 * time.Millisecond, ProbeIdle: 2 * time.Hour, ProbeInterval: 75 * time.Second,
		}}}},
	{file: "ref-dr-reviews-cb.yaml",
		calls: []call{
			{to: prodReviews + "/reviews/0", times: 600, shares: evenly("reviews.prod")},
			{to: prodReviews + "/reviews/0", header: map[string]string{doFail: "500"}, times: 60, status: 500, code: codes.Unknown},
			{to: prodReviews + "/reviews/0", after: 50 * time.Millisecond, times: 60, servers: 2}, // one is ejected: the default bound of 10 % is at least one
		},
		holds: []holding{{to: enmesh.Destination{Service: inProd("reviews")}, pool: balance.ConnectionConfig{
			MaxConnections: 100, MaxRequestsPerConnection: 10,
		}}}},
	{file: "circuit-breaking-httpbin.yaml", // in parallel it is called by TestSamples_circuitBreaking
		calls: []call{
			{to: "http://httpbin:8000/get/all", times: 300, shares: evenly("httpbin")},
			{to: "http://httpbin:8000/get/all", header: map[string]string{doFail: "500"}, status: 500, code: codes.Unknown}, // one error ejects
			{to: "http://httpbin:8000/get/all", after: 50 * time.Millisecond, times: 60, servers: 2},
		},
		holds: []holding{{to: enmesh.Destination{Service: "httpbin.default.svc.cluster.local", Port: 8000}, pool: balance.ConnectionConfig{
			MaxConnections: 1, MaxPending: 1, MaxRequestsPerConnection: 1,
		}}}},

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
		{to: hashed, times: 30, same: true, cookie: `^session-cookie=[^;]+; .*Max-Age=3600`},
	}},
	{file: "ref-dr-ratings-cookie.yaml", calls: []call{
		{to: prodRatings + "/ratings/0", header: map[string]string{"cookie": "user=jason"}, times: 30, same: true},
		{to: prodRatings + "/ratings/0", times: 30, same: true, cookie: `^user=[^;]+(; HttpOnly)?$`}, // ttl 0s: for the session
	}},

	{file: "locality-distribute.yaml", from: inZone1, calls: []call{
		{to: hello, times: 1000, shares: map[string]float64{"helloworld v1": 0.7, "helloworld v2": 0.2, "helloworld v3": 0.1}},
	}},
	{file: "locality-failover.yaml", from: inZone1,
		calls: []call{
			{to: hello, times: 30, served: "helloworld v1"},
			{to: hello, header: map[string]string{doFail: "500"}, status: 500, code: codes.Unknown}, // one error ejects
			{to: hello, after: 50 * time.Millisecond, times: 30, served: "helloworld v2"},           // of the same region
		},
		holds: []holding{{to: enmesh.Destination{Service: "helloworld.sample.svc.cluster.local", Port: 5000}, pool: balance.ConnectionConfig{MaxRequestsPerConnection: 1}}}},

	// The caller has no certificate: what must be mutual TLS is refused, never sent in plaintext.
	{file: "bookinfo-dr-all-mtls.yaml", calls: []call{
		{to: "http://productpage/page/0", status: 503, code: codes.Unavailable},
		{to: "http://reviews/reviews/0", status: 503, code: codes.Unavailable},
		{to: "http://ratings/ratings/0", status: 503, code: codes.Unavailable},
		{to: "http://details/details/0", status: 503, code: codes.Unavailable},
	}},
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

// TestSamples_circuitBreaking: over HTTP one connection to each instance, one call that waits
// for it, and the rest of a burst is refused at once. gRPC has one connection to each instance
// anyway, and many calls on it: none waits, and none is refused. That a failing instance is
// ejected is in the table.
func TestSamples_circuitBreaking(t *testing.T) {
	w := newWorld(t)
	m, err := mesh.Open(t.Context(), mesh.WithPolicies(filepath.Join(folder(t), "circuit-breaking-httpbin.yaml")), mesh.WithResolver(w))
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	const burst = 30
	atOnce := func(ask func() string) map[string]int {
		var mu sync.Mutex
		answers := map[string]int{}
		var calls sync.WaitGroup
		for range burst {
			calls.Go(func() {
				a := ask()
				mu.Lock()
				defer mu.Unlock()
				answers[a]++
			})
		}
		calls.Wait()
		t.Logf("%d calls at once, by answer: %v", burst, answers)
		return answers
	}
	answers := atOnce(asker(t, m, "http://httpbin:8000/get", "500ms"))
	most := 2 * len(versions)
	if ok := answers["200"]; ok < len(versions) || ok > most || answers["503"] != burst-ok {
		t.Errorf("over HTTP %v, want %d to %d answered and the others refused with 503", answers, len(versions), most)
	}
	if answers = atOnce(rpcAsker(t, m, "httpbin:8000", "/get/all", "500ms")); answers["OK"] != burst {
		t.Errorf("over gRPC %v, want all %d answered", answers, burst)
	}
}

// TestSamples_abortOneInAThousand: about one call in a thousand is aborted. The others meet a
// subset that nobody defines, so that it costs little to make many.
func TestSamples_abortOneInAThousand(t *testing.T) {
	w := newWorld(t)
	m, err := mesh.Open(t.Context(), mesh.WithPolicies(filepath.Join(folder(t), "ref-vs-ratings-abort-400.yaml")), mesh.WithResolver(w))
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	for _, tt := range []struct {
		ask              func() string
		aborted, refused string
	}{
		{asker(t, m, prodRatings+"/ratings/0", ""), "400", "503"},
		{rpcAsker(t, m, strings.TrimPrefix(prodRatings, "http://"), "/ratings/0", ""), codes.Internal.String(), codes.Unavailable.String()},
	} {
		const calls = 20_000
		answers := map[string]int{}
		for range calls {
			answers[tt.ask()]++
		}
		t.Logf("%d calls, by answer: %v", calls, answers)
		if n := answers[tt.aborted]; n < 3 || n > 50 || answers[tt.refused] != calls-n { // 20 is expected, and 4.5 their deviation
			t.Errorf("got %v, want 3 to 50 aborted with %s and the others refused with %s", answers, tt.aborted, tt.refused)
		}
	}
}

// asker makes calls over HTTP, whose answers take so long, and gives their statuses.
func asker(t *testing.T, m *mesh.Mesh, to, take string) func() string {
	t.Helper()
	transport := meshhttp.NewTransport(&http.Transport{}, m.Outbound(), m)
	t.Cleanup(func() { _ = transport.Close() })
	client := &http.Client{Transport: transport}
	return func() string {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, to, http.NoBody)
		if err != nil {
			return err.Error()
		}
		req.Header.Set(doTake, take)
		resp, err := client.Do(req)
		if err != nil {
			return strconv.Itoa(statusOf(err))
		}
		_ = resp.Body.Close()
		return strconv.Itoa(resp.StatusCode)
	}
}

// rpcAsker makes calls over gRPC, and gives their codes.
func rpcAsker(t *testing.T, m *mesh.Mesh, host, method, take string) func() string {
	t.Helper()
	cc, err := grpc.NewClient("enmesh:///"+host, meshgrpc.NewClient(m.Outbound(), m).DialOptions()...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cc.Close() })
	return func() string {
		ctx := metadata.AppendToOutgoingContext(t.Context(), doTake, take)
		return status.Code(cc.Invoke(ctx, method, new(emptypb.Empty), new(emptypb.Empty))).String()
	}
}
