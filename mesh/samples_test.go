// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package mesh_test

import (
	"math"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/enmesh-go/enmesh/mesh"
)

// sampled is what one of Istio's documents does, as Istio documents it, to a call to a
// host over either protocol; "" is not called.
type sampled struct {
	file, more string // more is a document that the sample takes for granted
	call       request
	web, rpc   string
}

// versionsOf is a DestinationRule with subsets v1 to v3.
func versionsOf(host, namespace string) string {
	return "apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {name: versions, namespace: " + namespace + "}\n" +
		"spec: {host: " + host + ", subsets: [{name: v1, labels: {version: v1}}, {name: v2, labels: {version: v2}}, {name: v3, labels: {version: v3}}]}\n"
}

func sampledVirtualServices() []sampled {
	const asked = "/v1/getProductRatings"
	b := func(target string, header ...string) request {
		return request{host: "b.echo", target: target, header: header}
	}
	ratings := func(target string, header ...string) request {
		return request{host: "ratings.prod", target: target, header: header}
	}
	at := func(host string, header ...string) request {
		return request{host: host, target: "/a/b", header: header}
	}
	prod := versionsOf("ratings", "prod")
	return []sampled{
		{"e2e-redirect-uri.yaml", "", b("/foo"), "301 http://b.echo/new/path", ""},
		{"e2e-redirect-uri.yaml", "", b("/new/path"), "200 b /new/path b.echo", "OK b /new/path b.echo"},
		{"e2e-redirect-prefixRewrite.yaml", "", b("/foo/bar?q=1"), "301 http://b.echo/new/bar?q=1", "Unknown route: redirect to http://b.echo/new/bar, which gRPC does not follow"},
		{"e2e-redirect-request-port.yaml", "", request{host: "b.echo:8080", target: "/foo"}, "301 http://b.echo:8080/foo", ""},
		{"e2e-redirect-request-port.yaml", "", b("/foo"), "301 http://b.echo/foo", ""},
		{"e2e-redirect-port-scheme.yaml", "", request{host: "b.echo:443", target: "/foo"}, "301 https://b.echo/foo", ""},
		{"e2e-redirect-port-scheme.yaml", "", b("/foo"), "301 https://b.echo:80/foo", ""},
		{"e2e-rewrite-uri.yaml", "", b("/foo?key=value"), "200 b /new/path?key=value b.echo", ""},
		{"e2e-rewrite-authority.yaml", "", b("/foo"), "200 b /foo new-authority", ""},
		{"e2e-set-authority.yaml", "", b("/a/b"), "200 b /a/b my-custom-authority", "OK b /a/b my-custom-authority"},
		{"e2e-set-host-route-and-dest.yaml", "", b("/a/b"), "200 b /a/b route-authority", "OK b /a/b route-authority"},
		{"e2e-fault-abort-418.yaml", "", b("/a/b"), "418 fault: injected abort\n", ""},
		{"e2e-fault-abort-grpc-unavailable.yaml", "", b("/a/b"), "", "Unavailable fault: injected abort [FI]"},
		{"e2e-catchall-short-circuit.yaml", "", b("/a/b"), "418 fault: injected abort\n", ""},
		{"e2e-pseudo-header-method.yaml", "", b("/a/b"), "200 b /a/b b.echo", "NotFound mesh: no route matches the call [NR]"},
		{"e2e-without-headers-exact.yaml", "", b("/a/b"), "403 fault: injected abort\n", "PermissionDenied fault: injected abort [FI]"},
		{"e2e-without-headers-exact.yaml", "", b("/a/b", "end-user", "jason"), "200 b /a/b b.echo", "OK b /a/b b.echo"},
		{"e2e-without-headers-exact.yaml", "", b("/a/b", "end-user", "other"), "403 fault: injected abort\n", "PermissionDenied fault: injected abort [FI]"},
		{"e2e-without-headers-regex-any.yaml", "", b("/a/b", "end-user", "jason"), "200 b /a/b b.echo", "OK b /a/b b.echo"},
		{"e2e-without-headers-regex-star.yaml", "", b("/a/b"), "403 fault: injected abort\n", "PermissionDenied fault: injected abort [FI]"},
		{"e2e-without-headers-regex-star.yaml", "", b("/a/b", "end-user", "jason"), "200 b /a/b b.echo", "OK b /a/b b.echo"},

		{"ref-vs-direct-response-string.yaml", "", ratings(asked), "503 unknown error", ""},
		{"ref-vs-direct-response-bytes.yaml", "", ratings(asked), "503 unknown error", ""},
		{"ref-vs-direct-response-headers.yaml", "", ratings(asked), `503 {"error": "unknown error"}`, ""},
		{"ref-vs-direct-response-string.yaml", "", ratings("/a/b"), "NotFound", "NotFound mesh: no route matches the call [NR]"},
		{"ref-vs-foo-redirect-prefix.yaml", "", request{host: "example.com", target: "/foo/x/y"}, "301 http://foo.example.com/x/y", ""},
		{"ref-vs-ratings-redirect.yaml", "", ratings(asked), "301 http://newratings.default.svc.cluster.local/v1/bookRatings", ""},
		{"ref-vs-ratings-rewrite.yaml", prod, ratings("/ratings/7"), "200 ratings v1 /v1/bookRatings/7 ratings.prod", "OK ratings v1 /v1/bookRatings/7 ratings.prod"},
		{"ref-vs-ratings-enduser-ignorecase.yaml", "", ratings("/Ratings/V2/x", "end-user", "jason"), "200 ratings /Ratings/V2/x ratings.prod", ""},
		{"ref-vs-ratings-enduser-ignorecase.yaml", "", ratings("/ratings/v2/x", "end-user", "ada"), "NotFound", ""},
		{"ref-vs-ratings-retries.yaml", prod, ratings("/a/b", "x-fail", "503"), "200 ratings v1 /a/b ratings.prod", ""},
		{"ref-vs-ratings-cors.yaml", prod, ratings("/a/b"), "200 ratings v1 /a/b ratings.prod", "OK ratings v1 /a/b ratings.prod"},
		{"ref-vs-foo-shortnames.yaml", "", request{host: "reviews.foo", target: "/wpcatalog/x"}, "200 reviews v2 /newcatalog/x reviews.foo", "OK reviews v2 /newcatalog/x reviews.foo"},
		{"ref-vs-foo-shortnames.yaml", "", request{host: "reviews.foo", target: "/consumercatalog/x"}, "200 reviews v2 /newcatalog/x reviews.foo", ""},
		{"ref-vs-foo-shortnames.yaml", "", request{host: "reviews.foo", target: "/catalog/x"}, "200 reviews v1 /catalog/x reviews.foo", "OK reviews v1 /catalog/x reviews.foo"},
		{"ref-vs-reviews-rewrite-catalog.yaml", "", request{host: "reviews.prod", target: "/wpcatalog/x"}, "200 reviews v2 /newcatalog/x reviews.prod", ""},
		{"ref-vs-reviews-delay-sourcelabels.yaml", versionsOf("reviews", "prod"), at("reviews.prod"), "200 reviews /a/b reviews.prod", ""},
		{"ref-vs-productpage-5s-rootns.yaml", "", at("productpage.prod"), "200 productpage /a/b productpage.prod", ""},
		{"ref-vs-wikipedia-5s.yaml", "", at("wikipedia.org"), "200 wiki /a/b wikipedia.org", ""},
		{"ref-vs-delegate-productpage.yaml", "", at("bookinfo.com"), "NotFound", ""}, // for a gateway: no effect here
		{"na-httpbin-gateway.yaml", "", at("httpbin"), "200 httpbin /a/b httpbin", "OK httpbin /a/b httpbin"},

		{"bookinfo-fault-details-555.yaml", "", at("details"), "555 fault: injected abort\n", ""},
		{"bookinfo-vs-all-v1.yaml", versionsOf("reviews", "default"), at("reviews"), "200 reviews v1 /a/b reviews", "OK reviews v1 /a/b reviews"},
		{"bookinfo-vs-details-v2.yaml", "", at("details"), "Unavailable", "Unavailable balance: the service or subset is not known [NC]"},
		{"bookinfo-vs-ratings-test-abort.yaml", versionsOf("ratings", "default"), at("ratings", "end-user", "jason"), "500 fault: injected abort\n", "Internal fault: injected abort [FI]"},
		{"bookinfo-vs-ratings-test-abort.yaml", versionsOf("ratings", "default"), at("ratings"), "200 ratings v1 /a/b ratings", "OK ratings v1 /a/b ratings"},
		{"bookinfo-vs-ratings-test-delay.yaml", versionsOf("ratings", "default"), at("ratings"), "200 ratings v1 /a/b ratings", "OK ratings v1 /a/b ratings"},
		{"bookinfo-vs-reviews-jason-v2-v3.yaml", versionsOf("reviews", "default"), at("reviews", "end-user", "jason"), "200 reviews v2 /a/b reviews", "OK reviews v2 /a/b reviews"},
		{"bookinfo-vs-reviews-jason-v2-v3.yaml", versionsOf("reviews", "default"), at("reviews"), "200 reviews v3 /a/b reviews", "OK reviews v3 /a/b reviews"},
		{"bookinfo-vs-reviews-test-v2.yaml", versionsOf("reviews", "default"), at("reviews", "end-user", "jason"), "200 reviews v2 /a/b reviews", "OK reviews v2 /a/b reviews"},
		{"bookinfo-vs-reviews-test-v2.yaml", versionsOf("reviews", "default"), at("reviews"), "200 reviews v1 /a/b reviews", "OK reviews v1 /a/b reviews"},
		{"bookinfo-vs-reviews-v3.yaml", versionsOf("reviews", "default"), at("reviews"), "200 reviews v3 /a/b reviews", "OK reviews v3 /a/b reviews"},
		{"timeout-1-reviews-v2.yaml", versionsOf("reviews", "default"), at("reviews"), "200 reviews v2 /a/b reviews", "OK reviews v2 /a/b reviews"},
	}
}

