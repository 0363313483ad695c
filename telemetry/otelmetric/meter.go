// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package otelmetric

import (
	"fmt"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/metric"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/telemetry"
)

// scopeName is the instrumentation scope of the instruments.
const scopeName = "github.com/enmesh-go/enmesh/telemetry/otelmetric"

// boundaries are those that the conventions advise, in seconds.
var boundaries = []float64{0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10}

// Config of a Meter. The zero Config is the default.
type Config struct {
	// Provider makes the instruments; nil is the global one, which may be set later.
	Provider metric.MeterProvider
}

// Meter records the durations of calls of any number of chains.
type Meter struct {
	// by side and protocol
	durations [2][2]metric.Float64Histogram
}

// New makes the instruments. It fails where the provider refuses one.
func New(cfg Config) (*Meter, error) {
	if cfg.Provider == nil {
		cfg.Provider = otel.GetMeterProvider()
	}
	meter := cfg.Provider.Meter(scopeName)
	m := &Meter{}
	for _, i := range []struct {
		side        enmesh.Side
		protocol    enmesh.Protocol
		name, about string
	}{
		{enmesh.Client, enmesh.HTTP, "http.client.request.duration", "Duration of HTTP client requests."},
		{enmesh.Server, enmesh.HTTP, "http.server.request.duration", "Duration of HTTP server requests."},
		{enmesh.Client, enmesh.GRPC, "rpc.client.call.duration", "Duration of outgoing remote procedure calls."},
		{enmesh.Server, enmesh.GRPC, "rpc.server.call.duration", "Duration of incoming remote procedure calls."},
	} {
		h, err := meter.Float64Histogram(i.name, metric.WithUnit("s"),
			metric.WithDescription(i.about), metric.WithExplicitBucketBoundaries(boundaries...))
		if err != nil {
			return nil, fmt.Errorf("otelmetric: instrument %s: %w", i.name, err)
		}
		m.durations[i.side][i.protocol] = h
	}
	return m, nil
}

// Calls is the observer of one chain's calls, for telemetry.Calls.
func (m *Meter) Calls(s telemetry.Scope) telemetry.Observer {
	side := enmesh.Client
	if s.Side == enmesh.Server {
		side = enmesh.Server
	}
	return &calls{side: side, durations: m.durations[side]}
}
