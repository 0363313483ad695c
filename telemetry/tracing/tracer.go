// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package tracing

import (
	"context"

	"go.opentelemetry.io/otel/baggage"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/enmesh-go/enmesh"
)

// scopeName is the instrumentation scope of the spans.
const scopeName = "github.com/enmesh-go/enmesh/telemetry/tracing"

// Config of a Tracer. The zero Config makes no spans and hands contexts on.
type Config struct {
	// Provider makes the spans. nil, and the API's no-op provider, make none: the
	// trace context goes through as it is.
	Provider trace.TracerProvider
	// Propagator writes and reads the context where there is a Provider; nil is the
	// W3C trace context and W3C baggage.
	Propagator propagation.TextMapPropagator
}

// Tracer makes the spans of any number of chains.
type Tracer struct {
	tracer     trace.Tracer // nil: no spans
	propagator propagation.TextMapPropagator
	w3c        bool // the propagator is the default
}

// New makes a Tracer.
func New(cfg Config) *Tracer {
	if _, off := cfg.Provider.(noop.TracerProvider); off || cfg.Provider == nil {
		return &Tracer{}
	}
	t := &Tracer{tracer: cfg.Provider.Tracer(scopeName), propagator: cfg.Propagator}
	if t.propagator == nil {
		t.propagator = propagation.NewCompositeTextMapPropagator(propagation.TraceContext{}, propagation.Baggage{})
		t.w3c = true
	}
	return t
}

// Calls is the middleware of a chain on that side. It stands outermost.
func (t *Tracer) Calls(side enmesh.Side) enmesh.Middleware {
	switch {
	case t.tracer == nil && side == enmesh.Server:
		return receive
	case t.tracer == nil:
		return forward
	case side == enmesh.Server:
		return t.serve
	}
	return t.call
}

// Made once: an option list for each call would be an allocation.
var (
	clientSpan = []trace.SpanStartOption{trace.WithSpanKind(trace.SpanKindClient)}
	serverSpan = []trace.SpanStartOption{trace.WithSpanKind(trace.SpanKindServer)}
)

// call is the middleware of a client.
func (t *Tracer) call(next enmesh.Next) enmesh.Next {
	return func(ctx context.Context, c *enmesh.Call) error {
		ctx, span := t.tracer.Start(ctx, spanName(c), clientSpan...)
		t.inject(ctx, c)
		if span.IsRecording() {
			span.SetAttributes(clientAttributes(c)...)
			c.Defer(&ending{span, enmesh.Client}, enmesh.Token{})
		}
		return next(ctx, c)
	}
}

// serve is the middleware of a server.
func (t *Tracer) serve(next enmesh.Next) enmesh.Next {
	return func(ctx context.Context, c *enmesh.Call) error {
		if c.Header != nil {
			ctx = t.propagator.Extract(ctx, carrier{c.Header})
		}
		ctx, span := t.tracer.Start(ctx, spanName(c), serverSpan...)
		if span.IsRecording() {
			span.SetAttributes(serverAttributes(c)...)
			c.Defer(&ending{span, enmesh.Server}, enmesh.Token{})
		}
		if c.Header != nil && c.Header.Get(parentHeader) == "" && t.w3c && span.SpanContext().IsValid() {
			c.Header.Set(parentHeader, format(span.SpanContext())) // the trace begins here: let logs know it
		}
		return next(ctx, c)
	}
}

// inject writes the context of ctx into the call's header.
func (t *Tracer) inject(ctx context.Context, c *enmesh.Call) {
	if c.Header == nil {
		return
	}
	if !t.w3c {
		t.propagator.Inject(ctx, carrier{c.Header})
		return
	}
	if s := trace.SpanContextFromContext(ctx); s.IsValid() {
		write(c.Header, format(s), s.TraceState().String())
	}
	if bag := baggage.FromContext(ctx); bag.Len() > 0 {
		c.Header.Set("Baggage", bag.String())
	}
}

// carrier is a call's header as propagators see it.
type carrier struct{ header enmesh.Header }

// Get is the first value of key.
func (c carrier) Get(key string) string { return c.header.Get(canonical(key)) }

// Values is all values of key; baggage may come in several.
func (c carrier) Values(key string) []string { return c.header.Values(canonical(key)) }

// Set replaces the values of key.
func (c carrier) Set(key, value string) { c.header.Set(canonical(key), value) }

// Keys is empty: a header cannot be listed.
func (c carrier) Keys() []string { return nil }

// canonical spares net/http an allocation for the keys that every call has.
func canonical(key string) string {
	switch key {
	case "traceparent":
		return parentHeader
	case "tracestate":
		return stateHeader
	case "baggage":
		return "Baggage"
	}
	return key
}
