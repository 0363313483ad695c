// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package mesh

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/enmesh-go/enmesh/security"
)

// lookEvery is how often the process's certificate is looked at.
const lookEvery = time.Second

// openIdentity puts a monitor round the source of certificates.
func openIdentity(cfg *config) (*security.Monitor, error) {
	if cfg.certificates == nil {
		return nil, nil
	}
	m, err := security.NewMonitor(cfg.certificates, security.MonitorConfig{Every: lookEvery, Log: cfg.log})
	if err != nil {
		return nil, err
	}
	cfg.namer, _ = cfg.certificates.(peerNamer)
	cfg.certificates = m
	return m, nil
}

// mindIdentity tells health whether the certificate is good for a while longer, until ctx
// ends: who sends calls elsewhere in time loses none.
func (m *Mesh) mindIdentity(ctx context.Context) {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		m.health.certify(m.identity.Ready() == nil)
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// certificate metrics.
var (
	leftDesc = prometheus.NewDesc("enmesh_certificate_seconds_left",
		"How long the process's certificate is good from now on; negative when it has ended.", nil, nil)
	ageDesc = prometheus.NewDesc("enmesh_certificate_age_seconds",
		"How long ago the process's certificate was issued.", nil, nil)
	rotationsDesc = prometheus.NewDesc("enmesh_certificate_rotations_total",
		"Certificates that followed the first one of the process.", nil, nil)
	rotationErrorsDesc = prometheus.NewDesc("enmesh_certificate_errors_total",
		"Times that a newer certificate of the process could not be had, or used.", nil, nil)
	certificateFailingDesc = prometheus.NewDesc("enmesh_certificate_failing",
		"1 while a newer certificate of the process cannot be had, or used.", nil, nil)
	keysDesc = prometheus.NewDesc("enmesh_token_keys",
		"Keys of a token issuer that count now, by where they are fetched.", []string{"uri"}, nil)
	keysFailingDesc = prometheus.NewDesc("enmesh_token_keys_failing",
		"1 when the latest fetch of a token issuer's keys failed.", []string{"uri"}, nil)
)

var identityDescs = []*prometheus.Desc{
	leftDesc, ageDesc, rotationsDesc, rotationErrorsDesc, certificateFailingDesc, keysDesc, keysFailingDesc,
}

// collectSecurity tells of the certificate and of the keys of token issuers. What they are
// fetched from is bounded by policy.
func collectSecurity(ch chan<- prometheus.Metric, s *Status, now time.Time) {
	if id := s.Identity; id != nil {
		ch <- prometheus.MustNewConstMetric(leftDesc, prometheus.GaugeValue, id.Left(now).Seconds())
		ch <- prometheus.MustNewConstMetric(ageDesc, prometheus.GaugeValue, now.Sub(id.NotBefore).Seconds())
		ch <- prometheus.MustNewConstMetric(rotationsDesc, prometheus.CounterValue, float64(id.Rotations))
		ch <- prometheus.MustNewConstMetric(rotationErrorsDesc, prometheus.CounterValue, float64(id.Failures))
		ch <- prometheus.MustNewConstMetric(certificateFailingDesc, prometheus.GaugeValue, float(id.Err != nil))
	}
	for _, k := range s.Keys {
		ch <- prometheus.MustNewConstMetric(keysDesc, prometheus.GaugeValue, float64(k.Keys), k.URI)
		ch <- prometheus.MustNewConstMetric(keysFailingDesc, prometheus.GaugeValue, float(k.Err != nil), k.URI)
	}
}

// identityReport is the certificate as /status tells it.
type identityReport struct {
	ID        string  `json:"id"`
	NotBefore string  `json:"not_before"`
	NotAfter  string  `json:"not_after"`
	Left      float64 `json:"seconds_left"`
	Age       float64 `json:"age_seconds"`
	Rotations uint64  `json:"rotations"`
	Failures  uint64  `json:"failures"`
	Error     string  `json:"error,omitempty"` // why there is no newer one, or none
}

// keysReport is the keys of a token issuer.
type keysReport struct {
	URI     string `json:"uri"`
	Keys    int    `json:"keys"`
	Fetched string `json:"fetched,omitempty"`
	Error   string `json:"error,omitempty"`
}

func (r *report) secure(s *Status, now time.Time) {
	if id := s.Identity; id != nil {
		r.Identity = &identityReport{
			ID: id.ID.String(), NotBefore: stamp(id.NotBefore), NotAfter: stamp(id.NotAfter),
			Left: id.Left(now).Seconds(), Age: now.Sub(id.NotBefore).Seconds(),
			Rotations: id.Rotations, Failures: id.Failures, Error: textOf(id.Err),
		}
	}
	for _, k := range s.Keys {
		r.Keys = append(r.Keys, keysReport{k.URI, k.Keys, stamp(k.Fetched), textOf(k.Err)})
	}
}
