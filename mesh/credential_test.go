// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package mesh_test

import (
	"context"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/enmesh-go/enmesh/mesh"
	"github.com/enmesh-go/enmesh/meshhttp"
	"github.com/enmesh-go/enmesh/security"
	"github.com/enmesh-go/enmesh/security/ca"
)

// TestRun_tellsOfTheCertificate: how old it is and how long it is good, as metrics and as
// status.
func TestRun_tellsOfTheCertificate(t *testing.T) {
	authority, err := ca.NewDevelopment("cluster.local", ca.Config{Now: func() time.Time { return time.Now().Add(-10 * time.Minute) }})
	if err != nil {
		t.Fatal(err)
	}
	own, err := authority.Issue(security.MustParseID("spiffe://cluster.local/ns/default/sa/shop"))
	if err != nil {
		t.Fatal(err)
	}
	m := opened(t, mesh.WithWorkload(mesh.Workload{Service: "shop"}), mesh.WithCertificates(security.Fixed(own)))
	at := freeAddr(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	err = mesh.Run(ctx, m, quick, mesh.WithSignals(), mesh.WithStatus(at),
		mesh.Serving{Server: meshhttp.Graceful(&http.Server{Handler: http.NotFoundHandler(), ReadHeaderTimeout: time.Second})},
		mesh.OnStep(func(s mesh.Step) {
			if s.Name != mesh.StepReady {
				return
			}
			defer cancel()
			young, good := time.Since(own.NotBefore()).Seconds(), time.Until(own.NotAfter()).Seconds()
			_, metrics := ask(t, "http://"+at+"/metrics")
			_, text := ask(t, "http://"+at+"/status")
			old, left := time.Since(own.NotBefore()).Seconds(), time.Until(own.NotAfter()).Seconds()
			var got struct {
				Identity struct {
					ID        string  `json:"id"`
					NotBefore string  `json:"not_before"`
					Age       float64 `json:"age_seconds"`
					Left      float64 `json:"seconds_left"`
				}
			}
			if err := json.Unmarshal([]byte(text), &got); err != nil || got.Identity.ID != own.ID().String() || got.Identity.NotBefore == "" {
				t.Errorf("status: %v: %s", err, text)
			}
			for name, age := range map[string]float64{"status": got.Identity.Age, "metrics": valueOf(t, metrics, "enmesh_certificate_age_seconds")} {
				if age < young || age > old {
					t.Errorf("%s: the certificate is %v s old, want %v to %v", name, age, young, old)
				}
			}
			for name, is := range map[string]float64{"status": got.Identity.Left, "metrics": valueOf(t, metrics, "enmesh_certificate_seconds_left")} {
				if is < left || is > good {
					t.Errorf("%s: the certificate is good for %v s, want %v to %v", name, is, left, good)
				}
			}
		}))
	if err != nil {
		t.Error(err)
	}
}

// valueOf is that of a metric without labels.
func valueOf(t *testing.T, metrics, name string) float64 {
	t.Helper()
	for line := range strings.Lines(metrics) {
		if text, ok := strings.CutPrefix(strings.TrimSpace(line), name+" "); ok {
			v, err := strconv.ParseFloat(text, 64)
			if err != nil {
				t.Error(err)
			}
			return v
		}
	}
	t.Errorf("no metric %s", name)
	return 0
}
