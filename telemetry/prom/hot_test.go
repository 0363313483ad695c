// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package prom_test

import (
	"testing"
	"time"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/enmeshtest"
	"github.com/enmesh-go/enmesh/telemetry"
	"github.com/enmesh-go/enmesh/telemetry/prom"
)

// hot is a call of known sizes that has ended, with its result.
func hot(tb testing.TB, side enmesh.Side) enmesh.Result {
	tb.Helper()
	var k enmesh.Carrier
	k.Begin(tb.Context(), counting{enmeshtest.NewWire()})
	c := &k.Call
	c.Side, c.Service, c.Method, c.Path, c.Answer.Status = side, "reviews", "GET", "/reviews/1", 200
	if side == enmesh.Client {
		c.Endpoint = reviewsV2
	} else {
		c.Source = &enmesh.Peer{Identity: "spiffe://cluster.local/ns/default/sa/productpage"}
	}
	return end(c, nil, 3*time.Millisecond)
}

func TestCollector_allocatesNothing(t *testing.T) {
	c := prom.New(prom.Config{})
	client, server := hot(t, enmesh.Client), hot(t, enmesh.Server)
	failed := client
	failed.Err, failed.Outcome = errFull, enmesh.Neutral
	labelled := hot(t, enmesh.Server)
	labelled.Call.Source.Labels = map[string]string{"app": "productpage"}
	for name, observe := range map[string]func(){
		"client":   observing(c.Calls(telemetry.Scope{Self: self}), client),
		"refused":  observing(c.Calls(telemetry.Scope{Self: self}), failed),
		"server":   observing(c.Calls(telemetry.Scope{Side: enmesh.Server, Self: self}), server),
		"labelled": observing(c.Calls(telemetry.Scope{Side: enmesh.Server, Self: self}), labelled),
		"attempt":  observing(c.Attempts(telemetry.Scope{Self: self}), client),
	} {
		if got := testing.AllocsPerRun(1000, observe); got != 0 {
			t.Errorf("%s: %v allocations, want 0", name, got)
		}
	}
}

func observing(o telemetry.Observer, r enmesh.Result) func() { return func() { o.Observe(r) } }

// BenchmarkCalls is all that is counted of a call: one lookup, three histograms.
func BenchmarkCalls(b *testing.B) {
	r := hot(b, enmesh.Client)
	o := prom.New(prom.Config{}).Calls(telemetry.Scope{Self: self})
	b.ReportAllocs()
	for b.Loop() {
		o.Observe(r)
	}
}

// BenchmarkCalls_server has a principal in place of an endpoint.
func BenchmarkCalls_server(b *testing.B) {
	r := hot(b, enmesh.Server)
	o := prom.New(prom.Config{}).Calls(telemetry.Scope{Side: enmesh.Server, Self: self})
	b.ReportAllocs()
	for b.Loop() {
		o.Observe(r)
	}
}

func BenchmarkCalls_parallel(b *testing.B) {
	r := hot(b, enmesh.Client)
	o := prom.New(prom.Config{}).Calls(telemetry.Scope{Self: self})
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			o.Observe(r)
		}
	})
}

func BenchmarkAttempts(b *testing.B) {
	r := hot(b, enmesh.Client)
	o := prom.New(prom.Config{}).Attempts(telemetry.Scope{Self: self})
	b.ReportAllocs()
	for b.Loop() {
		o.Observe(r)
	}
}

// BenchmarkScrape is a scrape with 1,000 series of calls.
func BenchmarkScrape(b *testing.B) {
	c := prom.New(prom.Config{})
	o := c.Calls(telemetry.Scope{Side: enmesh.Server, Self: self})
	for i := range 1000 {
		r := hot(b, enmesh.Server)
		r.Call.Source.Identity = "spiffe://cluster.local/ns/default/sa/" + string(rune('a'+i))
		o.Observe(r)
	}
	b.ReportAllocs()
	for b.Loop() {
		scrape(b, c)
	}
}
