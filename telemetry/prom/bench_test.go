// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package prom_test

import (
	"errors"
	"testing"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/enmeshtest"
	"github.com/enmesh-go/enmesh/telemetry"
	"github.com/enmesh-go/enmesh/telemetry/prom"
)

var errBusy = &enmesh.Error{Code: enmesh.Unavailable, Outcome: enmesh.Failure, Status: 503, Err: errors.New("busy")}

func ended(side enmesh.Side) (*enmesh.Call, enmesh.Result) {
	w := enmeshtest.NewWire()
	c := w.Call()
	c.Side, c.Service, c.Method, c.Path = side, "reviews", "GET", "/reviews/1"
	_ = w.Do(nil, enmesh.Fixed(false)) //nolint:staticcheck // nothing reads the context
	c.Answer.Status = 200
	r := c.Result(nil)
	r.Ended = r.Ended.Add(3_000_000)
	return c, r
}

// BenchmarkCalls is all that is counted of a call: one lookup, three histograms.
func BenchmarkCalls(b *testing.B) {
	o := prom.New(prom.Config{}).Calls(telemetry.Scope{})
	c, r := ended(enmesh.Client)
	c.Endpoint = &enmeshtest.Endpoint{Address: "a:1", Labels: map[string]string{"version": "v1"}}
	b.ReportAllocs()
	for b.Loop() {
		o.Observe(r)
	}
}

// BenchmarkCalls_server has a principal in place of an endpoint.
func BenchmarkCalls_server(b *testing.B) {
	o := prom.New(prom.Config{}).Calls(telemetry.Scope{Side: enmesh.Server})
	c, r := ended(enmesh.Server)
	c.Source = &enmesh.Peer{Identity: "spiffe://cluster.local/ns/default/sa/productpage"}
	b.ReportAllocs()
	for b.Loop() {
		o.Observe(r)
	}
}

func BenchmarkAttempts(b *testing.B) {
	o := prom.New(prom.Config{}).Attempts(telemetry.Scope{})
	c, r := ended(enmesh.Client)
	c.Endpoint = &enmeshtest.Endpoint{Address: "a:1"}
	b.ReportAllocs()
	for b.Loop() {
		o.Observe(r)
	}
}
