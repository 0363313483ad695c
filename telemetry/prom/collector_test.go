// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package prom_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"go.uber.org/goleak"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/enmeshtest"
	"github.com/enmesh-go/enmesh/telemetry"
	"github.com/enmesh-go/enmesh/telemetry/prom"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var (
	errBusy = &enmesh.Error{Code: enmesh.Unavailable, Outcome: enmesh.Failure, Status: 503, Err: errors.New("busy")}
	errFull = &enmesh.Error{Code: enmesh.Unavailable, Outcome: enmesh.Neutral, Status: 503, Flag: enmesh.FlagOverflow, Policy: "breaker"}
)

var self = telemetry.Workload{
	Name: "productpage-v1", Namespace: "default", App: "productpage", Version: "v1", Cluster: "east",
	Principal: "spiffe://cluster.local/ns/default/sa/productpage",
}

// reviewsV2 is an endpoint as a registry labels it.
var reviewsV2 = &enmeshtest.Endpoint{Address: "10.0.0.7:9080", Labels: map[string]string{
	"app": "reviews", "version": "v2", "service.istio.io/workload-name": "reviews-v2",
}}

// end is a call with its result, after d.
func end(c *enmesh.Call, err error, d time.Duration) enmesh.Result {
	r := enmesh.Result{Call: c, Err: err, Outcome: enmesh.OutcomeOf(err)}
	r.Ended = c.Start.Add(d)
	return r
}

func call(describe func(c *enmesh.Call)) *enmesh.Call {
	c := &enmesh.Call{Method: "GET", Path: "/reviews/1", Destination: enmesh.Destination{Service: "reviews"}}
	c.Start = enmesh.Now()
	if describe != nil {
		describe(c)
	}
	return c
}

// scrape is what Prometheus would read.
func scrape(t testing.TB, c prometheus.Collector) string {
	t.Helper()
	registry := prometheus.NewPedanticRegistry()
	if err := registry.Register(c); err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	handler := promhttp.HandlerFor(registry, promhttp.HandlerOpts{ErrorHandling: promhttp.HTTPErrorOnError})
	handler.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	body, err := io.ReadAll(w.Result().Body)
	if err != nil || w.Code != http.StatusOK {
		t.Fatalf("scrape: %d %s %v", w.Code, body, err)
	}
	return string(body)
}

// labelsOf reads the labels of the first line that begins with metric.
func labelsOf(t *testing.T, text, metric string) map[string]string {
	t.Helper()
	for line := range strings.Lines(text) {
		rest, ok := strings.CutPrefix(line, metric+"{")
		if !ok {
			continue
		}
		rest, _, _ = strings.Cut(rest, "} ")
		labels := map[string]string{}
		for _, pair := range strings.Split(rest, ",") {
			name, value, _ := strings.Cut(pair, "=")
			labels[name] = strings.Trim(value, "\"")
		}
		return labels
	}
	t.Fatalf("no %s in\n%s", metric, text)
	return nil
}

// istioLabels are the labels of Istio's standard metrics.
var istioLabels = strings.Fields(`
	reporter source_workload source_workload_namespace source_principal source_app source_version source_cluster
	source_canonical_service source_canonical_revision destination_workload destination_workload_namespace
	destination_principal destination_app destination_version destination_service destination_service_name
	destination_service_namespace destination_cluster destination_canonical_service destination_canonical_revision
	request_protocol response_code response_flags grpc_response_status connection_security_policy`)

func TestCollector_clientLabels(t *testing.T) {
	c := prom.New(prom.Config{})
	c.Calls(telemetry.Scope{Self: self}).Observe(end(call(func(c *enmesh.Call) {
		c.Endpoint, c.Answer.Status = reviewsV2, 200
	}), nil, time.Millisecond))
	want := map[string]string{
		"reporter":        "source",
		"source_workload": "productpage-v1", "source_workload_namespace": "default", "source_principal": self.Principal,
		"source_app": "productpage", "source_version": "v1", "source_cluster": "east",
		"source_canonical_service": "productpage", "source_canonical_revision": "v1",
		"destination_workload": "reviews-v2", "destination_workload_namespace": "default", "destination_principal": "unknown",
		"destination_app": "reviews", "destination_version": "v2", "destination_cluster": "unknown",
		"destination_canonical_service": "reviews", "destination_canonical_revision": "v2",
		"destination_service": "reviews.default.svc.cluster.local", "destination_service_name": "reviews",
		"destination_service_namespace": "default",
		"request_protocol":              "http", "response_code": "200", "response_flags": "-", "grpc_response_status": "",
		"connection_security_policy": "unknown",
	}
	compare(t, labelsOf(t, scrape(t, c), "istio_requests_total"), want)
}

