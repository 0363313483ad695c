// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package mesh_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/balance"
	"github.com/enmesh-go/enmesh/discovery"
	"github.com/enmesh-go/enmesh/mesh"
	"github.com/enmesh-go/enmesh/meshhttp"
)

// A program that calls whatever names others make up follows so many of them and no more.
// Services that have instances stay, and a name that was left is followed again when it is
// called again.
func TestMesh_leavesServicesThatNobodyHas(t *testing.T) {
	registry := discovery.NewMemory()
	registry.Set("reviews", discovery.Endpoint{Addrs: []string{"127.0.0.1:1"}})
	m, err := mesh.Open(t.Context(), mesh.WithResolver(registry))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = m.Close() }()
	cluster := func(name string) *balance.Cluster {
		t.Helper()
		c := m.Cluster(enmesh.Destination{Service: name}, enmesh.HTTP)
		if err := c.Wait(t.Context()); err != nil {
			t.Fatal(err)
		}
		return c
	}
	reviews, first := cluster("reviews"), cluster("made-up-0")
	most := 0
	for i := range 5000 {
		cluster(fmt.Sprintf("made-up-%d", i))
		if i%500 == 0 {
			most = max(most, len(m.Status().Services))
		}
	}
	if most > 1024+2 || most < 700 {
		t.Errorf("%d services are followed, want some 1,024 at most", most)
	}
	if cluster("reviews") != reviews {
		t.Error("a service with an instance was left")
	}
	if latest := cluster("made-up-4999"); cluster("made-up-4999") != latest {
		t.Error("the latest name was left at once")
	}
	again := m.Cluster(enmesh.Destination{Service: "made-up-0"}, enmesh.HTTP)
	if again == first {
		t.Error("the oldest name was kept")
	}
	registry.Set("made-up-0", discovery.Endpoint{Addrs: []string{"127.0.0.1:2"}})
	until(t, "its first instance is known", func() bool { s := again.Set(); return s != nil && len(s.Endpoints) == 1 })
}

// The same of hosts outside of the mesh, whose connections are closed. One that is being
// called goes on, however many come after it.
func TestMesh_leavesHostsOutside(t *testing.T) {
	var open atomic.Int64
	release := make(chan struct{})
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, "begun, ")
		if r.URL.Path == "/long" {
			_ = http.NewResponseController(w).Flush()
			<-release
		}
		_, _ = io.WriteString(w, "done")
	}))
	server.Config.ConnState = func(_ net.Conn, s http.ConnState) {
		switch s {
		case http.StateNew:
			open.Add(1)
		case http.StateClosed:
			open.Add(-1)
		}
	}
	server.Start()
	defer server.Close()
	m, err := mesh.Open(t.Context(), mesh.WithResolver(discovery.NewMemory()), mesh.WithOutboundMode(mesh.AllowAny))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = m.Close() }()
	base := &http.Transport{DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, server.Listener.Addr().String())
	}}
	transport := meshhttp.NewTransport(base, m.Outbound(), m)
	defer func() { _ = transport.Close() }()
	client := &http.Client{Transport: transport}
	begin := func(host, path string) io.ReadCloser {
		t.Helper()
		resp, err := client.Get("http://" + host + path)
		if err != nil {
			t.Fatal(err)
		}
		if resp.StatusCode != http.StatusOK {
			t.Fatalf("%s: status %d", host, resp.StatusCode)
		}
		return resp.Body
	}
	text := func(body io.ReadCloser) string {
		t.Helper()
		all, err := io.ReadAll(body)
		if err != nil {
			t.Error(err)
		}
		_ = body.Close()
		return string(all)
	}
	long := begin("host-0.example", "/long")
	for i := range 2000 {
		if got := text(begin(fmt.Sprintf("host-%d.example", i+1), "/")); got != "begun, done" {
			t.Fatalf("got %q", got)
		}
	}
	until(t, "the connections of hosts that were left are closed", func() bool { return open.Load() <= 1024+1 })
	close(release)
	if got := text(long); got != "begun, done" {
		t.Errorf("the call that was there all the time got %q", got)
	}
}
