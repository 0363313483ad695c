// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package otelmetric_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	sdk "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.uber.org/goleak"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/enmeshtest"
	"github.com/enmesh-go/enmesh/telemetry"
	"github.com/enmesh-go/enmesh/telemetry/otelmetric"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var (
	errBusy    = &enmesh.Error{Code: enmesh.Unavailable, Outcome: enmesh.Failure, Status: 503, Err: errors.New("busy")}
	errMissing = &enmesh.Error{Code: enmesh.NotFound, Outcome: enmesh.Neutral, Status: 404}
)

// meter is a Meter and the reader of what it records.
func meter(t testing.TB) (*otelmetric.Meter, *sdk.ManualReader) {
	t.Helper()
	reader := sdk.NewManualReader()
	provider := sdk.NewMeterProvider(sdk.WithReader(reader))
	t.Cleanup(func() { _ = provider.Shutdown(context.Background()) })
	m, err := otelmetric.New(otelmetric.Config{Provider: provider})
	if err != nil {
		t.Fatal(err)
	}
	return m, reader
}

// recorded is the points of one instrument.
func recorded(t testing.TB, reader *sdk.ManualReader, name string) []metricdata.HistogramDataPoint[float64] {
	t.Helper()
	var out metricdata.ResourceMetrics
	if err := reader.Collect(context.Background(), &out); err != nil {
		t.Fatal(err)
	}
	for _, s := range out.ScopeMetrics {
		for _, m := range s.Metrics {
			if m.Name == name {
				if m.Unit != "s" {
					t.Errorf("unit of %s is %q, want s", name, m.Unit)
				}
				return m.Data.(metricdata.Histogram[float64]).DataPoints
			}
		}
	}
	t.Fatalf("%s was not recorded", name)
	return nil
}

func ended(describe func(c *enmesh.Call), err error) enmesh.Result {
	c := &enmesh.Call{Start: 1_000_000_000}
	describe(c)
	return enmesh.Result{Call: c, Err: err, Outcome: enmesh.OutcomeOf(err), Ended: c.Start.Add(250 * time.Millisecond)}
}

func TestMeter_attributes(t *testing.T) {
	http := func(status int) func(c *enmesh.Call) {
		return func(c *enmesh.Call) {
			c.Method, c.Path, c.Scheme, c.Service, c.Port, c.Answer.Status = "GET", "/secret", "http", "reviews", 9080, status
		}
	}
	grpc := func(c *enmesh.Call) {
		c.Protocol, c.Method, c.Path, c.Service = enmesh.GRPC, "POST", "/ratings.Ratings/Get", "ratings"
	}
	text, number := attribute.String, attribute.Int
	for _, tt := range []struct {
		name   string
		side   enmesh.Side
		result enmesh.Result
		metric string
		want   []attribute.KeyValue
	}{
		{"http client", enmesh.Client, ended(http(200), nil), "http.client.request.duration", []attribute.KeyValue{
			text("http.request.method", "GET"), text("url.scheme", "http"), number("http.response.status_code", 200),
			text("server.address", "reviews"), number("server.port", 9080),
		}},
		{"http client, 404", enmesh.Client, ended(http(404), errMissing), "http.client.request.duration", []attribute.KeyValue{
			text("http.request.method", "GET"), text("url.scheme", "http"), number("http.response.status_code", 404),
			text("error.type", "404"), text("server.address", "reviews"), number("server.port", 9080),
		}},
		{"http client, no answer", enmesh.Client, ended(http(0), errBusy), "http.client.request.duration", []attribute.KeyValue{
			text("http.request.method", "GET"), text("url.scheme", "http"), text("error.type", "UNAVAILABLE"),
			text("server.address", "reviews"), number("server.port", 9080),
		}},
		{"http server, 404", enmesh.Server, ended(http(404), errMissing), "http.server.request.duration", []attribute.KeyValue{
			text("http.request.method", "GET"), text("url.scheme", "http"), number("http.response.status_code", 404),
		}},
		{"http server, refused", enmesh.Server, ended(http(0), errBusy), "http.server.request.duration", []attribute.KeyValue{
			text("http.request.method", "GET"), text("url.scheme", "http"), number("http.response.status_code", 503),
			text("error.type", "503"),
		}},
		{"an unknown method", enmesh.Server, ended(func(c *enmesh.Call) { c.Method = "BREW" }, nil), "http.server.request.duration", []attribute.KeyValue{
			text("http.request.method", "_OTHER"), number("http.response.status_code", 200),
		}},
		{"grpc client", enmesh.Client, ended(grpc, nil), "rpc.client.call.duration", []attribute.KeyValue{
			text("rpc.system.name", "grpc"), text("rpc.method", "ratings.Ratings/Get"),
			text("rpc.response.status_code", "OK"), text("server.address", "ratings"),
		}},
		{"grpc server, failed", enmesh.Server, ended(grpc, errBusy), "rpc.server.call.duration", []attribute.KeyValue{
			text("rpc.system.name", "grpc"), text("rpc.method", "ratings.Ratings/Get"),
			text("rpc.response.status_code", "UNAVAILABLE"), text("error.type", "UNAVAILABLE"),
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m, reader := meter(t)
			o := m.Calls(telemetry.Scope{Side: tt.side})
			o.Observe(tt.result)
			o.Observe(tt.result)
			points := recorded(t, reader, tt.metric)
			if len(points) != 1 || points[0].Count != 2 || points[0].Sum != 0.5 {
				t.Fatalf("points %+v, want two values of 0.25 s", points)
			}
			if want := attribute.NewSet(tt.want...); !points[0].Attributes.Equals(&want) {
				t.Errorf("attributes\n%s\nwant\n%s",
					points[0].Attributes.Encoded(attribute.DefaultEncoder()), want.Encoded(attribute.DefaultEncoder()))
			}
		})
	}
}

