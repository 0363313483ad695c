// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package tracing_test

import (
	"context"
	"fmt"

	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/enmeshtest"
	"github.com/enmesh-go/enmesh/telemetry/tracing"
)

func ExampleNew() {
	exporter := tracetest.NewInMemoryExporter() // a program has an OTLP exporter here
	provider := sdk.NewTracerProvider(sdk.WithSyncer(exporter))
	tracer := tracing.New(tracing.Config{Provider: provider})
	router := enmesh.Fixed(false, tracer.Calls(enmesh.Client))

	w := enmeshtest.NewWire() // an adapter does this for every request
	w.Call().Method, w.Call().Authority, w.Call().Path = "GET", "reviews:9080", "/reviews/1"
	_ = w.Do(context.Background(), router)
	w.Finish(nil)

	span := exporter.GetSpans()[0]
	fmt.Println(span.Name, span.SpanKind, len(w.Call().Header.Get("Traceparent")))
	// Output: GET client 55
}

// Without an SDK the trace context of the call that a handler serves goes out with
// the calls that the handler makes.
func ExampleTracer_Calls() {
	tracer := tracing.New(tracing.Config{})
	outbound := enmesh.Fixed(false, tracer.Calls(enmesh.Client))

	handler := func(ctx context.Context, _ *enmesh.Call) error {
		w := enmeshtest.NewWire()
		err := w.Do(ctx, outbound)
		fmt.Println(w.Call().Header.Get("Traceparent"))
		return err
	}
	inbound := enmeshtest.NewWire(handler)
	inbound.Call().Header = enmeshtest.Header{"Traceparent": {"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}}
	_ = inbound.Do(context.Background(), enmesh.Fixed(false, tracer.Calls(enmesh.Server)))
	// Output: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01
}
