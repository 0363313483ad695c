// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package tracing_test

import (
	"context"
	"errors"
	"net/netip"
	"strings"
	"testing"

	"go.opentelemetry.io/otel/baggage"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"
	"go.uber.org/goleak"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/enmeshtest"
	"github.com/enmesh-go/enmesh/telemetry/tracing"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

var (
	errBusy = &enmesh.Error{
		Code: enmesh.Unavailable, Outcome: enmesh.Failure, Status: 503, Flag: enmesh.FlagNoHealthy, Err: errors.New("a secret"),
	}
	errMissing = &enmesh.Error{Code: enmesh.NotFound, Outcome: enmesh.Neutral, Status: 404}
)

// tracer is a Tracer with a real SDK, and where its spans end up.
func tracer(t testing.TB, options ...sdk.TracerProviderOption) (*tracing.Tracer, *tracetest.InMemoryExporter) {
	t.Helper()
	exporter := tracetest.NewInMemoryExporter()
	provider := sdk.NewTracerProvider(append(options, sdk.WithSyncer(exporter))...)
	t.Cleanup(func() { _ = provider.Shutdown(context.Background()) })
	return tracing.New(tracing.Config{Provider: provider}), exporter
}

// run sends one call through m to its end, and gives the call.
func run(ctx context.Context, t testing.TB, m enmesh.Middleware, describe func(c *enmesh.Call), steps ...enmeshtest.Step) *enmesh.Call {
	t.Helper()
	w := enmeshtest.NewWire(steps...)
	w.Call().Header = enmeshtest.Header{}
	if describe != nil {
		describe(w.Call())
	}
	if w.Do(ctx, enmesh.Fixed(true, m)) == nil {
		w.Finish(nil)
	}
	return w.Call()
}

// attributes are those of a span, as texts.
func attributes(s tracetest.SpanStub) map[string]string {
	out := map[string]string{}
	for _, a := range s.Attributes {
		out[string(a.Key)] = a.Value.String()
	}
	return out
}

func TestTracer_clientSpan(t *testing.T) {
	tr, exporter := tracer(t)
	call := run(t.Context(), t, tr.Calls(enmesh.Client), func(c *enmesh.Call) {
		c.Method, c.Path, c.Query, c.Scheme, c.Authority = "GET", "/reviews/1", "token=secret", "http", "reviews:9080"
		c.Service, c.Subset = "reviews", "v2"
	}, func(ctx context.Context, c *enmesh.Call) error {
		enmesh.CarrierOf(ctx).Picked(&enmeshtest.Endpoint{Address: "10.0.0.7:9080"}, enmesh.Now())
		c.Answer.Status = 200
		return nil
	})
	spans := exporter.GetSpans()
	if len(spans) != 1 {
		t.Fatalf("%d spans, want 1", len(spans))
	}
	s := spans[0]
	if s.Name != "GET" || s.SpanKind != trace.SpanKindClient || s.Status.Code != codes.Unset {
		t.Errorf("span %q, kind %v, status %v; want GET, client, unset", s.Name, s.SpanKind, s.Status)
	}
	same(t, attributes(s), map[string]string{
		"http.request.method": "GET", "url.full": "http://reviews:9080/reviews/1", "server.address": "reviews",
		"server.port": "9080", "http.response.status_code": "200", "network.peer.address": "10.0.0.7",
		"network.peer.port": "9080", "enmesh.service": "reviews", "enmesh.subset": "v2", "enmesh.route": "fixed",
	})
	want := "00-" + s.SpanContext.TraceID().String() + "-" + s.SpanContext.SpanID().String() + "-01"
	if got := call.Header.Get("Traceparent"); got != want {
		t.Errorf("traceparent %q, want %q", got, want)
	}
}

func same(t *testing.T, got, want map[string]string) {
	t.Helper()
	for key, value := range want {
		if got[key] != value {
			t.Errorf("%s is %q, want %q", key, got[key], value)
		}
	}
	for key, value := range got {
		if _, ok := want[key]; !ok {
			t.Errorf("attribute %s=%q is one too many", key, value)
		}
	}
}

func TestTracer_serverSpan(t *testing.T) {
	tr, exporter := tracer(t)
	var inside trace.SpanContext
	run(t.Context(), t, tr.Calls(enmesh.Server), func(c *enmesh.Call) {
		c.Side, c.Protocol, c.Method, c.Path, c.Authority = enmesh.Server, enmesh.GRPC, "POST", "/ratings.Ratings/Get", "ratings"
		c.Source = &enmesh.Peer{Addr: netip.MustParseAddrPort("10.0.0.9:40000")}
		c.Header.Set("Traceparent", parent)
		c.Header.Set("Tracestate", "vendor=1")
	}, func(ctx context.Context, c *enmesh.Call) error {
		inside = trace.SpanContextFromContext(ctx)
		c.Answer.Status = 200
		return errBusy
	})
	s := exporter.GetSpans()[0]
	if s.Name != "ratings.Ratings/Get" || s.SpanKind != trace.SpanKindServer || s.Status.Code != codes.Error {
		t.Errorf("span %q, kind %v, status %v; want ratings.Ratings/Get, server, error", s.Name, s.SpanKind, s.Status)
	}
	if got := s.Parent.SpanID().String(); got != parent[36:52] || !s.Parent.IsRemote() {
		t.Errorf("parent %s, want the remote one", got)
	}
	if inside.SpanID() != s.SpanContext.SpanID() || inside.TraceState().Get("vendor") != "1" {
		t.Errorf("the handler sees %v, want the server's span", inside)
	}
	same(t, attributes(s), map[string]string{
		"rpc.system.name": "grpc", "rpc.method": "ratings.Ratings/Get", "rpc.response.status_code": "UNAVAILABLE",
		"error.type": "UNAVAILABLE", "server.address": "ratings", "client.address": "10.0.0.9", "client.port": "40000",
		"enmesh.route": "fixed", "enmesh.flags": "UH",
	})
	if s.Status.Description != "" {
		t.Errorf("description %q, want none: it may hold a secret", s.Status.Description)
	}
}

func TestTracer_status(t *testing.T) {
	invalid := &enmesh.Error{Code: enmesh.InvalidArgument, Outcome: enmesh.Neutral}
	for _, tt := range []struct {
		name     string
		side     enmesh.Side
		protocol enmesh.Protocol
		err      error
		failure  string
	}{
		{"client, 404", enmesh.Client, enmesh.HTTP, errMissing, "404"},
		{"server, 404", enmesh.Server, enmesh.HTTP, errMissing, ""},
		{"client, 503", enmesh.Client, enmesh.HTTP, errBusy, "503"},
		{"server, 503", enmesh.Server, enmesh.HTTP, errBusy, "503"},
		{"server, the caller went away", enmesh.Server, enmesh.HTTP, enmesh.ErrCanceled, ""},
		{"grpc client", enmesh.Client, enmesh.GRPC, invalid, "INVALID_ARGUMENT"},
		{"grpc server, the caller's fault", enmesh.Server, enmesh.GRPC, invalid, ""},
		{"grpc server, its own", enmesh.Server, enmesh.GRPC, errBusy, "UNAVAILABLE"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tr, exporter := tracer(t)
			run(t.Context(), t, tr.Calls(tt.side), func(c *enmesh.Call) { c.Side, c.Protocol = tt.side, tt.protocol },
				func(_ context.Context, c *enmesh.Call) error {
					if e := enmesh.ErrorOf(tt.err); tt.protocol == enmesh.HTTP {
						c.Answer.Status = e.Status
					}
					return tt.err
				})
			s := exporter.GetSpans()[0]
			if got := attributes(s)["error.type"]; got != tt.failure || (s.Status.Code == codes.Error) != (tt.failure != "") {
				t.Errorf("error.type %q, status %v; want %q", got, s.Status, tt.failure)
			}
		})
	}
}

