// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package meshhttp_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/balance"
	"github.com/enmesh-go/enmesh/meshhttp"
)

// conns counts a server's open connections.
func conns(srv *httptest.Server) *atomic.Int64 {
	n := &atomic.Int64{}
	srv.Config.ConnState = func(_ net.Conn, s http.ConnState) {
		switch s {
		case http.StateNew:
			n.Add(1)
		case http.StateClosed, http.StateHijacked:
			n.Add(-1)
		case http.StateActive, http.StateIdle:
		}
	}
	return n
}

func TestTransport_closesTheConnectionsOfAnEndpointThatLeft(t *testing.T) {
	for _, h2 := range []bool{false, true} {
		release := make(chan struct{})
		srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.WriteString(w, "a")
			w.(http.Flusher).Flush()
			if r.URL.Path == "/long" {
				<-release
			}
			_, _ = io.WriteString(w, "b")
		}))
		open := conns(srv)
		srv.EnableHTTP2 = h2
		srv.StartTLS()
		t.Cleanup(srv.Close)
		w := worldOf(srv)
		tr := meshhttp2(t, w, srv.Client().Transport.(*http.Transport).TLSClientConfig)
		c := &http.Client{Transport: tr}
		_, _ = get(t, c, "http://svc/")
		if open.Load() != 1 {
			t.Fatalf("open connections: got %d, want 1 kept", open.Load())
		}
		w.cluster.Apply(nil)
		eventually(t, "the idle connection is closed", func() bool { return open.Load() == 0 })

		w.cluster.Apply(endpoints(srv.Listener.Addr().String()))
		resp, err := c.Get("http://svc/long")
		if err != nil {
			t.Fatal(err)
		}
		w.cluster.Apply(nil)
		close(release)
		if got := body(t, resp); got != "ab" {
			t.Errorf("HTTP/2 %v: a call in flight was cut: got %q", h2, got)
		}
		eventually(t, "the connection that was in use is closed", func() bool { return open.Load() == 0 })
		w.gate.settled(t, 2)
	}
}

func TestTransport_reusesConnections(t *testing.T) {
	srv := httptest.NewUnstartedServer(status(503, "sorry"))
	open := conns(srv)
	srv.Start()
	defer srv.Close()
	w := worldOf(srv)
	c := w.client(t, nil, true, again(3)) // answers that are thrown away are drained
	for range 5 {
		_, _ = get(t, c, "http://svc/")
	}
	if open.Load() != 1 {
		t.Errorf("open connections: got %d, want 1", open.Load())
	}
	c.CloseIdleConnections()
	eventually(t, "idle connections are closed", func() bool { return open.Load() == 0 })
}

// perEndpoint is a Source that wants its own TLS configuration for each address.
type perEndpoint struct {
	oneCluster
	cfgs map[string]*tls.Config
}

func (s perEndpoint) ClientTLS(e *balance.Endpoint) *tls.Config { return s.cfgs[e.Addr()] }

func TestTransport_tlsFollowsTheEndpoint(t *testing.T) {
	plain := httptest.NewServer(status(200, "plain"))
	defer plain.Close()
	good, bad := httptest.NewUnstartedServer(status(200, "secured")), httptest.NewUnstartedServer(status(200, "never"))
	for _, s := range []*httptest.Server{good, bad} {
		s.Config.ErrorLog = quiet
		s.EnableHTTP2 = true
		s.StartTLS()
		t.Cleanup(s.Close)
	}
	trusted := good.Client().Transport.(*http.Transport).TLSClientConfig.Clone()
	trusted.ServerName = "example.com"
	errIdentity := errors.New("wrong identity")
	refusing := &tls.Config{InsecureSkipVerify: true, VerifyConnection: func(tls.ConnectionState) error { return errIdentity }}
	src := perEndpoint{cfgs: map[string]*tls.Config{
		good.Listener.Addr().String(): trusted,
		bad.Listener.Addr().String():  refusing,
	}}
	for _, tt := range []struct {
		srv   *httptest.Server
		text  string
		proto string
	}{{plain, "plain", "HTTP/1.1"}, {good, "secured", "HTTP/2.0"}, {bad, "", ""}} {
		gate := &recorder{}
		src.c = newCluster(gate, tt.srv.Listener.Addr().String())
		tr := meshhttp.NewTransport(nil, enmesh.Fixed(false), src)
		resp, err := (&http.Client{Transport: tr}).Get("http://svc/")
		if tt.text == "" {
			e := enmesh.ErrorOf(err)
			if e == nil || !e.Unsent || e.Flag != enmesh.FlagConnectFailure || !errors.Is(err, errIdentity) {
				t.Errorf("wrong identity: got %v, want UF, unsent, with its cause", err)
			}
		} else if err != nil {
			t.Errorf("%s: %v", tt.text, err)
		} else if got := body(t, resp); got != tt.text || resp.Proto != tt.proto {
			t.Errorf("got %q over %s, want %q over %s", got, resp.Proto, tt.text, tt.proto)
		}
		gate.settled(t, 1)
		_ = tr.Close()
	}
}

