// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package scenario_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/enmeshtest"
	"github.com/enmesh-go/enmesh/internal/ledger"
	"github.com/enmesh-go/enmesh/meshgrpc"
	"github.com/enmesh-go/enmesh/meshhttp"
	"github.com/enmesh-go/enmesh/telemetry"
	"github.com/enmesh-go/enmesh/telemetry/accesslog"
	"github.com/enmesh-go/enmesh/telemetry/edges"
	"github.com/enmesh-go/enmesh/telemetry/otelmetric"
	"github.com/enmesh-go/enmesh/telemetry/prom"
)

// maxAttackedSeries is how many series an attacker may leave behind in one metric.
const maxAttackedSeries = 2000

// TestScenarioR10_labels: requests that each have a method, path, host, user agent, address
// and verified identity of their own.
func TestScenarioR10_labels(t *testing.T) { labelAttack(t, crowdSize(1_000_000, 50_000)) }

// TestCVE_2023_45142_labels: a server's metrics had the client's method and user agent as
// labels, as they came.
func TestCVE_2023_45142_labels(t *testing.T) { labelAttack(t, 10_000) }

// TestCVE_2023_47108_labels: they had the client's port.
func TestCVE_2023_47108_labels(t *testing.T) { labelAttack(t, 10_000) }

// TestCVE_2022_21698_labels: they had the method.
func TestCVE_2022_21698_labels(t *testing.T) { labelAttack(t, 10_000) }

// meters are all that counts calls by what is known of them.
type meters struct {
	reader    *metric.ManualReader
	meter     *otelmetric.Meter
	table     *edges.Table
	collector *prom.Collector
}

func newMeters(t *testing.T) *meters {
	t.Helper()
	m := &meters{reader: metric.NewManualReader(), table: edges.New(edges.Config{}), collector: prom.New(prom.Config{})}
	provider := metric.NewMeterProvider(metric.WithReader(m.reader))
	t.Cleanup(func() { _ = provider.Shutdown(t.Context()) })
	var err error
	if m.meter, err = otelmetric.New(otelmetric.Config{Provider: provider}); err != nil {
		t.Fatal(err)
	}
	return m
}

// calls hears of a server's.
func (m *meters) calls() enmesh.Middleware {
	scope := telemetry.Scope{Side: enmesh.Server, Self: telemetry.Workload{Name: "reviews"}}
	return telemetry.Calls(m.collector.Calls(scope), m.meter.Calls(scope), m.table.Calls(scope))
}

// judge wants few series after n calls, and what is too much in one that says so.
func (m *meters) judge(t *testing.T, n int) {
	t.Helper()
	registry := prometheus.NewRegistry()
	registry.MustRegister(m.collector)
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	folded := false
	for _, f := range families {
		if series := len(f.GetMetric()); series > maxAttackedSeries {
			t.Errorf("%s has %d series after %d requests, want %d at most", f.GetName(), series, n, maxAttackedSeries)
		}
		folded = folded || f.GetName() == "istio_requests_total" && strings.Contains(f.String(), `"_overflow"`)
	}
	if !folded {
		t.Errorf("no series of istio_requests_total is the overflow after %d requests", n)
	}
	var data metricdata.ResourceMetrics
	if err := m.reader.Collect(t.Context(), &data); err != nil {
		t.Fatal(err)
	}
	for _, m := range data.ScopeMetrics {
		for _, m := range m.Metrics {
			if h, ok := m.Data.(metricdata.Histogram[float64]); ok && len(h.DataPoints) > maxAttackedSeries {
				t.Errorf("%s has %d sets of attributes, want %d at most", m.Name, len(h.DataPoints), maxAttackedSeries)
			}
		}
	}
	if got := len(m.table.Snapshot()); got > maxAttackedSeries {
		t.Errorf("%d edges, want %d at most", got, maxAttackedSeries)
	}
}

// callerNo is the identity of one of many callers.
func callerNo(i int) *url.URL {
	return &url.URL{Scheme: "spiffe", Host: "cluster.local", Path: fmt.Sprintf("/ns/ns%d/sa/caller%d", i%1000, i)}
}

