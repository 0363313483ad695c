// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package security_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/enmesh-go/enmesh/security"
	"github.com/enmesh-go/enmesh/security/ca"
)

// faulty is a source that a test breaks.
type faulty struct {
	security.Source
	err error
}

func (f *faulty) Err() error { return f.err }

func newMonitor(t *testing.T, src security.Source, cfg security.MonitorConfig) *security.Monitor {
	t.Helper()
	m, err := security.NewMonitor(src, cfg)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// lasting is an identity that begins now, from an authority of its own.
func lasting(t *testing.T, ttl time.Duration) *security.Identity {
	t.Helper()
	d, err := ca.NewDevelopment("mesh.test", ca.Config{TTL: ttl})
	if err != nil {
		t.Fatal(err)
	}
	id, err := d.Issue(security.MustParseID("spiffe://mesh.test/ns/default/sa/web"))
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// TestScenarioT6_notReadyBeforeTheCertificateEnds: the issuer is down and the certificate
// runs out: the process says so at half, a quarter and a tenth of its life, is not ready
// while there is still some, and counts one failure.
func TestScenarioT6_notReadyBeforeTheCertificateEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := &faulty{Source: security.Fixed(lasting(t, time.Hour)), err: errors.New("the issuer is down")}
		var log bytes.Buffer
		var told []float64
		m := newMonitor(t, src, security.MonitorConfig{
			Log: slog.New(slog.NewTextHandler(&log, nil)),
			Low: func(share float64, _ security.Status) { told = append(told, share) },
		})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- m.Run(ctx) }()
		var notReady time.Duration
		for end := time.Now().Add(59 * time.Minute); time.Now().Before(end); time.Sleep(time.Second) {
			if err := m.Ready(); err != nil && notReady == 0 {
				notReady = m.Status().Left(time.Now())
				if !errors.Is(err, security.ErrNotReady) || !strings.Contains(err.Error(), "the issuer is down") {
					t.Errorf("Ready: %v, want ErrNotReady with the reason", err)
				}
			}
		}
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("Run: %v", err)
		}
		if len(told) != 3 || told[0] != 0.5 || told[1] != 0.25 || told[2] != 0.1 {
			t.Errorf("told at %v of its life, want 0.5, 0.25 and 0.1", told)
		}
		if notReady < time.Minute || notReady > 4*time.Minute {
			t.Errorf("not ready with %v left, want about 3 min", notReady)
		}
		if s := m.Status(); s.Failures != 1 || s.Err == nil {
			t.Errorf("%d failures, %v; want one", s.Failures, s.Err)
		}
		for _, level := range []string{"level=INFO", "level=WARN", "level=ERROR"} {
			if !strings.Contains(log.String(), level) {
				t.Errorf("the log has no %s:\n%s", level, &log)
			}
		}
	})
}

func TestMonitor_countsRotations(t *testing.T) {
	var src faulty
	first := lasting(t, time.Hour)
	src.Source = security.Fixed(first)
	m := newMonitor(t, &src, security.MonitorConfig{})
	if s := m.Status(); s.Rotations != 0 || s.ID != first.ID() || s.Since.IsZero() || m.Ready() != nil {
		t.Errorf("at first: %+v, %v", s, m.Ready())
	}
	src.Source = security.Fixed(lasting(t, 2*time.Hour))
	for range 3 {
		if _, err := m.Identity(); err != nil {
			t.Fatal(err)
		}
	}
	if s := m.Status(); s.Rotations != 1 || s.Err != nil || s.Failures != 0 {
		t.Errorf("after a rotation: %+v, want one and no failure", s)
	}
}

func TestMonitor_ofNobody(t *testing.T) {
	m := newMonitor(t, security.Fixed(nil), security.MonitorConfig{})
	if err := m.Ready(); err == nil {
		t.Error("a process without a certificate is ready")
	}
	if s := m.Status(); s.Share(time.Now()) != 0 || s.Failures != 1 {
		t.Errorf("status %+v", s)
	}
}

func TestNewMonitor_refuses(t *testing.T) {
	src := security.Fixed(nil)
	for name, cfg := range map[string]security.MonitorConfig{
		"Every": {Every: -1}, "NotReady is -": {NotReady: -0.1}, "NotReady is 1": {NotReady: 1},
	} {
		if _, err := security.NewMonitor(src, cfg); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := security.NewMonitor(nil, security.MonitorConfig{}); err == nil {
		t.Error("no source is accepted")
	}
}