// samplesDir is the folder of Istio's documents; the test is skipped without.
func samplesDir(t *testing.T) string {
	t.Helper()
	dir := os.Getenv("ENMESH_ISTIO_SAMPLES")
	if dir == "" {
		t.Skip("ENMESH_ISTIO_SAMPLES is not set")
	}
	return dir
}

// sample is a sample's text and what it takes for granted.
func sample(t *testing.T, dir, file, more string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, file))
	if err != nil {
		t.Fatal(err)
	}
	return string(text) + "\n---\n" + more
}

// sampleStreet is the services that the samples speak of, by all their names.
func sampleStreet(t *testing.T) *street {
	t.Helper()
	s := newStreet(t, "reviews", "ratings", "details", "productpage", "httpbin", "b", "c", "d", "wiki", "echo")
	for alias, name := range map[string]string{
		"reviews.prod": "reviews", "reviews.foo": "reviews", "ratings.prod": "ratings", "productpage.prod": "productpage",
		"b.echo": "b", "c.echo": "c", "d.echo": "d", "wikipedia.org": "wiki", "echo.echo-grpc": "echo",
		"reviews.com": "reviews", "dev.reviews.com": "details",
	} {
		s.web[alias], s.rpc[alias] = s.web[name], s.rpc[name]
	}
	fails := 0
	s.status = func(h heard) int {
		if h.header.Get("X-Fail") == "503" && fails < 2 {
			fails++
			return http.StatusServiceUnavailable
		}
		if h.header.Get("X-Slow") != "" {
			<-time.After(2 * time.Second)
		}
		return http.StatusOK
	}
	return s
}

