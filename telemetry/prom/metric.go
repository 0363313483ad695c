// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package prom

import (
	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
)

// counted is a counter as Prometheus reads it: its number is loaded when asked.
type counted struct {
	desc   *prometheus.Desc
	labels []*dto.LabelPair
	load   func() uint64
}

// Desc describes the counter.
func (m counted) Desc() *prometheus.Desc { return m.desc }

// Write loads the number.
func (m counted) Write(out *dto.Metric) error {
	n := float64(m.load())
	out.Label, out.Counter = m.labels, &dto.Counter{Value: &n}
	return nil
}

// measured is a histogram as Prometheus reads it.
type measured struct {
	desc   *prometheus.Desc
	labels []*dto.LabelPair
	of     measure
	from   *spread
}

// Desc describes the histogram.
func (m measured) Desc() *prometheus.Desc { return m.desc }

// Write adds the buckets up.
func (m measured) Write(out *dto.Metric) error {
	sum := float64(m.from.sum(m.of)) / m.of.scale().unit
	h := &dto.Histogram{SampleSum: &sum, Bucket: make([]*dto.Bucket, len(bounds))}
	totals := make([]uint64, len(bounds)+1)
	buckets := make([]dto.Bucket, len(bounds))
	var total uint64
	for i := range totals {
		total += m.from.in(m.of, i)
		totals[i] = total
		if i < len(bounds) {
			buckets[i].UpperBound, buckets[i].CumulativeCount = &bounds[i], &totals[i]
			h.Bucket[i] = &buckets[i]
		}
	}
	h.SampleCount = &totals[len(bounds)]
	out.Label, out.Histogram = m.labels, h
	return nil
}