func labelAttack(t *testing.T, n int) {
	t.Helper()
	m := newMeters(t)
	handler := meshhttp.NewHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(200 + 100*(len(r.URL.Path)%4))
	}), enmesh.Fixed(false, m.calls()))
	for i := range n {
		method := http.MethodGet
		if i%2 == 0 {
			method = fmt.Sprintf("M%d", i) // it is refused before anybody counts
		}
		r := httptest.NewRequest(method, fmt.Sprintf("http://host%d/%d", i, i), http.NoBody)
		r.Header.Set("User-Agent", fmt.Sprintf("agent/%d", i))
		r.Header.Set("X-Forwarded-For", fmt.Sprintf("10.0.0.%d", i))
		r.RemoteAddr = fmt.Sprintf("10.%d.%d.%d:%d", i>>16&255, i>>8&255, i&255, 1024+i%60_000)
		leaf := []*x509.Certificate{{URIs: []*url.URL{callerNo(i)}}}
		r.TLS = &tls.ConnectionState{HandshakeComplete: true, PeerCertificates: leaf, VerifiedChains: [][]*x509.Certificate{leaf}}
		handler.ServeHTTP(httptest.NewRecorder(), r)
	}
	m.judge(t, n)
}

// TestScenarioR10_labelsOverGRPC: calls that each have a service, method, authority and identity
// of their own, at a server that takes any method. The identity is put into the call, since
// a connection has one.
func TestScenarioR10_labelsOverGRPC(t *testing.T) {
	ledger.Baseline(t)
	m, n := newMeters(t), crowdSize(100_000, 5000)
	var calls atomic.Int64
	anybody := func(next enmesh.Next) enmesh.Next {
		return func(ctx context.Context, c *enmesh.Call) error {
			c.Source = &enmesh.Peer{Addr: c.Source.Addr, Identity: callerNo(int(calls.Add(1))).String()}
			return next(ctx, c)
		}
	}
	server := grpc.NewServer(append(meshgrpc.NewServer(enmesh.Fixed(false, anybody, m.calls())).Options(),
		grpc.UnknownServiceHandler(func(_ any, s grpc.ServerStream) error { return s.SendMsg(&emptypb.Empty{}) }))...)
	l, done := loopback(t), make(chan struct{})
	go func() { defer close(done); _ = server.Serve(l) }()
	t.Cleanup(func() { server.Stop(); <-done })
	cc, err := grpc.NewClient(l.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cc.Close() })
	for i := range n {
		method := fmt.Sprintf("/service%d/M%d", i, i)
		if err := cc.Invoke(t.Context(), method, &emptypb.Empty{}, &emptypb.Empty{}, grpc.CallAuthority(fmt.Sprintf("host%d", i))); err != nil {
			t.Fatal(err)
		}
	}
	if got := calls.Load(); got != int64(n) {
		t.Errorf("%d of %d calls came to the meters", got, n)
	}
	m.judge(t, n)
}

// TestScenarioR11_logs: what a client sends stands in one line of the access log, with
// nothing in it that a terminal would act on.
func TestScenarioR11_logs(t *testing.T) {
	for name, handler := range map[string]func(*bytes.Buffer) slog.Handler{
		"text": func(b *bytes.Buffer) slog.Handler { return slog.NewTextHandler(b, nil) },
		"JSON": func(b *bytes.Buffer) slog.Handler { return slog.NewJSONHandler(b, nil) },
	} {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			log := accesslog.New(handler(&out), accesslog.Config{})
			router := enmesh.Fixed(false, telemetry.Calls(log.Calls(telemetry.Scope{Side: enmesh.Server})))
			evil := []string{"\n", "\r\n", "\x1b[2J", "%n%s%x", "\x00", "\u2028", "\u202e", "\x9b31m", "\u009b31m", "\"", "\\", "\x7f"}
			for _, e := range evil {
				text := "a" + e + "level=INFO msg=forged"
				var k enmesh.Carrier // HTTP's server refuses most of these before there is a call
				k.Begin(t.Context(), enmeshtest.NewWire())
				c := &k.Call
				c.Side, c.Method, c.Path, c.Query, c.Authority = enmesh.Server, text, "/"+text, text, text
				c.Header = enmeshtest.Header{"Traceparent": {text}}
				k.Enter(router)
				if err := k.Run(); err != nil {
					t.Fatal(err)
				}
				k.End(nil, enmesh.Now())
			}
			lines := strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
			if len(lines) != len(evil) {
				t.Errorf("%d requests made %d lines", len(evil), len(lines))
			}
			for _, l := range lines {
				if strings.ContainsFunc(l, func(r rune) bool { return !strconv.IsPrint(r) }) {
					t.Errorf("a line has characters that do not print: %q", l)
				}
			}
		})
	}
}