func TestVirtualServiceSamples(t *testing.T) {
	dir := samplesDir(t)
	s := sampleStreet(t)
	files := map[string]bool{}
	others := mesh.WithNamespaces("echo", "prod", "foo", "echo-grpc") // that documents alone may not tell of
	for _, tt := range sampledVirtualServices() {
		files[tt.file] = true
		t.Run(tt.file, func(t *testing.T) {
			documents := sample(t, dir, tt.file, tt.more)
			if tt.web != "" {
				got, _ := s.overHTTP(t, s.open(t, s.web, documents, others), tt.call)
				sameAnswer(t, "HTTP", got, tt.web)
			}
			if tt.rpc != "" {
				got, _ := s.overGRPC(t, s.open(t, s.rpc, documents, others), tt.call)
				sameAnswer(t, "gRPC", got, tt.rpc)
			}
		})
	}
	t.Logf("tried %d files", len(files))
}

// sameAnswer compares answers; a service that is wanted without its version may be
// any, and a refusal over HTTP, which is an error there, need only be the kind.
func sameAnswer(t *testing.T, protocol, got, want string) {
	t.Helper()
	parts := strings.Fields(got)
	if len(parts) == 5 && len(strings.Fields(want)) == 4 {
		got = strings.Join(append(parts[:2:2], parts[3:]...), " ")
	}
	switch want {
	case "NotFound":
		if !strings.Contains(got, "[NR]") {
			t.Errorf("over %s got %q, want it refused for want of a route", protocol, got)
		}
	case "Unavailable":
		if !strings.Contains(got, "[NC]") {
			t.Errorf("over %s got %q, want it refused for want of a cluster", protocol, got)
		}
	default:
		if got != want {
			t.Errorf("over %s got %q, want %q", protocol, got, want)
		}
	}
}

