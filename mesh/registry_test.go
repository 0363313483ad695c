// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package mesh_test

import (
	"context"
	"errors"
	"iter"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/discovery"
	"github.com/enmesh-go/enmesh/mesh"
)

// away is a registry that cannot be reached.
type away struct{}

func (away) Watch(ctx context.Context, _ string) iter.Seq2[[]discovery.Endpoint, error] {
	return func(yield func([]discovery.Endpoint, error) bool) {
		if yield(nil, errors.New("connection refused")) {
			<-ctx.Done()
		}
	}
}

// opened is a mesh of the caller's, with some options.
func opened(t *testing.T, opts ...mesh.Option) *mesh.Mesh {
	t.Helper()
	m, err := mesh.Open(t.Context(), opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = m.Close() }) // a second time for those that a test has closed
	return m
}

// reaches is how many endpoints calls to shop have, over HTTP.
func reaches(m *mesh.Mesh) int {
	set := m.Cluster(enmesh.Destination{Service: "shop"}, enmesh.HTTP).Set()
	if set == nil {
		return 0
	}
	return len(set.Endpoints)
}

// scrape is the mesh's metrics.
func scrape(t *testing.T, m *mesh.Mesh) string {
	t.Helper()
	w := httptest.NewRecorder()
	m.Metrics().ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/metrics", http.NoBody))
	return w.Body.String()
}

// wantMetrics looks for beginnings of lines, "!" before one for its absence. $ is the label
// of "shop".
func wantMetrics(t *testing.T, m *mesh.Mesh, lines ...string) {
	t.Helper()
	text := scrape(t, m)
	for _, line := range lines {
		rest, not := strings.CutPrefix(line, "!")
		full := "\nenmesh_discovery_" + strings.ReplaceAll(rest, "$", `service="shop.default.svc.cluster.local"`)
		if strings.Contains(text, full) == not {
			t.Errorf("a line %s: got %t, want %t", rest, not, !not)
		}
	}
}

// TestScenarioD19_startsWithTheRegistryDown: a process that starts while the registry is
// away serves what one before it has kept on disk, within 200 ms, and says so.
func TestScenarioD19_startsWithTheRegistryDown(t *testing.T) {
	dir, registry := t.TempDir(), discovery.NewMemory()
	registry.Set("shop", discovery.Endpoint{Addrs: []string{"127.0.0.1:9080"}}, discovery.Endpoint{Addrs: []string{"127.0.0.1:9081"}})
	before := opened(t, mesh.WithResolver(registry), mesh.WithSnapshotDir(dir))
	has := func(m *mesh.Mesh) func() bool {
		return func() bool { return reaches(m) == 2 }
	}
	until(t, "the registry's endpoints are known", has(before))
	until(t, "the status says so", func() bool { return before.Status().Services[0].Discovery.State == discovery.Live })
	wantMetrics(t, before, "staleness_seconds{$} 0\n", `watch_state{$,state="live"} 1`, "errors_total{$} 0\n", "!last_error_timestamp_seconds{$}")
	if err := before.Close(); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	m := opened(t, mesh.WithResolver(away{}), mesh.WithSnapshotDir(dir))
	until(t, "the endpoints on disk are used", has(m))
	took := time.Since(began)
	t.Logf("serving %v after the start", took.Round(time.Millisecond))
	if took > 200*time.Millisecond {
		t.Errorf("serving after %v, want 200 ms", took)
	}
	until(t, "the status says so", func() bool { return m.Status().Services[0].Discovery.State == discovery.Failing })
	s := m.Status()
	d := s.Services[0].Discovery
	if s.Disk.Dir != dir || s.Disk.Err != nil || d.StaleSince.IsZero() || d.Saved.IsZero() || s.Services[0].Err == nil {
		t.Errorf("status %+v", s)
	}
	wantMetrics(t, m, "!staleness_seconds{$} 0\n", `watch_state{$,state="failing"} 1`, `watch_state{$,state="live"} 0`,
		"failing{$} 1", "errors_total{$} 1", "last_error_timestamp_seconds{$}", "snapshot_age_seconds{$}")
}

// TestMesh_doubtsAnEmptyRegistry: a registry that suddenly knows nobody takes no endpoint
// away, unless the mesh is told to trust it.
func TestMesh_doubtsAnEmptyRegistry(t *testing.T) {
	for _, tt := range []struct {
		name  string
		guard discovery.Guard
		left  int
		lines []string
	}{
		{"doubted", discovery.Guard{}, 1, []string{"suppressed_total{$} 1", "kept_endpoints{$} 1", `watch_state{$,state="doubting"} 1`}},
		{"trusted", discovery.Guard{Trust: true}, 0, []string{"suppressed_total{$} 0", "kept_endpoints{$} 0", `watch_state{$,state="live"} 1`}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			registry := discovery.NewMemory()
			registry.Set("shop", discovery.Endpoint{Addrs: []string{"127.0.0.1:9080"}})
			m := opened(t, mesh.WithResolver(registry), mesh.WithGuard(tt.guard))
			status := func() discovery.ServiceStatus { return m.Status().Services[0].Discovery }
			until(t, "the endpoint is known", func() bool { return reaches(m) == 1 && status().State == discovery.Live })
			told := status().Confirmed
			registry.Set("shop")
			until(t, "the mesh has heard of it", func() bool { return status().Confirmed.After(told) && status().Endpoints == tt.left })
			until(t, "calls have heard of it", func() bool { return reaches(m) == tt.left })
			wantMetrics(t, m, tt.lines...)
		})
	}
}

// TestOpen_takesACacheAsItIs: a cache of the program's own is used and left open; options
// that it has itself are refused beside it.
func TestOpen_takesACacheAsItIs(t *testing.T) {
	cache, err := discovery.NewCache(discovery.NewMemory(), discovery.CacheConfig{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = cache.Close() }() // it has no files
	if err := opened(t, mesh.WithResolver(cache)).Close(); err != nil {
		t.Error(err)
	}
	watching, stop := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer stop()
	for _, err := range cache.Watch(watching, "shop") {
		if errors.Is(err, discovery.ErrClosed) {
			t.Error("the mesh has closed a cache that is not its own")
		}
		break
	}
	for _, o := range []mesh.Option{mesh.WithSnapshotDir(t.TempDir()), mesh.WithGuard(discovery.Guard{Trust: true})} {
		if m, err := mesh.Open(t.Context(), mesh.WithResolver(cache), o); err == nil {
			t.Error("an option that the cache has was accepted", m.Close())
		}
	}
}
