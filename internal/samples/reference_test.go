// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package samples_test

import (
	"time"

	"google.golang.org/grpc/codes"

	"github.com/enmesh-go/enmesh/mesh"
)

const (
	prodRatings = "http://ratings.prod.svc.cluster.local"
	prodReviews = "http://reviews.prod.svc.cluster.local"

	allowOrigin = "Access-Control-Allow-Origin"
	askMethod   = "Access-Control-Request-Method"

	// v1OfRatings is the subset that documents of the reference speak of and do not define.
	v1OfRatings = `
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: ratings-destination}
spec: {host: ratings.prod.svc.cluster.local, subsets: [{name: v1, labels: {version: v1}}]}
`
	v1OfReviews = `
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: reviews-destination}
spec: {host: reviews.prod.svc.cluster.local, subsets: [{name: v1, labels: {version: v1}}]}
`
)

// reference is the examples of Istio's API reference, and the tasks on what is outside the
// mesh.
var reference = []sample{
	{file: "ref-vs-reviews-25-75.yaml", calls: []call{
		{to: prodReviews + "/reviews/0", times: 1000, shares: map[string]float64{"reviews.prod v2": 0.25, "reviews.prod v1": 0.75}},
	}},
	{file: "ref-vs-reviews-rewrite-catalog.yaml", calls: []call{
		{to: prodReviews + "/wpcatalog/books", served: "reviews.prod v2", path: "/newcatalog/books"},
		{to: prodReviews + "/consumercatalog/a", served: "reviews.prod v2", path: "/newcatalog/a"},
		{to: prodReviews + "/other/a", served: "reviews.prod v1"},
	}},
	{file: "ref-vs-foo-shortnames.yaml", from: mesh.Workload{Namespace: "foo"}, calls: []call{
		{to: "http://reviews/wpcatalog/books", served: "reviews v2", path: "/newcatalog/books"},
		{to: "http://reviews.foo.svc.cluster.local/other/a", served: "reviews v1"},
	}},
	{file: "ref-vs-reviews-headers.yaml", calls: []call{
		{to: prodReviews + "/reviews/0", times: 400, shares: map[string]float64{"reviews.prod v2": 0.25, "reviews.prod v1": 0.75},
			saw:     map[string]string{"test": "true"},
			gotFrom: map[string]map[string]string{"reviews.prod v1": {"foo": "-"}, "reviews.prod v2": {"foo": "bar"}}},
	}},
	{file: "ref-vs-reviews-two-domains.yaml", calls: []call{
		{to: "http://reviews.com/reviews/0", times: 1000, shares: map[string]float64{"dev.reviews.com": 0.25, "reviews.com": 0.75}},
	}},
	{file: "ref-vs-reviews-delay-sourcelabels.yaml", own: v1OfReviews, from: mesh.Workload{Labels: map[string]string{"env": "prod"}}, calls: []call{
		{to: prodReviews + "/reviews/0", times: 5, served: "reviews.prod v1"},
	}},
	{file: "ref-vs-reviews-delay-sourcelabels.yaml", own: v1OfReviews, from: mesh.Workload{Labels: map[string]string{"env": "test"}}, calls: []call{
		{to: prodReviews + "/reviews/0", times: 20, shares: map[string]float64{"reviews.prod": 1}}, // no rule is for this caller: as if there were none
	}},
	{file: "ref-vs-ratings-enduser-ignorecase.yaml", calls: []call{
		{to: prodRatings + "/ratings/v2/", header: jason},
		{to: prodRatings + "/RATINGS/V2/", header: jason},
		{to: prodRatings + "/ratings/v2/", status: 404, code: codes.Unimplemented},
		{to: prodRatings + "/ratings/v1", header: jason, status: 404, code: codes.Unimplemented},
	}},
	{file: "ref-vs-ratings-redirect.yaml", calls: []call{
		{web: "gRPC follows no redirect", to: prodRatings + "/v1/getProductRatings", status: 301,
			got: map[string]string{"Location": "http://newratings.default.svc.cluster.local/v1/bookRatings"}},
		{to: prodRatings + "/v1/other", status: 404, code: codes.Unimplemented},
	}},
	{file: "ref-vs-ratings-rewrite.yaml", own: v1OfRatings, calls: []call{
		{to: prodRatings + "/ratings/v1", served: "ratings.prod v1", path: "/v1/bookRatings/v1"},
	}},
	{file: "ref-vs-ratings-retries.yaml", own: v1OfRatings, calls: []call{
		{to: prodRatings + "/ratings/0", served: "ratings.prod v1", arrive: [2]int{1, 1}},
		{to: prodRatings + "/ratings/0", header: map[string]string{doFail: "503"}, status: 503, code: codes.Unavailable, arrive: [2]int{4, 1}},
		{to: prodRatings + "/ratings/0", header: map[string]string{doFail: "500"}, status: 500, code: codes.Unknown, arrive: [2]int{1, 1}},
	}},
	{file: "ref-vs-ratings-cors.yaml", own: v1OfRatings, calls: []call{
		{to: prodRatings + "/ratings/0", served: "ratings.prod v1", got: map[string]string{allowOrigin: "-"}},
		{web: "gRPC has no origins", to: prodRatings + "/ratings/0", header: map[string]string{"Origin": "https://example.com"}, served: "ratings.prod v1",
			got: map[string]string{allowOrigin: "https://example.com", "Access-Control-Allow-Credentials": "-", "Access-Control-Allow-Methods": "-"}},
		{web: "gRPC has no origins", to: prodRatings + "/ratings/0", header: map[string]string{"Origin": "https://other.com"}, served: "ratings.prod v1",
			got: map[string]string{allowOrigin: "-"}},
		{web: "gRPC has no origins", to: prodRatings + "/ratings/0", method: "OPTIONS", header: map[string]string{"Origin": "https://example.com", askMethod: "POST"},
			got: map[string]string{servedBy: "-", allowOrigin: "https://example.com", "Access-Control-Allow-Methods": "POST,GET",
				"Access-Control-Allow-Headers": "X-Foo-Bar", "Access-Control-Max-Age": "86400", "Access-Control-Allow-Credentials": "-"}},
		{web: "gRPC has no origins", to: prodRatings + "/ratings/0", method: "OPTIONS", header: map[string]string{"Origin": "https://other.com", askMethod: "POST"},
			served: "ratings.prod v1", got: map[string]string{allowOrigin: "-"}},
	}},
	{file: "ref-vs-direct-response-string.yaml", calls: []call{
		{to: prodRatings + "/v1/getProductRatings", status: 503, code: codes.Unavailable, body: "unknown error"},
		{to: prodRatings + "/v1/other", status: 404, code: codes.Unimplemented},
	}},
	{file: "ref-vs-direct-response-bytes.yaml", calls: []call{
		{to: prodRatings + "/v1/getProductRatings", status: 503, code: codes.Unavailable, body: "unknown error"},
	}},
	{file: "ref-vs-direct-response-headers.yaml", calls: []call{
		{web: "an answer made up has no header in gRPC", to: prodRatings + "/v1/getProductRatings", status: 503,
			body: `{"error": "unknown error"}`, got: map[string]string{"Content-Type": "text/plain"}},
	}},
	{file: "ref-vs-foo-redirect-prefix.yaml", calls: []call{
		{web: "gRPC follows no redirect", to: "http://example.com/foo/bar", status: 301, got: map[string]string{"Location": "http://foo.example.com/bar"}},
	}},
	{file: "ref-vs-delegate-productpage.yaml", calls: []call{ // its root binds a gateway
		{to: "http://bookinfo.com/productpage/v1", times: 20, shares: map[string]float64{"bookinfo.com": 1}},
	}},
	{file: "ref-vs-productpage-5s-rootns.yaml", calls: timeLimit("http://productpage.prod.svc.cluster.local/page/0", 5*time.Second)},
	{file: "ref-vs-wikipedia-5s.yaml", calls: timeLimit("http://wikipedia.org/wiki/Mesh", 5*time.Second)},
	{file: "egress-vs-httpbin-ext-timeout-3s.yaml", calls: timeLimit("http://httpbin.org/delay/5", 3*time.Second)},

	// The host outside speaks TLS only, and is verified against the system's authorities.
	{file: "bookinfo-egress-google-apis.yaml", calls: []call{{to: "http://www.googleapis.com:80/books/v1", host: "www.googleapis.com:80"}}},
	{file: "egress-tls-2-origination.yaml", calls: []call{{to: "http://edition.cnn.com:80/politics/now", host: "edition.cnn.com:80"}}},
}

// timeLimit is calls to a destination that has so long.
func timeLimit(to string, limit time.Duration) []call {
	return []call{
		{to: to},
		{to: to, header: map[string]string{doTake: (limit + 2*time.Second).String()}, status: 504, code: codes.DeadlineExceeded,
			took: [2]time.Duration{limit, limit + 1900*time.Millisecond}},
	}
}
