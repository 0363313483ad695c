// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package app_test

import (
	"strings"
	"testing"

	"github.com/enmesh-go/enmesh/examples/bookinfo/internal/app"
	"github.com/enmesh-go/enmesh/telemetry/edges"
)

func TestApp_callsAllEdges(t *testing.T) {
	r := start(t, "", app.Config{})
	for _, p := range r.pages(150, "luciana") {
		if want := map[string]string{"v1": "reviews v1", "v2": "stars black", "v3": "stars red"}[p.version()]; want == "" {
			t.Fatalf("the page shows no reviews:\n%s", p.body)
		}
		if !strings.Contains(p.body, "<b>luciana</b>") {
			t.Fatalf("the page does not know the user:\n%s", p.body)
		}
	}
	r.noFailures()
	for _, n := range []edges.Name{
		{From: "ingress", To: "productpage", Version: "v1", Protocol: "http"},
		{From: "productpage", To: "details", Version: "v1", Protocol: "http"},
		{From: "productpage", To: "reviews", Version: "v1", Protocol: "http"},
		{From: "productpage", To: "reviews", Version: "v2", Protocol: "http"},
		{From: "productpage", To: "reviews", Version: "v3", Protocol: "http"},
		{From: "reviews", To: "ratings", Version: "v1", Protocol: "http"},
		{From: "reviews", To: "ratings", Version: "v1", Protocol: "grpc"},
	} {
		if e := r.edge(n.From, n.To, n.Version, n.Protocol); e.Requests == 0 || e.P50 <= 0 || e.P99 < e.P50 {
			t.Errorf("edge %v: %d requests, p50 %v, p99 %v; want some", n, e.Requests, e.P50, e.P99)
		}
	}
	if got := len(r.Edges()); got != 7 {
		t.Errorf("%d edges, want 7: %v", got, r.Edges())
	}
}
