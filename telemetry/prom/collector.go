// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package prom

import (
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/enmesh-go/enmesh/internal/lane"
)

// DefaultMaxSeries is how many series a metric has at most, unless Config says; with the
// overflow series it has 2,000.
const DefaultMaxSeries = 1_999

// Config of a Collector. The zero Config is the default.
type Config struct {
	// MaxSeries bounds the series of each metric, the overflow series apart; 0 or
	// less is 1,999. Callers and their codes make series of a server, services and
	// their codes those of a client: a large mesh wants more. Istio's series of one set of labels take about 4 KiB together, and half a KiB for each of up to 8 processors.
	MaxSeries int
}

// Collector counts calls and attempts, of any number of chains, sides and
// workloads. It is a prometheus.Collector: register it once.
type Collector struct {
	calls    *family[spread]
	attempts *family[lane.Counter]
	decided  *family[atomic.Uint64]
	hosts    hosts

	requests, duration, sent, received, tries, decisions, folded *prometheus.Desc
}

// New makes an empty Collector.
func New(cfg Config) *Collector {
	limit := cfg.MaxSeries
	if limit <= 0 {
		limit = DefaultMaxSeries
	}
	describe := func(name, help string, labels []string) *prometheus.Desc {
		return prometheus.NewDesc(name, help, labels, nil)
	}
	return &Collector{
		calls:     newFamily[spread](limit, callLabels),
		attempts:  newFamily[lane.Counter](limit, attemptLabels),
		decided:   newFamily[atomic.Uint64](limit, decisionLabels),
		requests:  describe("istio_requests_total", "Calls.", callLabels),
		duration:  describe("istio_request_duration_milliseconds", "Time from a call's begin to its end.", callLabels),
		sent:      describe("istio_request_bytes", "Size of a request's body.", callLabels),
		received:  describe("istio_response_bytes", "Size of an answer's body.", callLabels),
		tries:     describe("enmesh_attempts_total", "Attempts made for calls.", attemptLabels),
		decisions: describe("enmesh_decisions_total", "What policies did to calls, or would have done where they run in shadow.", decisionLabels),
		folded:    describe("enmesh_metrics_folded_total", "Calls, attempts and decisions counted in an overflow series.", []string{"of"}),
	}
}

// Describe implements prometheus.Collector.
func (c *Collector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{c.requests, c.duration, c.sent, c.received, c.tries, c.decisions, c.folded} {
		ch <- d
	}
}

// Collect implements prometheus.Collector. It holds up no call.
func (c *Collector) Collect(ch chan<- prometheus.Metric) {
	for _, s := range c.calls.snapshot() {
		v := &s.value
		ch <- counted{c.requests, s.labels, func() uint64 { return v.count(duration) }}
		ch <- measured{c.duration, s.labels, duration, v}
		sendCounted(ch, measured{c.sent, s.labels, request, v})
		sendCounted(ch, measured{c.received, s.labels, response, v})
	}
	for _, s := range c.attempts.snapshot() {
		ch <- counted{c.tries, s.labels, s.value.Load}
	}
	for _, s := range c.decided.snapshot() {
		ch <- counted{c.decisions, s.labels, s.value.Load}
	}
	for name, n := range map[string]*atomic.Uint64{
		"calls": &c.calls.folded, "attempts": &c.attempts.folded, "decisions": &c.decided.folded,
	} {
		ch <- counted{c.folded, prometheus.MakeLabelPairs(c.folded, []string{name}), n.Load}
	}
}

// sendCounted sends m unless it is empty: a histogram is 22 lines of text, too many
// for what an adapter never counts.
func sendCounted(ch chan<- prometheus.Metric, m measured) {
	if m.from.count(m.of) > 0 {
		ch <- m
	}
}
