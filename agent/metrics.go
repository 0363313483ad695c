// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package agent

import "github.com/prometheus/client_golang/prometheus"

// collector is an Agent as a prometheus.Collector.
type collector struct{ agent *Agent }

var clientsDesc = prometheus.NewDesc("enmesh_agent_clients", "Streams that are open.", []string{"language"}, nil)

// Describe implements prometheus.Collector.
func (c *collector) Describe(ch chan<- *prometheus.Desc) { ch <- clientsDesc }

// Collect implements prometheus.Collector.
func (c *collector) Collect(ch chan<- prometheus.Metric) {
	by := map[string]int{}
	for _, one := range c.agent.Status().Clients {
		by[one.Language]++
	}
	for language, n := range by {
		ch <- prometheus.MustNewConstMetric(clientsDesc, prometheus.GaugeValue, float64(n), language)
	}
}
