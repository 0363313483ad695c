// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package mesh_test

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"

	"github.com/enmesh-go/enmesh/discovery"
	"github.com/enmesh-go/enmesh/meshhttp"
)

// Connections are as the DestinationRule's connectionPool says.
func TestDestinationRule_connectionPool(t *testing.T) {
	s := &street{t: t}
	for _, tt := range []struct {
		name, pool string
		shows      func(t *testing.T, p *pooled)
	}{
		{"h2UpgradePolicy: UPGRADE", "http: {h2UpgradePolicy: UPGRADE}", func(t *testing.T, p *pooled) {
			if got := p.get(t, "/"); got != "HTTP/2.0" {
				t.Errorf("spoke %s, want HTTP/2.0", got)
			}
		}},
		{"h2UpgradePolicy: DO_NOT_UPGRADE", "http: {h2UpgradePolicy: DO_NOT_UPGRADE}", func(t *testing.T, p *pooled) {
			if got := p.get(t, "/"); got != "HTTP/1.1" {
				t.Errorf("spoke %s, want HTTP/1.1", got)
			}
		}},
		{"http.idleTimeout", "http: {idleTimeout: 5ms}", func(t *testing.T, p *pooled) {
			p.get(t, "/")
			until(t, "the idle connection is closed", func() bool { return p.open.Load() == 0 })
		}},
		{"tcp.idleTimeout", "tcp: {idleTimeout: 5ms}", func(t *testing.T, p *pooled) {
			p.get(t, "/")
			until(t, "the idle connection is closed", func() bool { return p.open.Load() == 0 })
		}},
		{"maxConnectionDuration", "tcp: {maxConnectionDuration: 5ms}", func(t *testing.T, p *pooled) {
			until(t, "an old connection is replaced", func() bool { p.get(t, "/"); return p.made.Load() >= 3 })
		}},
		{"maxConcurrentStreams", "http: {h2UpgradePolicy: UPGRADE, maxConcurrentStreams: 1}", func(t *testing.T, p *pooled) {
			if got := p.connectionsOfTwo(t); got != 2 {
				t.Errorf("two calls at once had %d connections, want 2", got)
			}
		}},
		{"many streams", "http: {h2UpgradePolicy: UPGRADE}", func(t *testing.T, p *pooled) {
			p.get(t, "/") // while it is made nobody knows how many streams it takes
			if got := p.connectionsOfTwo(t); got != 1 {
				t.Errorf("two calls at once had %d connections, want 1", got)
			}
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := newPooled(t)
			m := s.open(t, map[string][]discovery.Endpoint{"reviews": {{Addrs: []string{p.addr}}}}, destinationRule("trafficPolicy: {connectionPool: {"+tt.pool+"}}"))
			transport := meshhttp.NewTransport(nil, m.Outbound(), m)
			t.Cleanup(func() { _ = transport.Close() })
			p.client = &http.Client{Transport: transport}
			tt.shows(t, p)
		})
	}
}

// pooled is a server that counts its connections, and a client.
type pooled struct {
	addr       string
	client     *http.Client
	made, open atomic.Int64
	entered    atomic.Int64 // calls that are held
	release    chan struct{}
}

func newPooled(t *testing.T) *pooled {
	t.Helper()
	p := &pooled{release: make(chan struct{})}
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/held" {
			p.entered.Add(1)
			<-p.release
		}
		_, _ = io.WriteString(w, r.Proto)
	}))
	server.Config.Protocols = new(http.Protocols)
	server.Config.Protocols.SetHTTP1(true)
	server.Config.Protocols.SetUnencryptedHTTP2(true)
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		switch state {
		case http.StateNew:
			p.made.Add(1)
			p.open.Add(1)
		case http.StateClosed:
			p.open.Add(-1)
		case http.StateActive, http.StateIdle, http.StateHijacked:
		}
	}
	server.Start()
	t.Cleanup(server.Close)
	p.addr = server.Listener.Addr().String()
	return p
}

func (p *pooled) get(t *testing.T, path string) string {
	t.Helper()
	got, err := get(t.Context(), p.client, "http://reviews"+path)
	if err != nil {
		t.Error(err)
	}
	return got
}

// connectionsOfTwo is how many connections there are while two calls are answered.
func (p *pooled) connectionsOfTwo(t *testing.T) int64 {
	t.Helper()
	done := make(chan struct{})
	for range 2 {
		go func() { p.get(t, "/held"); done <- struct{}{} }()
	}
	until(t, "both calls are there", func() bool { return p.entered.Load() == 2 })
	n := p.open.Load()
	for range 2 {
		p.release <- struct{}{}
	}
	for range 2 {
		<-done
	}
	return n
}