// counted counts the writes to a connection.
type counted struct {
	net.Conn
	writes *atomic.Int64
}

func (c counted) Write(p []byte) (int, error) {
	c.writes.Add(1)
	return c.Conn.Write(p)
}

func TestTransport_headAndBodyInOneWrite(t *testing.T) {
	w := newWorld(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		_, _ = io.WriteString(w, "hello")
	}))
	writes := &atomic.Int64{}
	base := &http.Transport{DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := new(net.Dialer).DialContext(ctx, network, addr)
		return counted{conn, writes}, err
	}}
	c := w.client(t, base, true, again(2))
	for _, tt := range []struct {
		name string
		body io.Reader
	}{
		{"bytes.Reader", bytes.NewReader([]byte("hello"))},
		{"bytes.Buffer", bytes.NewBufferString("hello")},
		{"strings.Reader", strings.NewReader("hello")},
		{"a copy of a stream", io.LimitReader(strings.NewReader("hello"), 5)},
	} {
		req := must(http.NewRequest("POST", "http://svc/", tt.body))
		req.ContentLength = 5
		writes.Store(0)
		resp, err := c.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = body(t, resp)
		if got := writes.Load(); got != 1 {
			t.Errorf("%s: %d writes, want one with head and body", tt.name, got)
		}
	}
}

// switched is a Source that says TLS or not, and counts how often it is asked.
type switched struct {
	oneCluster
	cfg   *tls.Config
	asked int
}

func (s *switched) ClientTLS(*balance.Endpoint) *tls.Config {
	s.asked++
	return s.cfg
}

func TestTransport_asksForTLSOncePerSet(t *testing.T) {
	srv := httptest.NewUnstartedServer(status(200, "secured"))
	srv.Config.ErrorLog = quiet
	srv.StartTLS()
	defer srv.Close()
	cfg := srv.Client().Transport.(*http.Transport).TLSClientConfig.Clone()
	cfg.ServerName = "example.com"
	src := &switched{oneCluster: oneCluster{newCluster(nil, srv.Listener.Addr().String())}, cfg: cfg}
	tr := meshhttp.NewTransport(nil, enmesh.Fixed(false), src)
	defer tr.Close()
	c := &http.Client{Transport: tr}
	for range 5 {
		_, _ = get(t, c, "http://svc/")
	}
	if src.asked != 2 {
		t.Errorf("asked %d times, want once for the set and once for the dial", src.asked)
	}
	src.cfg = nil // policy changed: what is published anew is asked for anew
	src.c.Configure(src.c.Config())
	if resp, got := get(t, c, "http://svc/"); resp.StatusCode != http.StatusBadRequest {
		t.Errorf("got %d %q, want a TLS server that complains of the plaintext which the Source says now", resp.StatusCode, got)
	}
}

func TestTransport_basesAsPatterns(t *testing.T) {
	srv := httptest.NewUnstartedServer(status(200, "hello"))
	srv.Config.ErrorLog = quiet
	srv.EnableHTTP2 = true
	srv.StartTLS()
	defer srv.Close()
	roots := srv.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs
	one := new(http.Protocols)
	one.SetHTTP1(true)
	for _, tt := range []struct {
		name  string
		base  *http.Transport
		proto string
	}{
		{"its own TLS, HTTP/2 asked for", &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}, ForceAttemptHTTP2: true}, "HTTP/2.0"},
		{"its own TLS", &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}, "HTTP/1.1"},
		{"HTTP/2 off by map", &http.Transport{
			TLSClientConfig: &tls.Config{RootCAs: roots}, ForceAttemptHTTP2: true,
			TLSNextProto: map[string]func(string, *tls.Conn) http.RoundTripper{},
		}, "HTTP/1.1"},
		{"HTTP/1 by Protocols", &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}, Protocols: one}, "HTTP/1.1"},
	} {
		// The caller asks for https, and the certificate names the caller's host.
		w := worldOf(srv)
		c := w.client(t, tt.base, false)
		resp, err := c.Get("https://example.com/")
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		if got := body(t, resp); got != "hello" || resp.Proto != tt.proto {
			t.Errorf("%s: got %q over %s, want %s", tt.name, got, resp.Proto, tt.proto)
		}
		if _, err := c.Get("https://elsewhere.test/"); err == nil || !strings.Contains(err.Error(), "certificate") {
			t.Errorf("%s: another name: got %v, want a refusal of the certificate", tt.name, err)
		}
	}
}

// foreign is a base that is not an *http.Transport.
type foreign struct{ http.RoundTripper }

func TestTransport_foreignBase(t *testing.T) {
	base := &http.Transport{}
	defer base.CloseIdleConnections()
	w := newWorld(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, r.Host) }))
	c := w.client(t, foreign{base}, false)
	if _, got := get(t, c, "http://svc:8080/"); got != "svc:8080" {
		t.Errorf("got Host %q, want the caller's", got)
	}
	tr := meshhttp.NewTransport(foreign{base}, enmesh.Fixed(false), secured{oneCluster{w.cluster}, &tls.Config{}})
	_, err := (&http.Client{Transport: tr}).Get("http://svc/")
	if e := enmesh.ErrorOf(err); e == nil || e.Outcome != enmesh.Neutral || !e.Unsent || !strings.Contains(err.Error(), "TLS") {
		t.Errorf("TLS wanted: got %v, want a clear refusal", err)
	}
	w.gate.settled(t, 2)
}