// sized is a wire that knows its bytes.
type sized struct {
	*enmeshtest.Wire
	request, answer int64
}

func (s sized) Sizes() (request, answer int64) { return s.request, s.answer }

func TestMeter_sizes(t *testing.T) {
	for _, tt := range []struct {
		name     string
		on       bool
		protocol enmesh.Protocol
		side     enmesh.Side
		answer   int64
		want     map[string]int64
	}{
		{"client", true, enmesh.HTTP, enmesh.Client, 4000, map[string]int64{"http.client.request.body.size": 100, "http.client.response.body.size": 4000}},
		{"server", true, enmesh.HTTP, enmesh.Server, 4000, map[string]int64{"http.server.request.body.size": 100, "http.server.response.body.size": 4000}},
		{"no answer", true, enmesh.HTTP, enmesh.Client, -1, map[string]int64{"http.client.request.body.size": 100}},
		{"gRPC", true, enmesh.GRPC, enmesh.Client, 4000, nil},
		{"by default", false, enmesh.HTTP, enmesh.Client, 4000, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			reader := sdk.NewManualReader()
			provider := sdk.NewMeterProvider(sdk.WithReader(reader))
			t.Cleanup(func() { _ = provider.Shutdown(context.Background()) })
			m, err := otelmetric.New(otelmetric.Config{Provider: provider, Sizes: tt.on})
			if err != nil {
				t.Fatal(err)
			}
			var k enmesh.Carrier
			k.Begin(t.Context(), sized{enmeshtest.NewWire(), 100, tt.answer})
			k.Call.Method, k.Call.Protocol, k.Call.Answer.Status = "GET", tt.protocol, 200
			r := enmesh.Result{Call: &k.Call}
			o := m.Calls(telemetry.Scope{Side: tt.side})
			o.Observe(r)
			if got := testing.AllocsPerRun(1000, func() { o.Observe(r) }); got != 0 {
				t.Errorf("%v allocations, want 0", got)
			}
			got := sums(t, reader)
			if len(got) != len(tt.want) {
				t.Errorf("recorded %v, want %v", got, tt.want)
			}
			for name, want := range tt.want {
				p := got[name]
				if p.Count != 1002 || p.Sum != 1002*want || p.Attributes.Len() != 2 {
					t.Errorf("%s: %d values, %d in all, %d attributes; want 1002 of %d, with method and status", name, p.Count, p.Sum, p.Attributes.Len(), want)
				}
			}
		})
	}
}

// sums is the one point of each instrument of bytes.
func sums(t *testing.T, reader *sdk.ManualReader) map[string]metricdata.HistogramDataPoint[int64] {
	t.Helper()
	var out metricdata.ResourceMetrics
	if err := reader.Collect(context.Background(), &out); err != nil {
		t.Fatal(err)
	}
	got := map[string]metricdata.HistogramDataPoint[int64]{}
	for _, s := range out.ScopeMetrics {
		for _, m := range s.Metrics {
			if h, ok := m.Data.(metricdata.Histogram[int64]); ok && m.Unit == "By" && len(h.DataPoints) == 1 {
				got[m.Name] = h.DataPoints[0]
			}
		}
	}
	return got
}

