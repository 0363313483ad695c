// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package app_test

import (
	"bytes"
	"strings"
	"testing"
	"time"

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

// Without a step each version of reviews has a third of the calls: within four points, of
// 4,000 calls, which is more than four standard deviations.
func TestApp_splitsEvenly(t *testing.T) {
	const calls, slack = 4000, 160
	r := start(t, "", app.Config{})
	got := r.reviewVersions(calls, "")
	for _, version := range []string{"v1", "v2", "v3"} {
		if n := got[version]; n < calls/3-slack || n > calls/3+slack {
			t.Errorf("%s has %d of %d calls, want a third and %d more or less", version, n, calls, slack)
		}
	}
	t.Logf("of %d calls: %v", calls, got)
	r.noFailures()
}

// reviews v3 asks ratings over gRPC and v2 over HTTP, once a page, and v1 does not ask.
func TestApp_versionsAskTheirOwnWay(t *testing.T) {
	const pages = 20
	r := start(t, "", app.Config{})
	toV1 := r.read("steps/01-all-v1.yaml")
	asked := func() map[string]uint64 {
		counts := map[string]uint64{}
		for _, protocol := range []string{"http", "grpc"} {
			counts[protocol] = r.edge("reviews", "ratings", "v1", protocol).Requests
		}
		return counts
	}
	for _, tt := range []struct {
		version string
		want    map[string]uint64
	}{
		{"v3", map[string]uint64{"grpc": pages}},
		{"v2", map[string]uint64{"http": pages}},
		{"v1", nil},
	} {
		r.replace("routes.yaml", bytes.ReplaceAll(toV1, []byte("subset: v1"), []byte("subset: "+tt.version)))
		r.shifted(tt.version, time.Now())
		before := asked()
		for _, p := range r.pages(pages, "") {
			if p.version() != tt.version {
				t.Errorf("a page is of %q, want %q", p.version(), tt.version)
			}
		}
		after := asked()
		for _, protocol := range []string{"http", "grpc"} {
			if got := after[protocol] - before[protocol]; got != tt.want[protocol] {
				t.Errorf("%d pages of %s made %d calls to ratings over %s, want %d", pages, tt.version, got, protocol, tt.want[protocol])
			}
		}
	}
	r.noFailures()
}
