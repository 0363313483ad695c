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
//   - enmesh_certificate_life_seconds: how long it is good, negative once it has ended;
//   - enmesh_certificate_age_seconds: how long it has been in force;
//   - enmesh_certificate_rotations_total: certificates that followed the first;
//   - enmesh_certificate_rotation_errors_total: renewals that failed;
//   - enmesh_certificate_rotation_failing: 1 while the latest one has.
//
// Their label is the identity. Life and age are left out while there is no certificate:
// alert on their absence too.
type Certificates struct {
	read func() []Certificate
	now  func() time.Time

	life, age, rotations, failures, failing *prometheus.Desc
}

// NewCertificates makes a collector of what read tells, which is called for each scrape. A
// nil now is time.Now.
func NewCertificates(read func() []Certificate, now func() time.Time) *Certificates {
	if now == nil {
		now = time.Now
	}
	describe := func(name, help string) *prometheus.Desc {
		return prometheus.NewDesc("enmesh_certificate_"+name, help, []string{"identity"}, nil)
	}
	return &Certificates{
		read: read, now: now,
		life:      describe("life_seconds", "How long the certificate is good from now on."),
		age:       describe("age_seconds", "How long the certificate has been in force."),
		rotations: describe("rotations_total", "Certificates that followed the first."),
		failures:  describe("rotation_errors_total", "Renewals of the certificate that failed."),
		failing:   describe("rotation_failing", "Whether the latest renewal failed."),
	}
}

// Describe implements prometheus.Collector.
func (c *Certificates) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{c.life, c.age, c.rotations, c.failures, c.failing} {
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
			send(c.life, prometheus.GaugeValue, s.NotAfter.Sub(now).Seconds())
			send(c.age, prometheus.GaugeValue, now.Sub(s.Since).Seconds())
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
