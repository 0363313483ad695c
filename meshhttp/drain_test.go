// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package meshhttp_test

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/http2"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/balance"
	"github.com/enmesh-go/enmesh/meshhttp"
)

// drains reports whether the world's one endpoint drains.
func (w *world) drains() bool { return w.cluster.Set().Endpoints[0].Draining(enmesh.Now()) }

// TestTransport_heedsAFarewell: what an answer says of its connection makes the endpoint
// drain, or does not.
func TestTransport_heedsAFarewell(t *testing.T) {
	one := new(http.Protocols)
	one.SetHTTP1(true)
	closing := func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/bye" {
			w.Header().Set("Connection", "close")
		}
	}
	for _, tt := range []struct {
		name string
		base *http.Transport
		req  func(r *http.Request)
		path string
		want bool
	}{
		{"Connection: close", nil, nil, "/bye", true},
		{"a connection that is kept", nil, nil, "/", false},
		{"asked for with Request.Close", nil, func(r *http.Request) { r.Close = true }, "/", false},
		{"asked for by the header", nil, func(r *http.Request) { r.Header.Set("Connection", "Close") }, "/", false},
		{"asked for by the base", &http.Transport{DisableKeepAlives: true}, nil, "/bye", false},
		{"over HTTP/1.1 alone", &http.Transport{Protocols: one}, nil, "/bye", true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t, http.HandlerFunc(closing))
			var base http.RoundTripper
			if tt.base != nil {
				base = tt.base
			}
			client := w.client(t, base, false)
			req := must(http.NewRequestWithContext(t.Context(), http.MethodGet, "http://svc"+tt.path, http.NoBody))
			if tt.req != nil {
				tt.req(req)
			}
			res, err := client.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			body(t, res)
			if got := w.drains(); got != tt.want {
				t.Errorf("drains %t, want %t", got, tt.want)
			}
		})
	}
}

// TestTransport_sendsNoNewCallsAfterAFarewell: of two endpoints the one that says goodbye
// gets no call after that.
func TestTransport_sendsNoNewCallsAfterAFarewell(t *testing.T) {
	var stays, leaves atomic.Int64
	staying := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { stays.Add(1) }))
	defer staying.Close()
	leaving := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if leaves.Add(1) > 5 {
			w.Header().Set("Connection", "close")
		}
	}))
	defer leaving.Close()
	client := pair(t, staying.Listener.Addr().String(), leaving.Listener.Addr().String())
	for range 100 {
		get(t, client, "http://svc/")
	}
	if leaves.Load() != 6 || stays.Load() != 94 {
		t.Errorf("%d calls to the one that leaves, %d to the other; want 6 and 94", leaves.Load(), stays.Load())
	}
}

