// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package tracing_test

import (
	"context"
	"strings"
	"testing"

	"go.opentelemetry.io/otel/propagation"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/enmeshtest"
	"github.com/enmesh-go/enmesh/telemetry/tracing"
)

// through is what a call made by a server's handler carries, when the server was
// called with parent and state, and nobody has an SDK.
func through(t testing.TB, parent, state string) (string, string) {
	t.Helper()
	off := tracing.New(tracing.Config{})
	var out *enmesh.Call
	run(context.Background(), t, off.Calls(enmesh.Server), func(c *enmesh.Call) {
		c.Header.Set("Traceparent", parent)
		c.Header.Set("Tracestate", state)
	}, func(ctx context.Context, _ *enmesh.Call) error {
		out = run(ctx, t, off.Calls(enmesh.Client), nil)
		return nil
	})
	return out.Header.Get("Traceparent"), out.Header.Get("Tracestate")
}

func TestForward_withoutAnSDK(t *testing.T) {
	long := strings.Repeat("a", 3000)
	for _, tt := range []struct{ name, parent, state, wantParent, wantState string }{
		{"as it came", parent, "vendor=1", parent, "vendor=1"},
		{"no state", parent, "", parent, ""},
		{"not sampled", parent[:53] + "00", "", parent[:53] + "00", ""},
		{"a later version", "cc" + parent[2:] + "-more", "", "cc" + parent[2:] + "-more", ""},
		{"an endless state", parent, long, parent, ""},
		{"none", "", "vendor=1", "", ""},
		{"no version", "ff" + parent[2:], "", "", ""},
		{"version 00 with more", parent + "-more", "", "", ""},
		{"an endless parent", "cc" + parent[2:] + "-" + long, "", "", ""},
		{"no trace", "00-" + strings.Repeat("0", 32) + parent[35:], "", "", ""},
		{"no span", parent[:36] + strings.Repeat("0", 16) + parent[52:], "", "", ""},
		{"upper case", strings.ToUpper(parent), "", "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			gotParent, gotState := through(t, tt.parent, tt.state)
			if gotParent != tt.wantParent || gotState != tt.wantState {
				t.Errorf("got %q and %q, want %q and %q", gotParent, gotState, tt.wantParent, tt.wantState)
			}
		})
	}
}

func TestForward_theCallersOwn(t *testing.T) {
	off := tracing.New(tracing.Config{})
	call := run(t.Context(), t, off.Calls(enmesh.Client), func(c *enmesh.Call) { c.Header.Set("Traceparent", parent) })
	if got := call.Header.Get("Traceparent"); got != parent {
		t.Errorf("traceparent %q, want what the caller wrote", got)
	}
}

func TestForward_aSpanThatSomebodyElseStarted(t *testing.T) {
	provider := sdk.NewTracerProvider()
	defer func() { _ = provider.Shutdown(context.Background()) }()
	ctx, span := provider.Tracer("test").Start(t.Context(), "theirs")
	defer span.End()
	call := run(ctx, t, tracing.New(tracing.Config{}).Calls(enmesh.Client), nil)
	if got := call.Header.Get("Traceparent"); len(got) != 55 || got[36:52] != span.SpanContext().SpanID().String() {
		t.Errorf("traceparent %q, want that of the span", got)
	}
}

// oneHeader is a Header that keeps one value and allocates nothing.
type oneHeader struct{ parent string }

func (h *oneHeader) Get(key string) string {
	if key == "Traceparent" {
		return h.parent
	}
	return ""
}
func (h *oneHeader) Values(string) []string { return nil }
func (h *oneHeader) Set(key, value string) {
	if key != "Traceparent" {
		panic("a key that is not canonical: " + key)
	}
	h.parent = value
}
func (h *oneHeader) Add(string, string) {}
func (h *oneHeader) Del(string)         {}