func TestCollector_serverLabels(t *testing.T) {
	c := prom.New(prom.Config{})
	o := c.Calls(telemetry.Scope{Side: enmesh.Server, Self: telemetry.Workload{Name: "ratings-v1", Namespace: "default", App: "ratings", Version: "v1"}})
	o.Observe(end(call(func(c *enmesh.Call) {
		c.Service, c.Protocol, c.Method, c.Path = "ratings.default", enmesh.GRPC, "POST", "/ratings.Ratings/Get"
		c.Source = &enmesh.Peer{
			Identity: "spiffe://cluster.local/ns/shop/sa/reviews",
			TLS:      &tls.ConnectionState{PeerCertificates: []*x509.Certificate{{}}},
		}
	}), errBusy, time.Millisecond))
	want := map[string]string{
		"reporter":        "destination",
		"source_workload": "unknown", "source_workload_namespace": "shop",
		"source_principal": "spiffe://cluster.local/ns/shop/sa/reviews",
		"source_app":       "unknown", "source_version": "unknown", "source_cluster": "unknown",
		"source_canonical_service": "unknown", "source_canonical_revision": "unknown",
		"destination_workload": "ratings-v1", "destination_workload_namespace": "default", "destination_principal": "unknown",
		"destination_app": "ratings", "destination_version": "v1", "destination_cluster": "unknown",
		"destination_canonical_service": "ratings", "destination_canonical_revision": "v1",
		"destination_service": "ratings.default.svc.cluster.local", "destination_service_name": "ratings",
		"destination_service_namespace": "default",
		"request_protocol":              "grpc", "response_code": "200", "response_flags": "-", "grpc_response_status": "14",
		"connection_security_policy": "mutual_tls",
	}
	compare(t, labelsOf(t, scrape(t, c), "istio_requests_total"), want)
}

func TestCollector_serverLabelsOfAPeerThatSaysMore(t *testing.T) {
	c := prom.New(prom.Config{})
	o := c.Calls(telemetry.Scope{Side: enmesh.Server, Self: self})
	for _, v := range []string{"v1", "v2", "v1"} {
		o.Observe(end(call(func(c *enmesh.Call) {
			c.Source = &enmesh.Peer{Labels: map[string]string{"app": "reviews", "version": v}}
		}), nil, time.Millisecond))
	}
	text := scrape(t, c)
	got := labelsOf(t, text, "istio_requests_total")
	if got["source_app"] != "reviews" || got["source_version"] != "v1" || got["connection_security_policy"] != "none" {
		t.Errorf("got %v, want the peer's labels", got)
	}
	if n := strings.Count(text, "\nistio_requests_total{"); n != 2 {
		t.Errorf("%d series, want one for each version", n)
	}
}

func compare(t *testing.T, got, want map[string]string) {
	t.Helper()
	for _, name := range istioLabels {
		if value, ok := got[name]; !ok || value != want[name] {
			t.Errorf("%s is %q, want %q", name, value, want[name])
		}
	}
	for name := range got {
		if !slices.Contains(istioLabels, name) {
			t.Errorf("%s is not a label of Istio's", name)
		}
	}
}