func TestMeter_manyMethodsAreBounded(t *testing.T) {
	m, reader := meter(t)
	o := m.Calls(telemetry.Scope{Side: enmesh.Server})
	for i := range 20_000 {
		o.Observe(ended(func(c *enmesh.Call) { c.Protocol, c.Path = enmesh.GRPC, fmt.Sprintf("/a.B/%d", i) }, nil))
	}
	points := recorded(t, reader, "rpc.server.call.duration")
	var total uint64
	for _, p := range points {
		total += p.Count
	}
	if len(points) > 2000 || total != 20_000 {
		t.Errorf("%d attribute sets for %d calls, want at most 2000 for 20000", len(points), total)
	}
}

// refusing is a provider whose meters make no histogram.
type refusing struct{ metric.MeterProvider }

type refusingMeter struct{ metric.Meter }

func (refusing) Meter(string, ...metric.MeterOption) metric.Meter { return refusingMeter{} }

func (refusingMeter) Float64Histogram(string, ...metric.Float64HistogramOption) (metric.Float64Histogram, error) {
	return nil, errBusy
}

// noSizes is a provider whose meters make no histogram of bytes.
type noSizes struct{ metric.MeterProvider }

type noSizesMeter struct{ metric.Meter }

func (p noSizes) Meter(name string, opts ...metric.MeterOption) metric.Meter {
	return noSizesMeter{p.MeterProvider.Meter(name, opts...)}
}

func (noSizesMeter) Int64Histogram(string, ...metric.Int64HistogramOption) (metric.Int64Histogram, error) {
	return nil, errBusy
}

func TestNew_refused(t *testing.T) {
	if _, err := otelmetric.New(otelmetric.Config{Provider: noSizes{sdk.NewMeterProvider()}, Sizes: true}); !errors.Is(err, errBusy) {
		t.Errorf("error %v, want the provider's", err)
	}
	_, err := otelmetric.New(otelmetric.Config{Provider: refusing{}})
	if !errors.Is(err, errBusy) {
		t.Errorf("error %v, want the provider's", err)
	}
	if _, err := otelmetric.New(otelmetric.Config{}); err != nil {
		t.Errorf("the global provider: %v", err)
	}
}

func TestMeter_allocatesNothing(t *testing.T) {
	m, _ := meter(t)
	o := m.Calls(telemetry.Scope{})
	r := ended(func(c *enmesh.Call) { c.Method, c.Service, c.Answer.Status = "GET", "reviews", 200 }, nil)
	o.Observe(r)
	if got := testing.AllocsPerRun(1000, func() { o.Observe(r) }); got != 0 {
		t.Errorf("%v allocations, want 0", got)
	}
}

func TestMeter_conforms(t *testing.T) {
	m, _ := meter(t)
	enmeshtest.TestMiddleware(t, func() enmesh.Middleware {
		return telemetry.Calls(m.Calls(telemetry.Scope{}))
	})
}

func BenchmarkMeter(b *testing.B) {
	m, _ := meter(b)
	o := m.Calls(telemetry.Scope{})
	r := ended(func(c *enmesh.Call) { c.Method, c.Service, c.Answer.Status = "GET", "reviews", 200 }, nil)
	b.ReportAllocs()
	for b.Loop() {
		o.Observe(r)
	}
}

func ExampleNew() {
	reader := sdk.NewManualReader() // a program has an exporter here
	provider := sdk.NewMeterProvider(sdk.WithReader(reader))
	meter, err := otelmetric.New(otelmetric.Config{Provider: provider})
	if err != nil {
		fmt.Println(err)
		return
	}
	router := enmesh.Fixed(false, telemetry.Calls(meter.Calls(telemetry.Scope{Side: enmesh.Client})))

	w := enmeshtest.NewWire() // an adapter does this for every request
	w.Call().Method, w.Call().Service = "GET", "reviews"
	_ = w.Do(context.Background(), router)
	w.Finish(nil)

	var out metricdata.ResourceMetrics
	if err := reader.Collect(context.Background(), &out); err != nil {
		fmt.Println(err)
	}
	m := out.ScopeMetrics[0].Metrics[0]
	point := m.Data.(metricdata.Histogram[float64]).DataPoints[0]
	fmt.Println(m.Name, point.Count, point.Attributes.Encoded(attribute.DefaultEncoder()))
	// Output: http.client.request.duration 1 http.request.method=GET,server.address=reviews
}