func TestForward_allocations(t *testing.T) {
	off := tracing.New(tracing.Config{})
	still := func(context.Context, *enmesh.Call) error { return nil }
	spanContext := trace.ContextWithSpanContext(context.Background(), trace.NewSpanContext(trace.SpanContextConfig{
		TraceID: trace.TraceID{1}, SpanID: trace.SpanID{2}, TraceFlags: trace.FlagsSampled,
	}))
	var received context.Context
	keep := func(ctx context.Context, _ *enmesh.Call) error { received = ctx; return nil }
	_ = off.Calls(enmesh.Server)(keep)(context.Background(), &enmesh.Call{Header: &oneHeader{parent}})
	for _, tt := range []struct {
		name string
		ctx  context.Context
		next enmesh.Next
		call *enmesh.Call
		want float64
	}{
		{"server, nothing came", context.Background(), off.Calls(enmesh.Server)(still), &enmesh.Call{Header: &oneHeader{}}, 0},
		{"server", context.Background(), off.Calls(enmesh.Server)(still), &enmesh.Call{Header: &oneHeader{parent}}, 1},
		{"client, nothing came", context.Background(), off.Calls(enmesh.Client)(still), &enmesh.Call{Header: &oneHeader{}}, 0},
		{"client", received, off.Calls(enmesh.Client)(still), &enmesh.Call{Header: &oneHeader{}}, 0},
		{"client, a foreign span", spanContext, off.Calls(enmesh.Client)(still), &enmesh.Call{Header: &oneHeader{}}, 1},
	} {
		got := testing.AllocsPerRun(1000, func() { _ = tt.next(tt.ctx, tt.call) })
		if got > tt.want {
			t.Errorf("%s: %v allocations, want at most %v", tt.name, got, tt.want)
		}
	}
}

// FuzzForward checks that what goes through unchanged is what OpenTelemetry reads as
// a trace context, and the other way round.
func FuzzForward(f *testing.F) {
	f.Add(parent)
	f.Add("cc" + parent[2:] + "-more")
	f.Fuzz(func(t *testing.T, value string) {
		got, _ := through(t, value, "")
		if got != "" && got != value {
			t.Fatalf("%q went through as %q", value, got)
		}
		carrier := propagation.HeaderCarrier(map[string][]string{"Traceparent": {value}})
		ctx := propagation.TraceContext{}.Extract(context.Background(), carrier)
		theirs := trace.SpanContextFromContext(ctx).IsValid()
		first := strings.HasPrefix(value, "00")
		odd := len(value) > 256 || first && len(value) != 55 || strings.ContainsFunc(value, func(r rune) bool { return r <= ' ' || r > '~' })
		if theirs && got == "" && !odd { // where it is odd, we are the stricter
			t.Errorf("%q did not go through, and is a trace context", value)
		}
		if plain := strings.HasPrefix(value, "00-") && (strings.HasSuffix(value, "-00") || strings.HasSuffix(value, "-01")); plain && !theirs && got != "" {
			t.Errorf("%q went through, and is no trace context", value)
		}
	})
}

// BenchmarkTracer is the middleware's part of a call, on either side.
func BenchmarkTracer(b *testing.B) {
	still := func(context.Context, *enmesh.Call) error { return nil }
	never, _ := tracer(b, sdk.WithSampler(sdk.NeverSample()))
	off := tracing.New(tracing.Config{})
	for name, m := range map[string]enmesh.Middleware{
		"forward": off.Calls(enmesh.Client), "receive": off.Calls(enmesh.Server),
		"client unsampled": never.Calls(enmesh.Client), "server unsampled": never.Calls(enmesh.Server),
	} {
		b.Run(name, func(b *testing.B) {
			next := m(still)
			c := &enmesh.Call{Method: "GET", Header: &oneHeader{parent}}
			ctx := context.Background()
			b.ReportAllocs()
			for b.Loop() {
				_ = next(ctx, c)
			}
		})
	}
}

// BenchmarkTracer_sampled is a whole call whose span is recorded.
func BenchmarkTracer_sampled(b *testing.B) {
	provider := sdk.NewTracerProvider()
	defer func() { _ = provider.Shutdown(context.Background()) }()
	router := enmesh.Fixed(false, tracing.New(tracing.Config{Provider: provider}).Calls(enmesh.Client))
	b.ReportAllocs()
	for b.Loop() {
		w := enmeshtest.NewWire()
		w.Call().Method, w.Call().Path, w.Call().Authority = "GET", "/reviews/1", "reviews:9080"
		_ = w.Do(context.Background(), router)
		w.Finish(nil)
	}
}
