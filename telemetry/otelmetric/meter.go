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
	// Sizes has the sizes of HTTP bodies recorded as well, which the conventions leave
	// optional: it costs two more values a call.
	Sizes bool
}

// sizeBoundaries are in bytes; the conventions advise none.
var sizeBoundaries = []float64{0, 64, 256, 1 << 10, 4 << 10, 16 << 10, 64 << 10, 256 << 10, 1 << 20, 4 << 20, 16 << 20, 64 << 20}

// Meter records the durations of calls of any number of chains, and the sizes of bodies.
type Meter struct {
	// by side and protocol
	durations [2][2]metric.Float64Histogram
	// by side, of request and answer; nil without Config.Sizes
	sizes [2][2]metric.Int64Histogram
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
	if cfg.Sizes {
		if err := m.addSizes(meter); err != nil {
			return nil, err
		}
	}
	return m, nil
}

// addSizes makes the instruments of bodies.
func (m *Meter) addSizes(meter metric.Meter) error {
	for side, name := range []string{enmesh.Client: "client", enmesh.Server: "server"} {
		for i, body := range []string{"request", "response"} {
			name := "http." + name + "." + body + ".body.size"
			h, err := meter.Int64Histogram(name, metric.WithUnit("By"),
				metric.WithDescription("Size of HTTP "+body+" bodies."), metric.WithExplicitBucketBoundaries(sizeBoundaries...))
			if err != nil {
				return fmt.Errorf("otelmetric: instrument %s: %w", name, err)
			}
			m.sizes[side][i] = h
		}
	}
	return nil
}

// Calls is the observer of one chain's calls, for telemetry.Calls.
func (m *Meter) Calls(s telemetry.Scope) telemetry.Observer {
	side := enmesh.Client
	if s.Side == enmesh.Server {
		side = enmesh.Server
	}
	return &calls{side: side, durations: m.durations[side], sizes: m.sizes[side]}
}