func TestCollector_foreignServiceAndRefusal(t *testing.T) {
	c := prom.New(prom.Config{})
	o := c.Calls(telemetry.Scope{Self: self})
	o.Observe(end(call(func(c *enmesh.Call) { c.Service = "api.example.com" }), errFull, 0))
	got := labelsOf(t, scrape(t, c), "istio_requests_total")
	for name, want := range map[string]string{
		"destination_service": "api.example.com", "destination_service_name": "api.example.com",
		"destination_service_namespace": "unknown", "destination_version": "unknown",
		"response_code": "503", "response_flags": "UO",
	} {
		if got[name] != want {
			t.Errorf("%s is %q, want %q", name, got[name], want)
		}
	}
}

func TestCollector_histograms(t *testing.T) {
	c := prom.New(prom.Config{})
	o := c.Calls(telemetry.Scope{Self: self})
	for _, d := range []time.Duration{0, 500 * time.Microsecond, 500*time.Microsecond + 1, time.Second, 2 * time.Hour} {
		o.Observe(end(call(nil), nil, d))
	}
	text := scrape(t, c)
	for _, want := range []string{
		`le="0.5"} 2`, `le="1"} 3`, `le="500"} 3`, `le="1000"} 4`, `le="3.6e+06"} 4`, `le="+Inf"} 5`,
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no bucket %s in\n%s", want, text)
		}
	}
	if got := strings.Count(text, "istio_request_duration_milliseconds_bucket"); got != 20 {
		t.Errorf("%d buckets, want Envoy's 19 and +Inf", got)
	}
	if want := "} 7.201001000001e+06"; !strings.Contains(text, want) {
		t.Errorf("no sum %s in\n%s", want, text)
	}
}

// counting is an Exchange that knows its bytes.
type counting struct{ *enmeshtest.Wire }

func (counting) Sizes() (request, answer int64) { return 100, 4000 }

func TestCollector_bytesWhereTheAdapterCounts(t *testing.T) {
	c := prom.New(prom.Config{})
	r := enmesh.Fixed(false, telemetry.Calls(c.Calls(telemetry.Scope{Self: self})))
	var k enmesh.Carrier
	k.Begin(t.Context(), counting{enmeshtest.NewWire()})
	k.Call.Service = "reviews"
	k.Enter(r)
	if err := k.Run(); err != nil {
		t.Fatal(err)
	}
	k.End(nil, enmesh.Now())
	text := scrape(t, c)
	for metric, want := range map[string]string{"istio_request_bytes": "100", "istio_response_bytes": "4000"} {
		labelsOf(t, text, metric+"_sum")
		if !strings.Contains(text, "} "+want+"\n") {
			t.Errorf("%s has no sum of %s", metric, want)
		}
	}
	o := c.Calls(telemetry.Scope{Self: telemetry.Workload{Name: "other"}})
	o.Observe(end(call(nil), nil, 0))
	if text := scrape(t, c); strings.Count(text, "istio_request_bytes_count") != 1 {
		t.Errorf("a call of unknown size was counted with one:\n%s", text)
	}
}

func TestCollector_attemptsPerCall(t *testing.T) {
	c := prom.New(prom.Config{})
	scope := telemetry.Scope{Self: self}
	again := func(next enmesh.Next) enmesh.Next {
		return func(ctx context.Context, c *enmesh.Call) error {
			err := next(ctx, c)
			if err != nil && c.Again() {
				return next(ctx, c)
			}
			return err
		}
	}
	r := enmesh.Fixed(true, telemetry.Calls(c.Calls(scope)), again, telemetry.Attempts(c.Attempts(scope)))
	w := enmeshtest.NewWire(enmeshtest.Answer(errBusy), enmeshtest.Answer(nil))
	w.Call().Service = "reviews"
	_ = w.Do(t.Context(), r)
	w.Finish(nil)
	const want = `
		# HELP enmesh_attempts_total Attempts made for calls.
		# TYPE enmesh_attempts_total counter
		enmesh_attempts_total{destination_service="reviews.default.svc.cluster.local",destination_version="unknown",outcome="failure",request_protocol="http",response_flags="-",source_canonical_service="productpage",source_workload="productpage-v1"} 1
		enmesh_attempts_total{destination_service="reviews.default.svc.cluster.local",destination_version="unknown",outcome="success",request_protocol="http",response_flags="-",source_canonical_service="productpage",source_workload="productpage-v1"} 1
	`
	if err := testutil.CollectAndCompare(c, strings.NewReader(want), "enmesh_attempts_total"); err != nil {
		t.Error(err)
	}
	if n := strings.Count(scrape(t, c), "\nistio_requests_total{"); n != 1 {
		t.Errorf("%d series of calls, want 1", n)
	}
}