func TestTracer_aClientWithoutAnAnswer(t *testing.T) {
	tr, exporter := tracer(t)
	run(t.Context(), t, tr.Calls(enmesh.Client), func(c *enmesh.Call) { c.Method = "BREW" }, enmeshtest.Answer(errBusy))
	s := exporter.GetSpans()[0]
	got := attributes(s)
	if s.Name != "HTTP" || got["http.request.method"] != "_OTHER" || got["http.request.method_original"] != "BREW" {
		t.Errorf("span %q with %v, want HTTP and the method as _OTHER", s.Name, got)
	}
	if got["error.type"] != "UNAVAILABLE" || got["http.response.status_code"] != "" {
		t.Errorf("attributes %v, want the code as error.type and no status", got)
	}
}

func TestTracer_spanEndsWithTheAnswer(t *testing.T) {
	tr, exporter := tracer(t)
	w := enmeshtest.NewWire()
	_ = w.Do(t.Context(), enmesh.Fixed(false, tr.Calls(enmesh.Client)))
	if n := len(exporter.GetSpans()); n != 0 {
		t.Errorf("%d spans ended before the body had", n)
	}
	w.Finish(nil)
	w.Finish(nil)
	if n := len(exporter.GetSpans()); n != 1 {
		t.Errorf("%d spans ended, want 1", n)
	}
}

func TestTracer_resends(t *testing.T) {
	tr, exporter := tracer(t)
	again := func(next enmesh.Next) enmesh.Next {
		return func(ctx context.Context, c *enmesh.Call) error {
			err := next(ctx, c)
			for err != nil && c.Again() {
				err = next(ctx, c)
			}
			return err
		}
	}
	run(t.Context(), t, enmesh.Chain(tr.Calls(enmesh.Client), again), nil,
		enmeshtest.Answer(errBusy), enmeshtest.Answer(errBusy), enmeshtest.Answer(nil))
	spans := exporter.GetSpans()
	if len(spans) != 1 || attributes(spans[0])["http.request.resend_count"] != "2" {
		t.Errorf("spans %+v, want one that was sent again twice", spans)
	}
}

