// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package mesh_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/enmesh-go/enmesh/mesh"
	"github.com/enmesh-go/enmesh/telemetry/accesslog"
)

// logLines is a writer that tests read.
type logLines struct {
	mu   sync.Mutex // guards text
	text bytes.Buffer
}

func (l *logLines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logLines) has(text string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Contains(l.text.String(), text)
}

// A call that a fault delays has DI among its flags in metrics and log,
// whatever becomes of it.
func TestFault_delayIsAFlag(t *testing.T) {
	s := newStreet(t, "reviews")
	const delay = "delay: {fixedDelay: 1ms, percentage: {value: 100}}"
	abort := "abort: {httpStatus: 503, percentage: {value: 100}}"
	for name, tt := range map[string]struct{ rule, flags string }{
		"delayed":             {"fault: {" + delay + "}, " + toReviews, "DI"},
		"delayed and aborted": {"fault: {" + delay + ", " + abort + "}, " + toReviews, "DI,FI"},
		"not delayed":         {toReviews, "-"},
	} {
		for protocol, call := range map[string]func(m *mesh.Mesh){
			"http": func(m *mesh.Mesh) { _, _ = s.overHTTP(t, m, request{target: "/shop.Reviews/Get"}) },
			"grpc": func(m *mesh.Mesh) { _, _ = s.overGRPC(t, m, request{target: "/shop.Reviews/Get"}) },
		} {
			t.Run(name+" over "+protocol, func(t *testing.T) {
				log := &logLines{}
				endpoints := s.web
				if protocol == "grpc" {
					endpoints = s.rpc
				}
				m := s.open(t, endpoints, forReviews("{"+tt.rule+"}")+subsets,
					mesh.WithTelemetry(accesslog.New(slog.NewJSONHandler(log, nil), accesslog.Config{})))
				call(m)
				until(t, "the log has the flags", func() bool { return log.has(fmt.Sprintf(`"flags":%q`, tt.flags)) })
				w := httptest.NewRecorder()
				m.Metrics().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
				if want := fmt.Sprintf("response_flags=%q", tt.flags); !strings.Contains(w.Body.String(), want) || strings.Count(w.Body.String(), "istio_requests_total{") != 1 {
					t.Errorf("istio_requests_total without %s:\n%s", want, w.Body)
				}
			})
		}
	}
}
