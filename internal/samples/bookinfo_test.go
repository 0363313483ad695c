// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package samples_test

import (
	"time"

	"google.golang.org/grpc/codes"
)

const subsets = "bookinfo-dr-all.yaml"

var jason = map[string]string{"end-user": "jason"}

// bookinfo is Istio's example and the tasks that walk through it.
var bookinfo = []sample{
	{file: subsets, calls: []call{ // subsets alone change nothing
		{to: "http://productpage:9080/page/0", times: 300, shares: evenly("productpage")},
		{to: "http://reviews:9080/reviews/0", times: 300, shares: evenly("reviews")},
		{to: "http://ratings:9080/ratings/0", times: 300, shares: evenly("ratings")},
		{to: "http://details:9080/details/0", times: 300, shares: evenly("details")},
	}},
	{file: "bookinfo-vs-all-v1.yaml", with: subsets, calls: []call{
		{to: "http://productpage/page/0", times: 20, served: "productpage v1"},
		{to: "http://reviews.default/reviews/0", times: 20, served: "reviews v1"},
		{to: "http://ratings.default.svc.cluster.local:9080/ratings/0", times: 20, served: "ratings v1"},
		{to: "http://details/details/0", times: 20, served: "details v1"},
	}},
	{file: "bookinfo-vs-details-v2.yaml", with: subsets, calls: []call{{to: "http://details/details/0", times: 20, served: "details v2"}}},
	{file: "bookinfo-vs-reviews-v3.yaml", with: subsets, calls: []call{{to: "http://reviews/reviews/0", times: 20, served: "reviews v3"}}},
	{file: "bookinfo-vs-reviews-50-v3.yaml", with: subsets, calls: []call{
		{to: "http://reviews/reviews/0", times: 1000, shares: map[string]float64{"reviews v1": 0.5, "reviews v3": 0.5}},
	}},
	{file: "bookinfo-vs-reviews-80-20.yaml", with: subsets, calls: []call{
		{to: "http://reviews/reviews/0", times: 1000, shares: map[string]float64{"reviews v1": 0.8, "reviews v2": 0.2}},
	}},
	{file: "bookinfo-vs-reviews-90-10.yaml", with: subsets, calls: []call{
		{to: "http://reviews/reviews/0", times: 1000, shares: map[string]float64{"reviews v1": 0.9, "reviews v2": 0.1}},
	}},
	{file: "bookinfo-vs-reviews-v2-v3.yaml", with: subsets, calls: []call{
		{to: "http://reviews/reviews/0", times: 1000, shares: map[string]float64{"reviews v2": 0.5, "reviews v3": 0.5}},
	}},
	{file: "bookinfo-vs-reviews-test-v2.yaml", with: subsets, calls: []call{
		{to: "http://reviews/reviews/0", header: jason, times: 20, served: "reviews v2"},
		{to: "http://reviews/reviews/0", header: map[string]string{"end-user": "Jason"}, times: 20, served: "reviews v1"},
		{to: "http://reviews/reviews/0", times: 20, served: "reviews v1"},
	}},
	{file: "bookinfo-vs-reviews-jason-v2-v3.yaml", with: subsets, calls: []call{
		{to: "http://reviews/reviews/0", header: jason, times: 20, served: "reviews v2"},
		{to: "http://reviews/reviews/0", times: 20, served: "reviews v3"},
	}},
	{file: "bookinfo-vs-ratings-db.yaml", with: subsets, calls: []call{
		{to: "http://reviews/reviews/0", times: 20, served: "reviews v3"},
		{to: "http://ratings/ratings/0", times: 20, served: "ratings v2"},
	}},
	{file: "bookinfo-vs-ratings-mysql.yaml", with: subsets, calls: []call{ // nobody has that version
		{to: "http://reviews/reviews/0", times: 20, served: "reviews v3"},
		{to: "http://ratings/ratings/0", status: 503, code: codes.Unavailable},
	}},
	{file: "bookinfo-vs-ratings-mysql-vm.yaml", with: subsets, calls: []call{
		{to: "http://reviews/reviews/0", times: 20, served: "reviews v3"},
		{to: "http://ratings/ratings/0", status: 503, code: codes.Unavailable},
	}},
	{file: "bookinfo-vs-ratings-test-abort.yaml", with: subsets, calls: []call{
		{to: "http://ratings/ratings/0", header: jason, status: 500, code: codes.Unknown},
		{to: "http://ratings/ratings/0", served: "ratings v1"},
	}},
	{file: "bookinfo-vs-ratings-test-delay.yaml", with: subsets, calls: []call{
		{to: "http://ratings/ratings/0", header: jason, served: "ratings v1", took: [2]time.Duration{7 * time.Second, 0}},
		{to: "http://ratings/ratings/0", served: "ratings v1", took: [2]time.Duration{0, 5 * time.Second}},
	}},
	{file: "bookinfo-fault-details-555.yaml", with: subsets, calls: []call{
		{to: "http://details/details/0", status: 555, code: codes.Unknown},
	}},
	{file: "timeout-1-reviews-v2.yaml", with: subsets, calls: []call{{to: "http://reviews/reviews/0", times: 20, served: "reviews v2"}}},
	{file: "timeout-2-ratings-delay-2s.yaml", with: subsets, calls: []call{
		{to: "http://ratings/ratings/0", served: "ratings v1", took: [2]time.Duration{2 * time.Second, 0}},
	}},
	{file: "timeout-3-reviews-0.5s.yaml", with: subsets, calls: []call{
		{to: "http://reviews/reviews/0", served: "reviews v2"},
		{to: "http://reviews/reviews/0", header: map[string]string{doTake: "2s"}, status: 504, code: codes.DeadlineExceeded, took: [2]time.Duration{500 * time.Millisecond, 1900 * time.Millisecond}},
	}},
}
