// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package mesh

import "github.com/prometheus/client_golang/prometheus"

// The mesh's own metrics. The service is a label: their number is bounded by what
// the process calls.
var (
	loadsDesc = prometheus.NewDesc("enmesh_policy_loads_total",
		"Loads of the policy files, by result: applied, refused.", []string{"result"}, nil)
	goodDesc = prometheus.NewDesc("enmesh_policy_last_load_applied",
		"1 when the last load of the policy files is in force, 0 when it was refused.", nil, nil)
	endpointsDesc = prometheus.NewDesc("enmesh_discovery_endpoints",
		"Endpoints of a service, as the registry last told them.", []string{"service"}, nil)
	failingDesc = prometheus.NewDesc("enmesh_discovery_failing",
		"1 when the registry's last word on a service was an error.", []string{"service"}, nil)
)

// selfMetrics is a Mesh as a prometheus.Collector of its own state.
type selfMetrics Mesh

// Describe implements prometheus.Collector.
func (s *selfMetrics) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{loadsDesc, goodDesc, endpointsDesc, failingDesc} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (s *selfMetrics) Collect(ch chan<- prometheus.Metric) {
	status := (*Mesh)(s).Status()
	p := status.Policy
	ch <- prometheus.MustNewConstMetric(loadsDesc, prometheus.CounterValue, float64(p.Loads-p.Refused), "applied")
	ch <- prometheus.MustNewConstMetric(loadsDesc, prometheus.CounterValue, float64(p.Refused), "refused")
	ch <- prometheus.MustNewConstMetric(goodDesc, prometheus.GaugeValue, float(p.Err == nil))
	for _, svc := range status.Services {
		ch <- prometheus.MustNewConstMetric(endpointsDesc, prometheus.GaugeValue, float64(svc.Endpoints), svc.Service)
		ch <- prometheus.MustNewConstMetric(failingDesc, prometheus.GaugeValue, float(svc.Err != nil), svc.Service)
	}
}

func float(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