// The shares of a split, to five sigma: the draw has no seed here, and three are held where it
// has (package route).
func TestVirtualServiceSamples_shares(t *testing.T) {
	dir := samplesDir(t)
	s := sampleStreet(t)
	const calls = 400
	for _, tt := range []struct {
		file, more, host string
		shares           map[string]float64
	}{
		{"bookinfo-vs-reviews-90-10.yaml", versionsOf("reviews", "default"), "reviews", map[string]float64{"reviews v1": 0.9, "reviews v2": 0.1}},
		{"bookinfo-vs-reviews-80-20.yaml", versionsOf("reviews", "default"), "reviews", map[string]float64{"reviews v1": 0.8, "reviews v2": 0.2}},
		{"bookinfo-vs-reviews-50-v3.yaml", versionsOf("reviews", "default"), "reviews", map[string]float64{"reviews v1": 0.5, "reviews v3": 0.5}},
		{"bookinfo-vs-reviews-v2-v3.yaml", versionsOf("reviews", "default"), "reviews", map[string]float64{"reviews v2": 0.5, "reviews v3": 0.5}},
		{"ref-vs-reviews-25-75.yaml", "", "reviews.prod", map[string]float64{"reviews v2": 0.25, "reviews v1": 0.75}},
		{"ref-vs-reviews-headers.yaml", "", "reviews.prod", map[string]float64{"reviews v2": 0.25, "reviews v1": 0.75}},
		{"e2e-shifting-50-25-25.yaml", "", "b.echo", map[string]float64{"b": 0.5, "c": 0.25, "d": 0.25}},
		{"ref-vs-reviews-two-domains.yaml", "", "reviews.com", map[string]float64{"details": 0.25, "reviews": 0.75}},
		{"grpc-vs-echo-weights.yaml", versionsOf("echo", "echo-grpc"), "echo.echo-grpc", map[string]float64{"echo v1": 0.2, "echo v2": 0.8}},
	} {
		t.Run(tt.file, func(t *testing.T) {
			m := s.open(t, s.web, sample(t, dir, tt.file, tt.more), mesh.WithNamespaces("echo", "prod", "echo-grpc"))
			client := (&town{t: t}).client(m)
			for range calls {
				if _, err := get(t.Context(), client, "http://"+tt.host+"/a/b"); err != nil {
					t.Fatal(err)
				}
			}
			for who, p := range tt.shares {
				n, mean, sigma := float64(len(s.take(who))), p*calls, math.Sqrt(calls*p*(1-p))
				if math.Abs(n-mean) > 5*sigma {
					t.Errorf("%s got %v of %d calls, want %v ± %.0f", who, n, calls, mean, 5*sigma)
				}
			}
			if rest := s.take(""); len(rest) > 0 {
				t.Errorf("%d calls went to %s", len(rest), rest[0].who)
			}
		})
	}
}

// Mirrors, and a timeout.
func TestVirtualServiceSamples_besides(t *testing.T) {
	dir := samplesDir(t)
	s := sampleStreet(t)
	for _, file := range []string{"mirror-2-all-to-v2.yaml", "mirror-3-deprecated-mirrorPercent.yaml"} {
		s.each(t, sample(t, dir, file, versionsOf("httpbin", "default")), func(t *testing.T, _ *mesh.Mesh, call func(r request) string) {
			if got := answered(call(request{host: "httpbin", target: "/a/b"})); got != "httpbin v1 /a/b httpbin" {
				t.Errorf("%s: got %q", file, got)
			}
			var copies []heard
			until(t, "the copy arrives", func() bool { copies = append(copies, s.take("httpbin v2")...); return len(copies) == 1 })
			if copies[0].authority != "httpbin-shadow" {
				t.Errorf("%s: the copy is to %q", file, copies[0].authority)
			}
		})
	}
	m := s.open(t, s.web, sample(t, dir, "timeout-3-reviews-0.5s.yaml", versionsOf("reviews", "default")))
	start := time.Now()
	got, _ := s.overHTTP(t, m, request{host: "reviews", target: "/a/b", header: []string{"x-slow", "1"}})
	if took := time.Since(start); took < 400*time.Millisecond || took > 1500*time.Millisecond || !strings.Contains(got, "[UT]") {
		t.Errorf("got %q after %v, want it timed out after 0.5 s", got, took)
	}
}
