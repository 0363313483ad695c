// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package mesh_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/enmesh-go/enmesh/discovery/consul"
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
func visitor(t *testing.T, cfg consul.Config, opts ...mesh.Option) (*mesh.Mesh, *http.Client) {
	t.Helper()
	registry, err := consul.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = registry.Close() }) // after the mesh, and it never fails
	m := opened(t, append(opts, mesh.WithResolver(registry))...)
	transport := meshhttp.NewTransport(nil, m.Outbound(), m)
	t.Cleanup(func() { _ = transport.Close() })
	return m, &http.Client{Transport: transport}
}

// lines counts what is logged.
type lines struct{ atomic.Int64 }

func (n *lines) Write(b []byte) (int, error) {
	n.Add(int64(bytes.Count(b, []byte("\n"))))
	return len(b), nil
}

// perSecond is the rate of the load on shop: a thousand in full length, and in short what
// leaves room for the packages that are tested beside.
func perSecond() int {
	if ledger.Full() {
		return 1000
	}
	return 100
}

// visit begins a load on shop; the result ends it and wants no call lost or done twice.
func (f *farm) visit(t *testing.T, client *http.Client) (end func()) {
	t.Helper()
	load := ledger.Start(t.Context(), ledger.Config{Call: ledger.HTTP(client, http.MethodGet, "http://shop/"), Rate: perSecond()})
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
// endpoints are known to be stale, the log has a line in 10 s at most, and what is new after
// that is used within 2 s.
func TestScenarioD1_registryKilled(t *testing.T) {
	ledger.Baseline(t)
	node, f := consultest.Dev(t, consultest.Config{}), newFarm(t, 3)
	enter := func(i int) {
		node.Register(consultest.Service{ID: fmt.Sprint("shop-", i), Name: "shop", Address: "127.0.0.1", Port: f.port(t, i)})
	}
	enter(0)
	enter(1)
	logged := new(lines)
	m, client := visitor(t, consul.Config{Address: node.Addr}, mesh.WithLogger(slog.New(slog.NewTextHandler(logged, nil))))
	until(t, "both endpoints are known", func() bool { return reaches(m) == 2 })
	end := f.visit(t, client)
	pause(t.Context(), time.Second)
	before := logged.Load()
	node.Kill()
	pause(t.Context(), ledger.Short(time.Minute))
	if n, most := logged.Load()-before, int64(ledger.Short(time.Minute)/(10*time.Second))+1; n > most {
		t.Errorf("%d lines were logged in the outage, want %d at most", n, most)
	} else {
		t.Logf("%d lines were logged in the outage", n)
	}
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
