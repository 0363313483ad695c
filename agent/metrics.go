// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/enmesh-go/enmesh/agent/translate"
	"github.com/enmesh-go/enmesh/agent/xds"
	"github.com/enmesh-go/enmesh/discovery"
)

// collector is an Agent as a prometheus.Collector. Services and edges are labels: their number
// is bounded by what clients ask for, and by maxEdges.
type collector struct{ agent *Agent }

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("enmesh_agent_"+name, help, labels, nil)
}

var (
	readyDesc     = desc("ready", "1 when clients are answered.")
	clientsDesc   = desc("clients", "Streams that are open, by the implementation of gRPC.", "language")
	streamsDesc   = desc("streams_total", "Streams that began.")
	cutDesc       = desc("cut_total", "Clients that were cut because they did not read or answer.")
	pushesDesc    = desc("pushes_total", "Responses that were sent, by kind of resource.", "kind")
	answersDesc   = desc("answers_total", "Answers of clients to responses, by kind of resource: accepted (ACK), rejected (NACK).", "kind", "result")
	rejectedDesc  = desc("rejected_resources", "Resources whose latest version a client that is connected has refused, by kind.", "kind")
	reportsDesc   = desc("load_reports_total", "Load reports of clients that were taken.")
	edgeCallsDesc = desc("edge_calls_total", "Calls that clients report, by who called whom: succeeded, failed, dropped (never sent).",
		"source", "source_namespace", "destination", "subset", "result")
	edgeIssuedDesc = desc("edge_calls_issued_total", "Calls that clients report to have begun, by who called whom.",
		"source", "source_namespace", "destination", "subset")

	loadsDesc    = desc("policy_loads_total", "Loads of policy, by result: applied, refused.", "result")
	goodDesc     = desc("policy_last_load_applied", "1 when the last load of policy is in force, 0 when it was refused.")
	restoredDesc = desc("policy_restored", "1 while the policy in force is that of an earlier process, from disk.")

	endpointsDesc  = desc("endpoints", "Endpoints of a service that clients are told.", "service")
	watchDesc      = desc("watch_state", "1 for how the watch of a service stands: waiting, live, doubting, failing; 0 for the others.", "service", "state")
	stalenessDesc  = desc("staleness_seconds", "How long the endpoints of a service have not been known to be true; 0 when they are.", "service")
	suppressedDesc = desc("suppressed_total", "Sets of a service that were empty or far too small, and not believed when they came.", "service")
	keptDesc       = desc("kept_endpoints", "Endpoints of a service that the registry does not name any more, kept until it is believed.", "service")
	errorsDesc     = desc("registry_errors_total", "Errors of the registry about a service.", "service")
	diskDesc       = desc("snapshot_failing", "1 when endpoints could not be written to disk the last time.")

	leftDesc      = desc("certificate_seconds_left", "How long the certificate in a directory is good from now on; negative when it has ended.", "dir", "id")
	rotationsDesc = desc("certificate_rotations_total", "Certificates in a directory that followed the first one.", "dir", "id")
	failuresDesc  = desc("certificate_errors_total", "Times that a newer certificate could not be had, or written.", "dir", "id")
	failingDesc   = desc("certificate_failing", "1 while a newer certificate cannot be had, or written.", "dir", "id")
)

var descs = []*prometheus.Desc{
	readyDesc, clientsDesc, streamsDesc, cutDesc, pushesDesc, answersDesc, rejectedDesc, reportsDesc, edgeCallsDesc, edgeIssuedDesc,
	loadsDesc, goodDesc, restoredDesc, endpointsDesc, watchDesc, stalenessDesc, suppressedDesc, keptDesc, errorsDesc, diskDesc,
	leftDesc, rotationsDesc, failuresDesc, failingDesc,
}

// Describe implements prometheus.Collector.
func (c *collector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range descs {
		ch <- d
	}
}

// sink sends metrics.
type sink chan<- prometheus.Metric