// TestGO_2024_2978_tokens: what stands in a client's credentials was printed with its
// metadata. Here no log, trace or error has any of a call's header.
func TestGO_2024_2978_tokens(t *testing.T) {
	const token = "eyJhbGciOiJSUzI1NiJ9.canary.canary"
	var out bytes.Buffer
	slogger := slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug})
	log := accesslog.New(slogger, accesslog.Config{})
	server := meshhttp.NewHandler(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("oh") }),
		enmesh.Fixed(false, telemetry.Calls(log.Calls(telemetry.Scope{Side: enmesh.Server}))))
	base := meshhttp.NewServer(server)
	base.ErrorLog = slog.NewLogLogger(slogger, slog.LevelError)
	live := &httptest.Server{Listener: loopback(t), Config: base.Server}
	live.Start()
	defer live.Close()
	r, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, live.URL+"/a?access_token=x", http.NoBody)
	for _, key := range []string{"Authorization", "Cookie", "X-Api-Key", "Proxy-Authorization"} {
		r.Header.Set(key, "Bearer "+token)
	}
	resp, err := live.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if text := out.String(); !strings.Contains(text, "panic") || strings.Contains(text, "canary") {
		t.Errorf("the log has the token, or nothing: %q", text)
	}
}

// The same of a gRPC call: its server and its client log, and neither has the token, nor has
// the error that the caller gets.
func TestGO_2024_2978_tokensOverGRPC(t *testing.T) {
	const token = "eyJhbGciOiJSUzI1NiJ9.canary.canary"
	var out bytes.Buffer
	slogger := slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug}))
	log := accesslog.New(slogger.Handler(), accesslog.Config{})
	logged := func(side enmesh.Side) enmesh.Router {
		return enmesh.Fixed(false, telemetry.Calls(log.Calls(telemetry.Scope{Side: side})))
	}
	server := grpc.NewServer(append(meshgrpc.NewServer(logged(enmesh.Server), meshgrpc.WithPanicHook(
		func(ctx context.Context, method string, value any, _ []byte) {
			slogger.ErrorContext(ctx, "panic", "method", method, "value", value)
		})).Options(),
		grpc.ChainUnaryInterceptor(func(context.Context, any, *grpc.UnaryServerInfo, grpc.UnaryHandler) (any, error) { panic("oh") }))...)
	grpc_health_v1.RegisterHealthServer(server, health.NewServer())
	listener, done := loopback(t), make(chan struct{})
	go func() { defer close(done); _ = server.Serve(listener) }()
	client := meshgrpc.NewClient(logged(enmesh.Client), nil)
	cc, err := grpc.NewClient("passthrough:///"+listener.Addr().String(), append(client.InterceptorOptions(), grpc.WithTransportCredentials(insecure.NewCredentials()))...)
	if err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	for _, key := range []string{"authorization", "cookie", "x-api-key", "proxy-authorization", "token-bin"} {
		ctx = metadata.AppendToOutgoingContext(ctx, key, "Bearer "+token)
	}
	_, err = grpc_health_v1.NewHealthClient(cc).Check(ctx, &grpc_health_v1.HealthCheckRequest{})
	_ = cc.Close()
	server.Stop()
	<-done
	if text := out.String(); err == nil || strings.Contains(err.Error(), "canary") || !strings.Contains(text, "panic") ||
		strings.Count(text, "/grpc.health.v1.Health/Check") < 2 || strings.Contains(text, "canary") {
		t.Errorf("got %v; a log has the token, or nothing: %q", err, text)
	}
}
