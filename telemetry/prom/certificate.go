// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package prom

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Certificate is how a process's certificate stands, as security.Monitor tells it.
type Certificate struct {
	Identity            string    // "" when there is none
	NotBefore, NotAfter time.Time // of the one in force
	Since               time.Time // when it came into force
	Rotations, Failures uint64
	Failing             bool // there is a reason why there is no newer one
}

// Certificates are the metrics of a process's certificates:
//
//   - enmesh_identity_certificate_seconds_left: how long it is good, negative once it has ended;
//   - enmesh_identity_certificate_age_seconds: how long ago it was issued;
//   - enmesh_identity_certificate_in_force_seconds: how long ago it came into force;
//   - enmesh_identity_certificate_rotations_total: certificates that followed the first;
//   - enmesh_identity_certificate_errors_total: renewals that failed;
//   - enmesh_identity_certificate_failing: 1 while the latest one has.
//
// Their label is the identity. The first three are left out while there is no certificate:
// alert on their absence too. They are for programs without a mesh: a mesh tells the same of
// its own certificate as enmesh_certificate_seconds_left and so on, without the label.
type Certificates struct {
	read func() []Certificate
	now  func() time.Time

	left, age, inForce, rotations, failures, failing *prometheus.Desc
}

// NewCertificates makes a collector of what read tells, which is called for each scrape. A
// nil now is time.Now.
func NewCertificates(read func() []Certificate, now func() time.Time) *Certificates {
	if now == nil {
		now = time.Now
	}
	describe := func(name, help string) *prometheus.Desc {
		return prometheus.NewDesc("enmesh_identity_certificate_"+name, help, []string{"identity"}, nil)
	}
	return &Certificates{
		read: read, now: now,
		left:      describe("seconds_left", "How long the certificate is good from now on; negative when it has ended."),
		age:       describe("age_seconds", "How long ago the certificate was issued."),
		inForce:   describe("in_force_seconds", "How long ago the certificate came into force."),
		rotations: describe("rotations_total", "Certificates that followed the first."),
		failures:  describe("errors_total", "Renewals of the certificate that failed."),
		failing:   describe("failing", "1 while the latest renewal of the certificate has failed."),
	}
}

// Describe implements prometheus.Collector.
func (c *Certificates) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{c.left, c.age, c.inForce, c.rotations, c.failures, c.failing} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (c *Certificates) Collect(ch chan<- prometheus.Metric) {
	now := c.now()
	for _, s := range c.read() {
		send := func(d *prometheus.Desc, kind prometheus.ValueType, v float64) {
			ch <- prometheus.MustNewConstMetric(d, kind, v, s.Identity)
		}
		if !s.NotAfter.IsZero() {
			send(c.left, prometheus.GaugeValue, s.NotAfter.Sub(now).Seconds())
			send(c.age, prometheus.GaugeValue, now.Sub(s.NotBefore).Seconds())
			send(c.inForce, prometheus.GaugeValue, now.Sub(s.Since).Seconds())
		}
		send(c.rotations, prometheus.CounterValue, float64(s.Rotations))
		send(c.failures, prometheus.CounterValue, float64(s.Failures))
		failing := 0.0
		if s.Failing {
			failing = 1
		}
		send(c.failing, prometheus.GaugeValue, failing)
	}
}