// rawHTTP2 is a server that answers each request as f says.
func rawHTTP2(t *testing.T, f func(fr *http2.Framer, n int64, stream uint32) (goOn bool)) (addr string, cfg *tls.Config) {
	t.Helper()
	donor := httptest.NewTLSServer(nil)
	cert := donor.TLS.Certificates[0]
	roots := donor.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs
	donor.Close()
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{cert}, NextProtos: []string{"h2"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	var n atomic.Int64
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				if _, err := io.ReadFull(conn, make([]byte, len(http2.ClientPreface))); err != nil {
					return
				}
				fr := http2.NewFramer(conn, conn)
				_ = fr.WriteSettings()
				for {
					frame, err := fr.ReadFrame()
					if err != nil {
						return
					}
					switch h := frame.(type) {
					case *http2.SettingsFrame:
						if !h.IsAck() {
							_ = fr.WriteSettingsAck()
						}
					case *http2.HeadersFrame:
						if !f(fr, n.Add(1), h.StreamID) {
							return
						}
					}
				}
			}()
		}
	}()
	return l.Addr().String(), &tls.Config{RootCAs: roots, ServerName: "example.com"}
}

// respond answers a stream with 200 and no body.
func respond(fr *http2.Framer, stream uint32) {
	var buf strings.Builder
	_ = hpack.NewEncoder(&buf).WriteField(hpack.HeaderField{Name: ":status", Value: "200"})
	_ = fr.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, BlockFragment: []byte(buf.String()), EndHeaders: true, EndStream: true})
}

func TestTransport_whatTheServerDidNotProcess(t *testing.T) {
	refuse := func(fr *http2.Framer, _ int64, stream uint32) bool {
		_ = fr.WriteRSTStream(stream, http2.ErrCodeRefusedStream)
		return true
	}
	goAway := func(fr *http2.Framer, _ int64, _ uint32) bool {
		_ = fr.WriteGoAway(0, http2.ErrCodeNo, nil)
		return true
	}
	internal := func(fr *http2.Framer, _ int64, stream uint32) bool {
		_ = fr.WriteRSTStream(stream, http2.ErrCodeInternal)
		return true
	}
	for _, tt := range []struct {
		name   string
		f      func(*http2.Framer, int64, uint32) bool
		unsent bool
	}{{"REFUSED_STREAM", refuse, true}, {"GOAWAY below it", goAway, true}, {"INTERNAL_ERROR", internal, false}} {
		t.Run(tt.name, func(t *testing.T) {
			addr, cfg := rawHTTP2(t, tt.f)
			gate := &recorder{}
			tr := meshhttp.NewTransport(nil, enmesh.Fixed(false), secured{oneCluster{newCluster(gate, addr)}, cfg})
			defer tr.Close()
			// A body that cannot be had again: net/http does not repeat it by itself.
			req, _ := http.NewRequest("POST", "http://svc/", io.MultiReader(strings.NewReader("x")))
			_, err := tr.RoundTrip(req)
			e := enmesh.ErrorOf(err)
			if e == nil || e.Unsent != tt.unsent || e.Flag != enmesh.FlagConnectionEnded || e.Outcome != enmesh.Failure {
				t.Errorf("got %#v (%v), want unsent %v", e, err, tt.unsent)
			}
			gate.settled(t, 1)
		})
	}
}

func TestTransport_refusedStreamIsSentAgainElsewhere(t *testing.T) {
	refusing, cfg := rawHTTP2(t, func(fr *http2.Framer, _ int64, stream uint32) bool {
		_ = fr.WriteRSTStream(stream, http2.ErrCodeRefusedStream)
		return true
	})
	var handled atomic.Int64
	answering, _ := rawHTTP2(t, func(fr *http2.Framer, _ int64, stream uint32) bool {
		handled.Add(1)
		respond(fr, stream)
		return true
	})
	tr := meshhttp.NewTransport(nil, enmesh.Fixed(true, again(2)), secured{oneCluster{newCluster(nil, refusing, answering)}, insecure(cfg)})
	defer tr.Close()
	for range 2 {
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		req, _ := http.NewRequestWithContext(ctx, "POST", "http://svc/", io.NopCloser(strings.NewReader("x")))
		req.ContentLength = 1
		resp, err := tr.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		cancel()
	}
	if handled.Load() != 2 {
		t.Errorf("handled %d times, want each of 2 calls once", handled.Load())
	}
}

// insecure trusts any certificate: the servers' differ.
func insecure(cfg *tls.Config) *tls.Config {
	cfg = cfg.Clone()
	cfg.InsecureSkipVerify = true
	return cfg
}