func TestCollector_lint(t *testing.T) {
	c := prom.New(prom.Config{})
	c.Calls(telemetry.Scope{Self: self}).Observe(end(call(nil), nil, 0))
	c.Attempts(telemetry.Scope{Self: self}).Observe(end(call(nil), nil, 0))
	problems, err := testutil.CollectAndLint(c)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		if p.Metric == "istio_request_duration_milliseconds" && strings.Contains(p.Text, "base unit") {
			continue // Istio's name
		}
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
}

func TestCollector_chainsBuiltAnewGoOn(t *testing.T) {
	c := prom.New(prom.Config{})
	for range 3 {
		c.Calls(telemetry.Scope{Self: self}).Observe(end(call(nil), nil, 0))
	}
	if text := scrape(t, c); strings.Count(text, "\nistio_requests_total{") != 1 || !strings.Contains(text, "\"} 3\n") {
		t.Errorf("want one series that counts 3, got\n%s", text)
	}
}

func TestCollector_labelsThatChange(t *testing.T) {
	c := prom.New(prom.Config{})
	o, tries := c.Calls(telemetry.Scope{Self: self}), c.Attempts(telemetry.Scope{Self: self})
	e := &enmeshtest.Endpoint{Address: "a:1", Labels: map[string]string{"version": "v1"}}
	use := func(later time.Duration) {
		r := end(call(func(c *enmesh.Call) { c.Endpoint = e }), nil, 0)
		r.Ended = r.Ended.Add(later)
		o.Observe(r)
		tries.Observe(r)
	}
	use(0)
	e.Labels = map[string]string{"version": "v2"} // restarted at the same address
	use(11 * time.Second)
	text := scrape(t, c)
	for _, metric := range []string{"istio_requests_total", "enmesh_attempts_total"} {
		if n := strings.Count(text, "\n"+metric+"{"); n != 2 {
			t.Errorf("%d series of %s, want one for each version", n, metric)
		}
	}
}

func TestCollector_badTextDoesNotFailAScrape(t *testing.T) {
	c := prom.New(prom.Config{})
	c.Calls(telemetry.Scope{Self: self}).Observe(end(call(func(c *enmesh.Call) { c.Service = "a\xffb" }), nil, 0))
	if text := scrape(t, c); !strings.Contains(text, "a\uFFFDb") {
		t.Errorf("want the bad byte replaced, got\n%s", text)
	}
}

func TestCollector_manyAtOnce(t *testing.T) {
	c := prom.New(prom.Config{MaxSeries: 20})
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			o := c.Calls(telemetry.Scope{Side: enmesh.Server, Self: self})
			for i := range 500 {
				o.Observe(end(call(func(c *enmesh.Call) {
					c.Source = &enmesh.Peer{Identity: fmt.Sprintf("spiffe://td/ns/default/sa/%d", i%30)}
				}), nil, 0))
			}
		})
	}
	for range 5 {
		scrape(t, c)
	}
	wg.Wait()
	total := 0
	for line := range strings.Lines(scrape(t, c)) {
		if rest, ok := strings.CutPrefix(line, "istio_requests_total{"); ok {
			var n int
			_, value, _ := strings.Cut(rest, "} ")
			if _, err := fmt.Sscan(value, &n); err != nil {
				t.Fatal(err)
			}
			total += n
		}
	}
	if total != 2000 {
		t.Errorf("counted %d calls, want 2000", total)
	}
}

func TestCollector_conforms(t *testing.T) {
	c := prom.New(prom.Config{})
	scope := telemetry.Scope{Self: self}
	enmeshtest.TestMiddleware(t, func() enmesh.Middleware {
		return enmesh.Chain(telemetry.Calls(c.Calls(scope)), telemetry.Attempts(c.Attempts(scope)))
	})
}
