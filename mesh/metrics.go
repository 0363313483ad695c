// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package mesh

import (
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/enmesh-go/enmesh/discovery"
)

// The mesh's own metrics. The service is a label, of a bounded number of services (see folds).
var (
	loadsDesc = prometheus.NewDesc("enmesh_policy_loads_total",
		"Loads of the policy files, by result: applied, refused.", []string{"result"}, nil)
	goodDesc = prometheus.NewDesc("enmesh_policy_last_load_applied",
		"1 when the last load of the policy files is in force, 0 when it was refused.", nil, nil)
	endpointsDesc = prometheus.NewDesc("enmesh_discovery_endpoints",
		"Endpoints of a service, as the registry last told them.", []string{"service"}, nil)
	failingDesc = prometheus.NewDesc("enmesh_discovery_failing",
		"1 when the registry's last word on a service was an error.", []string{"service"}, nil)
	errorsDesc = prometheus.NewDesc("enmesh_discovery_errors_total",
		"Errors of the registry about a service.", []string{"service"}, nil)
	errorAtDesc = prometheus.NewDesc("enmesh_discovery_last_error_timestamp_seconds",
		"When the registry's last error about a service came, as a Unix time.", []string{"service"}, nil)
	watchDesc = prometheus.NewDesc("enmesh_discovery_watch_state",
		"1 for how the watch of a service stands: waiting, live, doubting, failing; 0 for the others.", []string{"service", "state"}, nil)
	stalenessDesc = prometheus.NewDesc("enmesh_discovery_staleness_seconds",
		"How long the endpoints of a service have not been known to be true; 0 when they are.", []string{"service"}, nil)
	suppressedDesc = prometheus.NewDesc("enmesh_discovery_suppressed_total",
		"Sets of a service that were empty or far too small, and not believed when they came.", []string{"service"}, nil)
	keptDesc = prometheus.NewDesc("enmesh_discovery_kept_endpoints",
		"Endpoints of a service that the registry does not name any more, kept until it is believed.", []string{"service"}, nil)
	registryDesc = prometheus.NewDesc("enmesh_discovery_registry_events_total",
		"What the registry did about a service, where the resolver counts it: by event, and why.", []string{"service", "event", "reason"}, nil)
	snapshotDesc = prometheus.NewDesc("enmesh_discovery_snapshot_age_seconds",
		"The age of a service's endpoints on disk.", []string{"service"}, nil)
	diskDesc = prometheus.NewDesc("enmesh_discovery_snapshot_failing",
		"1 when endpoints could not be written to disk the last time.", nil, nil)
	mirrorDesc = prometheus.NewDesc("enmesh_mirror_calls_total",
		"Calls that a route mirrors, by what became of the copy: sent, failed (sent, and not answered well), busy (too many in flight), "+
			"uncopied (a stream, or a body too large or not to be had twice).", []string{"result"}, nil)
)

var selfDescs = []*prometheus.Desc{
	loadsDesc, goodDesc, endpointsDesc, failingDesc, errorsDesc, errorAtDesc, watchDesc,
	stalenessDesc, suppressedDesc, keptDesc, snapshotDesc, diskDesc, registryDesc, mirrorDesc,
}

// selfMetrics is a Mesh as a prometheus.Collector of its own state.
type selfMetrics Mesh

// Describe implements prometheus.Collector.
func (s *selfMetrics) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range slices.Concat(selfDescs, identityDescs) {
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
	if status.Disk.Dir != "" {
		ch <- prometheus.MustNewConstMetric(diskDesc, prometheus.GaugeValue, float(status.Disk.Err != nil))
	}
	for _, c := range s.folds.foldEvents(s.cache.Counts()) {
		ch <- prometheus.MustNewConstMetric(registryDesc, prometheus.CounterValue, float64(c.N), c.Service, c.Event, c.Reason)
	}
	mirrored := s.mirror.Stats()
	for result, n := range map[string]uint64{
		"sent": mirrored.Sent, "failed": mirrored.Failed, "busy": mirrored.Busy, "uncopied": mirrored.Uncopied,
	} {
		ch <- prometheus.MustNewConstMetric(mirrorDesc, prometheus.CounterValue, float64(n), result)
	}
	now := time.Now()
	collectSecurity(ch, &status, now)
	for label, of := range s.folds.fold(status.Services, now) {
		of.collect(ch, label)
	}
}

func (r *services) collect(ch chan<- prometheus.Metric, label string) {
	gauge := func(d *prometheus.Desc, v float64) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, label)
	}
	counter := func(d *prometheus.Desc, v uint64) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(v), label)
	}
	gauge(endpointsDesc, float64(r.endpoints))
	gauge(failingDesc, float64(r.failing))
	gauge(stalenessDesc, r.staleness.Seconds())
	gauge(keptDesc, float64(r.kept))
	counter(suppressedDesc, r.suppressed)
	counter(errorsDesc, r.errors)
	if !r.errAt.IsZero() {
		gauge(errorAtDesc, float64(r.errAt.UnixMilli())/1000)
	}
	for state, n := range r.states {
		ch <- prometheus.MustNewConstMetric(watchDesc, prometheus.GaugeValue, float64(n), label, discovery.WatchState(state).String())
	}
	if r.saved {
		gauge(snapshotDesc, r.age.Seconds())
	}
}

func float(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
