// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

// Package prom collects calls for Prometheus, under Istio's names and labels, so
// that the dashboards and the graphs made for Istio read a service without a
// sidecar unchanged.
//
// # The problem
//
// Istio's metrics have 25 labels. Looking a series up by them (WithLabelValues)
// costs more than the rest of a call's telemetry together, and every label that a
// stranger chooses the value of is a way to exhaust the memory of the process and of
// Prometheus.
//
// # The model
//
// A [Collector] holds the series. [Collector.Calls] gives the observer of one chain:
// it tells calls apart by what may differ between them (status, code, flag,
// endpoint, principal) and finds their series in a small table, without formatting
// anything and without a lock. The labels are made when a series is new. A call adds
// to six numbers of its series, atomically; what Prometheus reads is put together
// when it asks.
//
//	metrics := prom.New(prom.Config{})
//	prometheus.MustRegister(metrics)
//	scope := telemetry.Scope{Side: enmesh.Server, Self: self}
//	chain := enmesh.Chain(telemetry.Calls(metrics.Calls(scope)), limiter)
//	http.Handle("/metrics", promhttp.Handler())
//
// # The metrics
//
//   - istio_requests_total: calls, by all labels.
//   - istio_request_duration_milliseconds: from a call's begin to its true end.
//   - istio_request_bytes, istio_response_bytes: of bodies (see enmesh.Call.Sizes).
//   - enmesh_attempts_total: attempts, by source, destination, version, protocol,
//     flag and outcome; over istio_requests_total it gives the attempts of a call.
//   - enmesh_metrics_folded_total: what was counted in an overflow series.
//
// A label whose value is not known is "unknown"; response_flags is "-" when no flag
// applies, and grpc_response_status is empty for HTTP, as in Istio. response_code of
// a call whose caller went away before the answer came is 0. The path and addresses
// are never labels.
//
// # Limits
//
// New labels of an endpoint that stays are seen within 10 seconds.
//
// Each metric has at most Config.MaxSeries series (1,999). What comes later is
// counted in one series whose labels are all "_overflow". Of the names that clients call a
// server by, the first 100 show, and the others as "_overflow". Series are not forgotten:
// Prometheus would read a counter that starts again. A scrape reads each number
// atomically but not all at one instant: the sum of a histogram may be a call ahead
// of its count.
package prom