// TestTransport_isNotPoisonedByConnectionClose: answers of the only endpoint that come
// while it drains do not make the drain longer.
func TestTransport_isNotPoisonedByConnectionClose(t *testing.T) {
	w := newWorld(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Connection", "close") }))
	client := w.client(t, nil, false)
	e := w.cluster.Set().Endpoints[0]
	get(t, client, "http://svc/")
	now := enmesh.Now()
	if !e.Draining(now.Add(29*time.Second)) || e.Draining(now.Add(31*time.Second)) {
		t.Error("the first farewell is to be believed for 30 s")
	}
	for range 10 { // it is picked all the same
		get(t, client, "http://svc/")
	}
	if e.Draining(now.Add(31 * time.Second)) {
		t.Error("answers while it drains have made the drain longer")
	}
}

// TestTransport_heedsGoAway: a request that a GOAWAY left behind says that the server is
// about to end.
func TestTransport_heedsGoAway(t *testing.T) {
	addr, cfg := rawHTTP2(t, func(fr *http2.Framer, _ int64, _ uint32) bool {
		_ = fr.WriteGoAway(0, http2.ErrCodeNo, nil)
		return true
	})
	cluster := newCluster(nil, addr)
	tr := meshhttp.NewTransport(nil, enmesh.Fixed(false), secured{oneCluster{cluster}, cfg})
	defer tr.Close()
	once := io.MultiReader(strings.NewReader("x")) // so that net/http cannot send it again
	res, err := (&http.Client{Transport: tr}).Post("http://svc/", "text/plain", once)
	if err == nil {
		body(t, res)
	}
	if e := enmesh.ErrorOf(err); e == nil || !e.Unsent || !cluster.Set().Endpoints[0].Draining(enmesh.Now()) {
		t.Errorf("got %v, draining %t; want it unsent, and the endpoint draining", err, cluster.Set().Endpoints[0].Draining(enmesh.Now()))
	}
}

// graceful starts a GracefulServer, in TLS when cfg is not nil.
func graceful(t *testing.T, h http.Handler, cfg *tls.Config) (*meshhttp.GracefulServer, string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	g := meshhttp.Graceful(&http.Server{Handler: h, TLSConfig: cfg, ReadHeaderTimeout: 5 * time.Second, ErrorLog: quiet})
	done := make(chan struct{})
	go func() { defer close(done); _ = g.Serve(l) }()
	t.Cleanup(func() { _ = g.Close(); <-done })
	return g, l.Addr().String()
}

// donor is a TLS configuration for a server and for its clients.
func donor(t *testing.T) (server, client *tls.Config) {
	t.Helper()
	srv := httptest.NewTLSServer(nil)
	defer srv.Close()
	roots := srv.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs
	return &tls.Config{Certificates: srv.TLS.Certificates, MinVersion: tls.VersionTLS12},
		&tls.Config{RootCAs: roots, ServerName: "example.com", MinVersion: tls.VersionTLS12}
}

// TestGraceful_hints: the hint makes callers leave, over HTTP/1.1 and HTTP/2, and nobody
// else sees it.
func TestGraceful_hints(t *testing.T) {
	server, client := donor(t)
	for _, tt := range []struct {
		name   string
		secure bool
		major  int
	}{{"HTTP/1.1", false, 1}, {"HTTP/2", true, 2}} {
		t.Run(tt.name, func(t *testing.T) {
			cfg := server
			if !tt.secure {
				cfg = nil
			}
			g, addr := graceful(t, status(200, "here"), cfg)
			cluster := newCluster(nil, addr)
			var src balance.Source = oneCluster{cluster}
			if tt.secure {
				src = secured{oneCluster{cluster}, client}
			}
			tr := meshhttp.NewTransport(nil, enmesh.Fixed(false), src)
			defer tr.Close()
			c, e := &http.Client{Transport: tr}, cluster.Set().Endpoints[0]
			if res, _ := get(t, c, "http://svc/"); res.ProtoMajor != tt.major || e.Draining(enmesh.Now()) {
				t.Fatalf("%s, draining %t before the hint", res.Proto, e.Draining(enmesh.Now()))
			}
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			left := make(chan struct{})
			hinting, stop := context.WithCancel(ctx)
			stop()
			g.Hint(hinting) // from now on
			go func() { defer close(left); g.Hint(ctx) }()
			res, text := get(t, c, "http://svc/")
			if !e.Draining(enmesh.Now()) || text != "here" || res.Header.Get(meshhttp.DrainingHeader) != "" {
				t.Errorf("draining %t, %q, header %q", e.Draining(enmesh.Now()), text, res.Header.Get(meshhttp.DrainingHeader))
			}
			<-left
			if ctx.Err() != nil {
				t.Error("connections were still open after 10 s")
			}
			if err := g.Shutdown(ctx); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestTransport_callsAgainWhoeverIsBack: the only endpoint has said goodbye, and another
// process answers at its address: it drains no more.
func TestTransport_callsAgainWhoeverIsBack(t *testing.T) {
	var leaving atomic.Bool
	leaving.Store(true)
	w := newWorld(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if leaving.Load() {
			w.Header().Set("Connection", "close")
			w.Header().Set(meshhttp.DrainingHeader, "1")
		}
	}))
	client := w.client(t, nil, false)
	get(t, client, "http://svc/")
	get(t, client, "http://svc/")
	if !w.drains() {
		t.Error("it does not drain after its farewell")
	}
	leaving.Store(false)
	get(t, client, "http://svc/")
	if w.drains() {
		t.Error("it drains though another process answers")
	}
}