func (s sink) gauge(d *prometheus.Desc, v float64, labels ...string) {
	s <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
}

func (s sink) count(d *prometheus.Desc, v uint64, labels ...string) {
	s <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(v), labels...)
}

func (s sink) is(d *prometheus.Desc, v bool, labels ...string) {
	one := 0.0
	if v {
		one = 1
	}
	s.gauge(d, one, labels...)
}

// Collect implements prometheus.Collector.
func (c *collector) Collect(ch chan<- prometheus.Metric) {
	out, status := sink(ch), c.agent.state()
	out.is(readyDesc, status.Ready)
	c.clients(out)
	c.server(out)
	p := &status.Policy
	out.count(loadsDesc, p.Loads-p.Refused, "applied")
	out.count(loadsDesc, p.Refused, "refused")
	out.is(goodDesc, p.Error == "")
	out.is(restoredDesc, p.Restored)
	if status.Disk != nil {
		out.is(diskDesc, status.Disk.Error != "")
	}
	for i := range status.Services {
		out.service(&status.Services[i])
	}
	for i := range status.Certificates {
		out.certificate(&status.Certificates[i])
	}
	if c.agent.loads != nil {
		c.agent.loads.each(out.edge)
	}
}

// clients tells who is connected.
func (c *collector) clients(out sink) {
	languages, rejected := map[string]int{}, map[xds.Kind]int{}
	for _, t := range c.agent.server.Tallies() {
		languages[translate.EnforcerOf(t.Node.Client).String()]++
		for k, n := range t.Rejected {
			rejected[k] += n
		}
	}
	for language, n := range languages {
		out.gauge(clientsDesc, float64(n), language)
	}
	for k := xds.Listener; k <= xds.Endpoints; k++ {
		out.gauge(rejectedDesc, float64(rejected[k]), k.String())
	}
}

// server tells what was said and answered.
func (c *collector) server(out sink) {
	s := c.agent.server.Stats()
	out.count(streamsDesc, s.Streams)
	out.count(cutDesc, s.Cut)
	out.count(reportsDesc, s.Reports)
	for k := xds.Listener; k <= xds.Endpoints; k++ {
		one := s.Of(k)
		out.count(pushesDesc, one.Pushes, k.String())
		out.count(answersDesc, one.Accepted, k.String(), "accepted")
		out.count(answersDesc, one.Rejected, k.String(), "rejected")
	}
}

func (s sink) service(v *ServiceStatus) {
	s.gauge(endpointsDesc, float64(v.Endpoints), v.Service)
	s.gauge(stalenessDesc, v.Staleness, v.Service)
	s.gauge(keptDesc, float64(v.Kept), v.Service)
	s.count(suppressedDesc, v.Suppressed, v.Service)
	s.count(errorsDesc, v.Errors, v.Service)
	for state := discovery.Waiting; state <= discovery.Failing; state++ {
		s.is(watchDesc, v.State == state.String(), v.Service, state.String())
	}
}

func (s sink) certificate(v *CertificateStatus) {
	labels := []string{v.Dir, v.Identity.String()}
	if !v.NotAfter.IsZero() {
		s.gauge(leftDesc, time.Until(v.NotAfter).Seconds(), labels...)
	}
	s.count(rotationsDesc, v.Rotations, labels...)
	s.count(failuresDesc, v.Failures, labels...)
	s.is(failingDesc, v.Error != "", labels...)
}

func (s sink) edge(e edge, t traffic) {
	labels := []string{e.source, e.namespace, e.service, e.subset}
	s.count(edgeIssuedDesc, t.issued, labels...)
	for _, one := range []struct {
		result string
		n      uint64
	}{{"succeeded", t.succeeded}, {"failed", t.failed}, {"dropped", t.dropped}} {
		s.count(edgeCallsDesc, one.n, append(labels[:len(labels):len(labels)], one.result)...)
	}
}
