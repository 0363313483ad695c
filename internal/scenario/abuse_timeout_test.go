// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package scenario_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/internal/ledger"
	"github.com/enmesh-go/enmesh/meshgrpc"
	"github.com/enmesh-go/enmesh/meshhttp"
	"github.com/enmesh-go/enmesh/telemetry/tracing"
)

// TestScenarioR12_headers: what a caller says of its time is cut to the longest that a
// server believes, and nonsense is passed over; a time that is over is refused.
func TestScenarioR12_headers(t *testing.T) {
	const never = time.Duration(-1)
	for value, want := range map[string]time.Duration{
		"1000":                          time.Second,
		"86400000":                      meshhttp.DefaultMaxDeadline,
		"9223372036854775807":           meshhttp.DefaultMaxDeadline,
		"18446744073709551615":          meshhttp.DefaultMaxDeadline,
		"18446744073709551616":          meshhttp.DefaultMaxDeadline,
		"99999999999999999999999999999": meshhttp.DefaultMaxDeadline,
		"-9223372036854775808":          never,
		"-1":                            never,
		"0":                             never,
		"":                              0,
		"1e9":                           0,
		"1s":                            0,
		"0x10":                          0,
		"+5":                            0,
		"NaN":                           0,
		"1,000":                         0,
	} {
		var left time.Duration
		ran := false
		h := meshhttp.NewHandler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			ran = true
			if at, ok := r.Context().Deadline(); ok {
				left = time.Until(at)
			}
		}), enmesh.Fixed(false))
		r := httptest.NewRequest(http.MethodGet, "/", http.NoBody)
		r.Header.Set(meshhttp.DefaultDeadlineHeader, value)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		switch {
		case want == never && (ran || w.Code != http.StatusGatewayTimeout):
			t.Errorf("%q: the handler ran: %v, with status %d; want 504", value, ran, w.Code)
		case want == 0 && (!ran || left != 0):
			t.Errorf("%q: the handler ran: %v, with %v left; want no deadline", value, ran, left)
		case want > 0 && (!ran || left > want || left < want-5*time.Second):
			t.Errorf("%q: the handler ran: %v, with %v left; want %v", value, ran, left, want)
		}
	}
}

// TestScenarioR12_overGRPC: a grpc-timeout that is not one, or is over, is refused before the
// handler, and one that is longer than a server believes is cut, however huge it is.
func TestScenarioR12_overGRPC(t *testing.T) {
	ledger.Baseline(t)
	const never = time.Duration(0)
	for value, want := range map[string]time.Duration{
		"1S": time.Second, "99999999n": 99999999, "10S": 10 * time.Second, "299S": 299 * time.Second, "6M": meshgrpc.DefaultMaxDeadline, "1H": meshgrpc.DefaultMaxDeadline,
		"99999999S": meshgrpc.DefaultMaxDeadline, "99999999H": meshgrpc.DefaultMaxDeadline,
		"-1S": never, "0n": never, "0S": never, "999999999S": never, "1": never, "S": never, "1s": never, "1 S": never, "+1S": never, "1.5S": never,
	} {
		g := rpcTarget(t, false)
		c := rawTo(t, g)
		id, err := c.open(false, "grpc-timeout", value)
		if err != nil {
			t.Fatal(err)
		}
		_ = c.WriteData(id, true, make([]byte, 5))
		_ = c.out.Flush()
		for until := time.Now().Add(5 * time.Second); time.Now().Before(until) && c.status.Load()+c.resets.Load() == 0; {
			pause(t, time.Millisecond)
		}
		if ran := g.ran.Load() > 0; ran != (want != never) || c.status.Load()+c.resets.Load() == 0 {
			t.Errorf("grpc-timeout %q: the handler ran: %v; answered %d, reset %d; want %v and an end", value, ran, c.status.Load(), c.resets.Load(), want)
		}
		if left := time.Duration(g.left.Load()); left > want || left < want-9*time.Second {
			t.Errorf("grpc-timeout %q: the handler had %v, want %v", value, left, want)
		}
	}
}

// TestCVE_2026_29181_baggage: each line of baggage was parsed by itself, within the limit
// of one, and the lines together had none. What goes on to the next service is bounded.
func TestCVE_2026_29181_baggage(t *testing.T) {
	ledger.Baseline(t)
	provider := sdktrace.NewTracerProvider()
	defer func() { _ = provider.Shutdown(context.Background()) }()
	tracer := tracing.New(tracing.Config{Provider: provider})
	var out string
	client := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		out = strings.Join(r.Header.Values("Baggage"), ",")
	}))
	defer client.Close()
	transport := meshhttp.NewTransport(nil, enmesh.Fixed(false, tracer.Calls(enmesh.Client)), nil)
	defer transport.Close()
	h := meshhttp.NewHandler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		req, _ := http.NewRequestWithContext(r.Context(), http.MethodGet, client.URL, http.NoBody)
		resp, err := (&http.Client{Transport: transport}).Do(req)
		if err != nil {
			t.Error(err)
			return
		}
		_ = resp.Body.Close()
	}), enmesh.Fixed(false, tracer.Calls(enmesh.Server)))
	r := httptest.NewRequest(http.MethodGet, "/", http.NoBody)
	for i := range 5000 {
		r.Header.Add("Baggage", "k"+strconv.Itoa(i)+"="+strings.Repeat("v", 100))
	}
	began := time.Now()
	grown := weigh(t, func() { h.ServeHTTP(httptest.NewRecorder(), r) })
	t.Logf("%d bytes go on, after %v, %.1f MiB", len(out), time.Since(began), grown)
	if len(out) > 8<<10 {
		t.Errorf("%d bytes of baggage go on, want 8 KiB at most", len(out))
	}
}
