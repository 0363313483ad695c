// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package mesh_test

import (
	"context"
	"fmt"
	"iter"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/discovery"
	"github.com/enmesh-go/enmesh/mesh"
)

// crowd is a registry of as many services as anybody asks for, each with one endpoint but
// for those whose name begins with "no". It counts two events for each.
type crowd struct {
	*discovery.Memory
	events int
}

func (c crowd) Watch(ctx context.Context, service string) iter.Seq2[[]discovery.Endpoint, error] {
	if strings.HasPrefix(service, "no") {
		return c.Memory.Watch(ctx, service)
	}
	return func(yield func([]discovery.Endpoint, error) bool) {
		if yield([]discovery.Endpoint{{Addrs: []string{"127.0.0.1:1"}}}, nil) {
			<-ctx.Done()
		}
	}
}

func (c crowd) Counts() []discovery.Count {
	var all []discovery.Count
	for i := range c.events {
		for _, reason := range []string{"garbage", "timeout"} {
			all = append(all, discovery.Count{Service: fmt.Sprintf("s%d", i), Event: "failure", Reason: reason, N: 2})
		}
	}
	return all
}

// series is the lines of each metric of discovery, and those of the service _overflow.
func series(t *testing.T, m *mesh.Mesh) (lines map[string]int, over map[string]string) {
	t.Helper()
	w := httptest.NewRecorder()
	m.Metrics().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	if w.Code != http.StatusOK {
		t.Fatalf("status %d: %s", w.Code, w.Body)
	}
	lines, over = map[string]int{}, map[string]string{}
	for line := range strings.Lines(w.Body.String()) {
		if name, rest, ok := strings.Cut(line, "{"); ok && strings.HasPrefix(name, "enmesh_discovery_") {
			lines[name]++
			if labels, value, _ := strings.Cut(rest, "} "); strings.Contains(labels, `service="_overflow"`) {
				over[name+"{"+strings.Replace(labels, `service="_overflow"`, "", 1)] = strings.TrimSpace(value)
			}
		}
	}
	return lines, over
}

func TestMetrics_ofManyServices(t *testing.T) {
	const early, late, unknown = 900, 600, 300
	m, err := mesh.Open(t.Context(), mesh.WithResolver(crowd{discovery.NewMemory(), 6000}))
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	ask := func(format string, n int) {
		for i := range n {
			m.Cluster(enmesh.Destination{Service: fmt.Sprintf(format, i)}, enmesh.HTTP)
		}
	}
	known := func(n int) func() bool {
		return func() bool {
			left := n
			for _, s := range m.Status().Services {
				if s.Endpoints > 0 || s.Err != nil {
					left--
				}
			}
			return left <= 0
		}
	}
	ask("a%d", early)
	until(t, "the first are known", known(early))
	if lines, over := series(t, m); lines["enmesh_discovery_endpoints"] != early || len(over) != 2 {
		t.Errorf("%d services have series, and _overflow %v; want %d, and events alone", lines["enmesh_discovery_endpoints"], over, early)
	}
	ask("no%d", unknown)
	ask("b%d", late)
	m.Cluster(enmesh.Destination{Service: "_overflow.a.b"}, enmesh.HTTP)
	m.Cluster(enmesh.Destination{Service: "\xff.example.com"}, enmesh.HTTP)
	until(t, "all are known", known(early+late+unknown+2))
	lines, over := series(t, m)
	for metric, want := range map[string]int{
		"enmesh_discovery_endpoints": 1001, "enmesh_discovery_failing": 1001, "enmesh_discovery_staleness_seconds": 1001,
		"enmesh_discovery_errors_total": 1001, "enmesh_discovery_watch_state": 4 * 1001, "enmesh_discovery_registry_events_total": 10_002,
	} {
		if lines[metric] != want {
			t.Errorf("%s has %d series, want %d", metric, lines[metric], want)
		}
	}
	// 100 places were left, and went to services with endpoints.
	for metric, want := range map[string]string{
		"enmesh_discovery_endpoints{":                "502",
		"enmesh_discovery_failing{":                  "300",
		`enmesh_discovery_watch_state{,state="live"`: "502",
	} {
		if got := over[metric]; got != want {
			t.Errorf("%s: got %q, want %s (of %v)", metric, got, want, over)
		}
	}
	events := 0 // in no order: which of a service's series fold is chance
	for _, reason := range []string{"garbage", "timeout"} {
		n, _ := strconv.Atoi(over[`enmesh_discovery_registry_events_total{event="failure",reason="`+reason+`",`])
		events += n
	}
	if events != 4000 {
		t.Errorf("%d events are folded, want 4000 (of %v)", events, over)
	}
	again, _ := series(t, m)
	if got := again["enmesh_discovery_endpoints"]; got != 1001 {
		t.Errorf("%d series the second time, want 1001", got)
	}
}