func TestTracer_fromServerToClient(t *testing.T) {
	tr, exporter := tracer(t)
	member, err := baggage.NewMember("tenant", "blue")
	if err != nil {
		t.Fatal(err)
	}
	bag, err := baggage.New(member)
	if err != nil {
		t.Fatal(err)
	}
	var out *enmesh.Call
	run(t.Context(), t, tr.Calls(enmesh.Server), func(c *enmesh.Call) {
		c.Header.Set("Traceparent", parent)
		c.Header.Set("Tracestate", "vendor=1")
		c.Header.Set("Baggage", bag.String())
	}, func(ctx context.Context, _ *enmesh.Call) error {
		out = run(ctx, t, tr.Calls(enmesh.Client), nil)
		return nil
	})
	spans := exporter.GetSpans()
	if len(spans) != 2 || spans[0].Parent.SpanID() != spans[1].SpanContext.SpanID() {
		t.Fatalf("spans %+v, want the client's below the server's", spans)
	}
	if got := out.Header.Get("Traceparent"); got[3:35] != parent[3:35] || got[36:52] != spans[0].SpanContext.SpanID().String() {
		t.Errorf("traceparent %q, want the trace that came in and the client's span", got)
	}
	if state, bag := out.Header.Get("Tracestate"), out.Header.Get("Baggage"); state != "vendor=1" || bag != "tenant=blue" {
		t.Errorf("tracestate %q, baggage %q", state, bag)
	}
}

func TestTracer_unsampled(t *testing.T) {
	tr, exporter := tracer(t, sdk.WithSampler(sdk.NeverSample()))
	call := run(t.Context(), t, tr.Calls(enmesh.Client), nil)
	if got := call.Header.Get("Traceparent"); !strings.HasSuffix(got, "-00") {
		t.Errorf("traceparent %q, want one that says not sampled", got)
	}
	server := run(t.Context(), t, tr.Calls(enmesh.Server), nil)
	if got := server.Header.Get("Traceparent"); len(got) != 55 {
		t.Errorf("a trace that begins at a server is %q in its header, want it there", got)
	}
	if n := len(exporter.GetSpans()); n != 0 {
		t.Errorf("%d spans, want none", n)
	}
}

func TestTracer_ownPropagator(t *testing.T) {
	exporter := tracetest.NewInMemoryExporter()
	provider := sdk.NewTracerProvider(sdk.WithSyncer(exporter))
	defer func() { _ = provider.Shutdown(context.Background()) }()
	tr := tracing.New(tracing.Config{Provider: provider, Propagator: propagation.TraceContext{}})
	call := run(t.Context(), t, tr.Calls(enmesh.Client), nil)
	if got := call.Header.Get("Traceparent"); len(got) != 55 {
		t.Errorf("traceparent %q, want what the propagator writes", got)
	}
	if h := call.Header.(enmeshtest.Header); len(h["Traceparent"]) != 1 {
		t.Errorf("header %v, want the canonical key", h)
	}
}

func TestTracer_samplerSeesTheParent(t *testing.T) {
	tr, exporter := tracer(t, sdk.WithSampler(sdk.ParentBased(sdk.NeverSample())))
	run(t.Context(), t, tr.Calls(enmesh.Server), func(c *enmesh.Call) { c.Header.Set("Traceparent", parent) })
	if n := len(exporter.GetSpans()); n != 1 {
		t.Errorf("%d spans, want 1: the parent was sampled", n)
	}
}

func TestTracer_conforms(t *testing.T) {
	tr, _ := tracer(t)
	off := tracing.New(tracing.Config{Provider: noop.NewTracerProvider()})
	for _, m := range []enmesh.Middleware{
		tr.Calls(enmesh.Client), tr.Calls(enmesh.Server), off.Calls(enmesh.Client), off.Calls(enmesh.Server),
	} {
		enmeshtest.TestMiddleware(t, func() enmesh.Middleware { return m })
	}
}

func TestTracer_emptyCall(t *testing.T) {
	tr, _ := tracer(t)
	off := tracing.New(tracing.Config{})
	for _, m := range []enmesh.Middleware{
		tr.Calls(enmesh.Client), tr.Calls(enmesh.Server), off.Calls(enmesh.Client), off.Calls(enmesh.Server),
	} {
		var k enmesh.Carrier // an adapter that gives no header
		k.Begin(t.Context(), enmeshtest.NewWire())
		k.Enter(enmesh.Fixed(false, m))
		if err := k.Run(); err != nil {
			t.Error(err)
		}
		k.End(nil, enmesh.Now())
	}
}
