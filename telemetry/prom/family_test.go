// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package prom_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/telemetry"
	"github.com/enmesh-go/enmesh/telemetry/prom"
)

// Flags come alone or with URX behind, and each combination is one series.
func TestCollector_severalFlags(t *testing.T) {
	c := prom.New(prom.Config{})
	o := c.Calls(telemetry.Scope{Self: self})
	for range 3 {
		for _, flag := range []enmesh.Flag{"UH", "UF", "UC", "UT", "URX", "UH,URX", "UF,URX", "UC,URX", "UT,URX"} {
			o.Observe(end(call(nil), &enmesh.Error{Code: enmesh.Unavailable, Outcome: enmesh.Failure, Status: 503, Flag: flag}, 0))
		}
	}
	text := scrape(t, c)
	if got := strings.Count(text, "\nistio_requests_total{"); got != 9 {
		t.Errorf("%d series, want 9", got)
	}
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "istio_requests_total{") && !strings.HasSuffix(line, " 3\n") {
			t.Errorf("got %s, want 3 calls in each series", line)
		}
	}
	if want := `response_flags="UH,URX"`; !strings.Contains(text, want) {
		t.Errorf("%s is missing in\n%s", want, text)
	}
}

func TestCollector_seriesAreBounded(t *testing.T) {
	c := prom.New(prom.Config{})
	o := c.Calls(telemetry.Scope{Side: enmesh.Server, Self: self})
	for i := range 100_000 {
		o.Observe(end(call(func(c *enmesh.Call) { c.Path = fmt.Sprintf("/reviews/%d", i) }), nil, 0))
	}
	if n, _ := collected(t, c, "istio_requests_total"); n != 1 {
		t.Errorf("100,000 paths made %d series, want 1", n)
	}
	for i := range 50_000 {
		o.Observe(end(call(func(c *enmesh.Call) {
			c.Source = &enmesh.Peer{Identity: fmt.Sprintf("spiffe://cluster.local/ns/default/sa/%d", i)}
		}), nil, 0))
	}
	if n, total := collected(t, c, "istio_requests_total"); n != prom.DefaultMaxSeries+1 || total != 150_000 {
		t.Errorf("50,000 principals made %d series that count %v calls, want the limit and one for the rest, and all calls", n, total)
	}
	if _, folded := collected(t, c, "enmesh_metrics_folded_total"); folded != 50_001-prom.DefaultMaxSeries {
		t.Errorf("%v calls were folded, want %d", folded, 50_001-prom.DefaultMaxSeries)
	}
}

// collected is how many series a counter has, and their sum.
func collected(t *testing.T, c prometheus.Collector, name string) (series int, sum float64) {
	t.Helper()
	ch := make(chan prometheus.Metric, 100)
	go func() {
		defer close(ch)
		c.Collect(ch)
	}()
	for m := range ch {
		if !strings.Contains(m.Desc().String(), "\""+name+"\"") {
			continue
		}
		var out dto.Metric
		if err := m.Write(&out); err != nil {
			t.Fatal(err)
		}
		series++
		sum += out.GetCounter().GetValue()
	}
	return series, sum
}

func TestCollector_attemptSeriesAreBounded(t *testing.T) {
	c := prom.New(prom.Config{MaxSeries: 5})
	o := c.Attempts(telemetry.Scope{Self: self})
	for i := range 100 {
		o.Observe(end(call(func(c *enmesh.Call) { c.Service = fmt.Sprintf("s%d", i) }), nil, 0))
	}
	if n, total := collected(t, c, "enmesh_attempts_total"); n != 6 || total != 100 {
		t.Errorf("100 services made %d series that count %v, want 6 and 100", n, total)
	}
	if text := scrape(t, c); !strings.Contains(text, `outcome="_overflow"`) || !strings.Contains(text, `{of="attempts"} 95`) {
		t.Errorf("want 95 attempts in the overflow series, got\n%s", text)
	}
}

// A client names the server as it likes.
func TestCollector_hostsAreBounded(t *testing.T) {
	for name, labels := range map[string]map[string]string{"of a peer": nil, "of a peer that says more": {"app": "ratings"}} {
		t.Run(name, func(t *testing.T) {
			c := prom.New(prom.Config{})
			o := c.Calls(telemetry.Scope{Side: enmesh.Server, Self: self})
			for i := range 20_000 {
				o.Observe(end(call(func(c *enmesh.Call) {
					c.Service = fmt.Sprintf("host%d.example", i)
					c.Source = &enmesh.Peer{Labels: labels}
				}), nil, 0))
			}
			if n, total := collected(t, c, "istio_requests_total"); n != 101 || total != 20_000 {
				t.Errorf("20,000 hosts made %d series that count %v calls, want 100 and one for the rest, and all calls", n, total)
			}
			if _, folded := collected(t, c, "enmesh_metrics_folded_total"); folded != 19_900 {
				t.Errorf("%v calls were folded, want 19900", folded)
			}
		})
	}
}
