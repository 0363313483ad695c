// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package mesh_test

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"testing"
	"time"

	"github.com/enmesh-go/enmesh/balance"
	"github.com/enmesh-go/enmesh/discovery/consul"
	"github.com/enmesh-go/enmesh/enmeshtest"
	"github.com/enmesh-go/enmesh/internal/consultest"
	"github.com/enmesh-go/enmesh/internal/ledger"
	"github.com/enmesh-go/enmesh/mesh"
	"github.com/enmesh-go/enmesh/meshhttp"
)

// farm is n servers of the service shop, which give receipts.
type farm struct {
	receipts *ledger.Receipts
	servers  []*httptest.Server
}

func newFarm(t *testing.T, n int) *farm {
	t.Helper()
	f := &farm{receipts: new(ledger.Receipts)}
	for i := range n {
		s := httptest.NewServer(f.receipts.Handler(fmt.Sprint("shop-", i), http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})))
		t.Cleanup(s.Close)
		f.servers = append(f.servers, s)
	}
	return f
}

func (f *farm) end() {
	for _, s := range f.servers {
		s.Close()
	}
}

func (f *farm) port(t *testing.T, i int) int {
	t.Helper()
	_, port, err := net.SplitHostPort(f.servers[i].Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	n, err := strconv.Atoi(port)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// visitor is a mesh over a Consul, and its client.
func visitor(t *testing.T, cfg consul.Config) (*mesh.Mesh, *http.Client) {
	t.Helper()
	registry, err := consul.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = registry.Close() }) // after the mesh, and it never fails
	m := opened(t, mesh.WithResolver(registry))
	transport := meshhttp.NewTransport(nil, m.Outbound(), m)
	t.Cleanup(func() { _ = transport.Close() })
	return m, &http.Client{Transport: transport}
}

// visit begins a load on shop; the result ends it and wants no call lost or done twice.
func (f *farm) visit(t *testing.T, client *http.Client) (end func()) {
	t.Helper()
	load := ledger.Start(t.Context(), ledger.Config{Call: ledger.HTTP(client, http.MethodGet, "http://shop/"), Rate: 100})
	return func() {
		load.Stop()
		r := load.Wait().With(f.receipts)
		t.Log(r)
		if r.Lost != 0 || r.Duplicated != 0 || r.Sent == 0 {
			t.Errorf("%d of %d calls lost, %d done twice; want none", r.Lost, r.Sent, r.Duplicated)
		}
	}
}

// TestScenarioD1_registryKilled: Consul is killed for a minute under load. No call fails, the
// endpoints are known to be stale, and what is new after that is used within 2 s.
func TestScenarioD1_registryKilled(t *testing.T) {
	ledger.Baseline(t)
	node, f := consultest.Dev(t, consultest.Config{}), newFarm(t, 3)
	enter := func(i int) {
		node.Register(consultest.Service{ID: fmt.Sprint("shop-", i), Name: "shop", Address: "127.0.0.1", Port: f.port(t, i)})
	}
	enter(0)
	enter(1)
	m, client := visitor(t, consul.Config{Address: node.Addr})
	until(t, "both endpoints are known", func() bool { return reaches(m) == 2 })
	end := f.visit(t, client)
	pause(t.Context(), time.Second)
	node.Kill()
	pause(t.Context(), ledger.Short(time.Minute))
	d := m.Status().Services[0].Discovery
	if stale := d.Staleness(time.Now()); stale < ledger.Short(time.Minute)-2*time.Second || reaches(m) != 2 {
		t.Errorf("stale for %v with %d endpoints, want the whole outage, and 2", stale, reaches(m))
	}
	node.Restart()
	for i := range f.servers {
		enter(i)
	}
	back := time.Now()
	until(t, "the new endpoint is known", func() bool { return reaches(m) == 3 })
	seen := time.Since(back)
	t.Logf("a new endpoint was known %v after the registry was back", seen)
	if seen > 2*time.Second {
		t.Errorf("a new endpoint was known after %v, want 2 s", seen)
	}
	pause(t.Context(), time.Second)
	end()
}

// TestScenarioD4_emptyAnswer: Consul says of a service of ten that there is nobody, and later
// that there are ten after all. No call fails.
func TestScenarioD4_emptyAnswer(t *testing.T) {
	ledger.Baseline(t)
	registry, f := enmeshtest.NewConsul(), newFarm(t, 10)
	all := f.instances(t)
	registry.Set("shop", all...)
	m, client := visitor(t, consul.Config{Address: registry.Start(t)})
	until(t, "all endpoints are known", func() bool { return reaches(m) == 10 })
	end := f.visit(t, client)
	pause(t.Context(), time.Second)
	registry.Set("shop")
	until(t, "the answer is doubted", func() bool { return m.Status().Services[0].Discovery.Suppressed == 1 })
	pause(t.Context(), 8*time.Second)
	registry.Set("shop", all...)
	until(t, "the answer is believed", func() bool { return m.Status().Services[0].Discovery.Kept == 0 })
	pause(t.Context(), time.Second)
	end()
	if d := m.Status().Services[0].Discovery; d.Suppressed != 1 || d.Endpoints != 10 {
		t.Errorf("%d suppressed, %d endpoints; want 1 and 10", d.Suppressed, d.Endpoints)
	}
}

// TestMesh_believesThatAllAreGone: there is nobody any more, as Consul says. That is believed
// within the guard's time and 2 s, and calls then say that there is no endpoint. How soon they
// say so is measured and not asserted: a retry waits for its backoff, here twice.
func TestMesh_believesThatAllAreGone(t *testing.T) {
	ledger.Baseline(t)
	registry, f := enmeshtest.NewConsul(), newFarm(t, 10)
	registry.Set("shop", f.instances(t)...)
	m, client := visitor(t, consul.Config{Address: registry.Start(t)})
	until(t, "all endpoints are known", func() bool { return reaches(m) == 10 })
	registry.Set("shop")
	f.end()
	gone := time.Now()
	consultest.Await(t, 35*time.Second, func() error {
		if n := reaches(m); n > 0 {
			return fmt.Errorf("%d endpoints are left", n)
		}
		return nil
	})
	believed := time.Since(gone)
	var slowest time.Duration
	for range 20 {
		began := time.Now()
		_, err := get(t.Context(), client, "http://shop/")
		if !errors.Is(err, balance.ErrNoEndpoint) {
			t.Fatalf("a call to nobody: %v, want %v", err, balance.ErrNoEndpoint)
		}
		slowest = max(slowest, time.Since(began))
	}
	t.Logf("believed after %v; calls then fail within %v", believed, slowest)
	if believed > 12*time.Second {
		t.Errorf("believed after %v, want 12 s", believed)
	}
}

// instances are the farm's servers as a Consul lists them.
func (f *farm) instances(t *testing.T) []enmeshtest.ConsulInstance {
	t.Helper()
	var all []enmeshtest.ConsulInstance
	for i := range f.servers {
		all = append(all, enmeshtest.ConsulInstance{ID: fmt.Sprint("shop-", i), Address: "127.0.0.1", Port: f.port(t, i)})
	}
	return all
}
