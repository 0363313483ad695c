// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package meshhttp_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/meshhttp"
	"github.com/enmesh-go/enmesh/telemetry"
	"github.com/enmesh-go/enmesh/telemetry/accesslog"
	"github.com/enmesh-go/enmesh/telemetry/prom"
)

// scales is what telemetry tells of the calls of one client and one server.
type scales struct {
	metrics *prom.Collector
	log     *accesslog.Log
	mu      sync.Mutex // guards lines
	lines   bytes.Buffer
}

// Write takes a line of the log.
func (s *scales) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.lines.Write(p)
}

func newScales() *scales {
	s := &scales{metrics: prom.New(prom.Config{})}
	s.log = accesslog.New(slog.NewJSONHandler(s, nil), accesslog.Config{})
	return s
}

// weigh is the telemetry of a side.
func (s *scales) weigh(side enmesh.Side) enmesh.Middleware {
	scope := telemetry.Scope{Side: side}
	return telemetry.Calls(s.metrics.Calls(scope), s.log.Calls(scope))
}

// weights are the bytes of request and answer; -1 is one that was not told.
type weights [2]int64

// read is what a side's metrics and log have, which must agree, once a call has ended there.
func (s *scales) read(t *testing.T, side enmesh.Side) weights {
	t.Helper()
	line := map[string]any{}
	eventually(t, "the log has the call", func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		for _, text := range strings.Split(s.lines.String(), "\n") {
			if strings.Contains(text, `"side":"`+map[enmesh.Side]string{enmesh.Client: "client", enmesh.Server: "server"}[side]+`"`) {
				return json.Unmarshal([]byte(text), &line) == nil
			}
		}
		return false
	})
	logged := weights{-1, -1}
	for i, key := range []string{"request_bytes", "response_bytes"} {
		if n, ok := line[key].(float64); ok {
			logged[i] = int64(n)
		}
	}
	reporter := map[enmesh.Side]string{enmesh.Client: "source", enmesh.Server: "destination"}[side]
	measured := weights{
		histogram(t, s.metrics, "istio_request_bytes", reporter), histogram(t, s.metrics, "istio_response_bytes", reporter),
	}
	if logged != measured {
		t.Errorf("%s: the log has %v, the metrics %v", reporter, logged, measured)
	}
	return measured
}

// histogram is the one value of a metric for a reporter, -1 if there is none.
func histogram(t *testing.T, c prometheus.Collector, name, reporter string) int64 {
	t.Helper()
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(c)
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() != name {
			continue
		}
		for _, m := range f.GetMetric() {
			if labelled(m, reporter) {
				if n := m.GetHistogram().GetSampleCount(); n != 1 {
					t.Errorf("%s has %d values, want 1", name, n)
				}
				return int64(m.GetHistogram().GetSampleSum())
			}
		}
	}
	return -1
}

func labelled(m *dto.Metric, reporter string) bool {
	for _, l := range m.GetLabel() {
		if l.GetName() == "reporter" {
			return l.GetValue() == reporter
		}
	}
	return false
}

// unsized is a body that does not say how long it is.
func unsized(n int) io.Reader { return io.MultiReader(strings.NewReader(strings.Repeat("x", n))) }

// weighed is a server whose answer is what the query says.
func weighed() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/unread" {
			_, _ = io.Copy(io.Discard, r.Body)
		}
		switch r.URL.Path {
		case "/none":
			w.WriteHeader(http.StatusNoContent)
		case "/chunks":
			for range 3 {
				_, _ = w.Write(make([]byte, 1000))
				_ = http.NewResponseController(w).Flush()
			}
		case "/copied":
			_, _ = io.Copy(w, strings.NewReader(strings.Repeat("x", 70_000)))
		case "/missing":
			http.Error(w, "nothing", http.StatusNotFound) // and a line feed
		case "/busy":
			if r.Header.Get(enmesh.AttemptHeader) == "" {
				w.WriteHeader(http.StatusServiceUnavailable)
				_, _ = io.WriteString(w, "not the first time")
				return
			}
			fallthrough
		default:
			_, _ = io.WriteString(w, "hello")
		}
	})
}

func TestSizes(t *testing.T) {
	file := filepath.Join(t.TempDir(), "body")
	if err := os.WriteFile(file, make([]byte, 5000), 0o600); err != nil {
		t.Fatal(err)
	}
	post := func(path, body string) func() *http.Request {
		return func() *http.Request { return must(http.NewRequest("POST", "http://svc"+path, strings.NewReader(body))) }
	}
	stream := func(path string, n int) *http.Request {
		return must(http.NewRequest("POST", "http://svc"+path, unsized(n)))
	}
	no := &enmesh.Error{Code: enmesh.ResourceExhausted, Outcome: enmesh.Neutral, Status: 429, Policy: "test", Err: errors.New("no")}
	refuse := before(func(_ context.Context, c *enmesh.Call) error {
		if c.Path == "/refused/"+map[enmesh.Side]string{enmesh.Client: "here", enmesh.Server: "there"}[c.Side] {
			return no
		}
		return nil
	})
	makeUp := func(next enmesh.Next) enmesh.Next {
		return func(ctx context.Context, c *enmesh.Call) error {
			if c.Path == "/madeup/"+map[enmesh.Side]string{enmesh.Client: "here", enmesh.Server: "there"}[c.Side] {
				return c.SetReply(&enmesh.Reply{Status: 200, Body: []byte("made up")}, nil)
			}
			return next(ctx, c)
		}
	}
	none := weights{-1, -1} // the server has not heard of it
	for _, tt := range []struct {
		name           string
		request        func() *http.Request
		client, server weights
	}{
		{"no body", func() *http.Request { return must(http.NewRequest("GET", "http://svc/", nil)) }, weights{0, 5}, weights{0, 5}},
		{"HEAD", func() *http.Request { return must(http.NewRequest("HEAD", "http://svc/", nil)) }, weights{0, 0}, weights{0, 0}},
		{"no content", post("/none", "12345"), weights{5, 0}, weights{5, 0}},
		{"in memory", post("/", strings.Repeat("x", 1000)), weights{1000, 5}, weights{1000, 5}},
		{"declared", func() *http.Request {
			r := stream("/", 300_000)
			r.ContentLength = 300_000
			return r
		}, weights{300_000, 5}, weights{300_000, 5}},
		{"kept for a retry", func() *http.Request {
			r := stream("/", 3000)
			r.ContentLength = 3000
			return r
		}, weights{3000, 5}, weights{3000, 5}},
		{"from GetBody", func() *http.Request {
			r := stream("/", 3000)
			r.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(unsized(3000)), nil }
			return r
		}, weights{3000, 5}, weights{3000, 5}},
		{"chunks both ways", func() *http.Request { return stream("/chunks", 200_000) }, weights{200_000, 3000}, weights{200_000, 3000}},
		{"a file", func() *http.Request {
			f, err := os.Open(file)
			if err != nil {
				t.Fatal(err)
			}
			r := must(http.NewRequest("POST", "http://svc/copied", f))
			r.ContentLength = 5000
			return r
		}, weights{5000, 70_000}, weights{5000, 70_000}},
		{"a status that is an error", post("/missing", "1"), weights{1, 8}, weights{1, 8}},
		{"refused by the client", post("/refused/here", "1234"), weights{0, -1}, none},
		{"refused by the server", post("/refused/there", ""), weights{0, 9}, weights{0, 9}}, // "test: no\n"
		{"made up by the client", post("/madeup/here", "1234"), weights{0, 7}, none},
		{"made up by the server", post("/madeup/there", ""), weights{0, 7}, weights{0, 7}},
	} {
		for _, two := range []bool{false, true} {
			t.Run(tt.name+map[bool]string{false: " over HTTP/1.1", true: " over HTTP/2"}[two], func(t *testing.T) {
				s := newScales()
				h := meshhttp.NewHandler(weighed(), enmesh.Fixed(false, s.weigh(enmesh.Server), refuse, makeUp), meshhttp.WithServerNameCheck(meshhttp.CheckNone))
				srv := httptest.NewUnstartedServer(h)
				tr := sizesTransport(t, srv, two, enmesh.Fixed(true, s.weigh(enmesh.Client), refuse, makeUp, again(2)))
				resp, err := tr.RoundTrip(tt.request())
				if err == nil {
					if resp.ProtoMajor == 2 != two && resp.Header.Get("Date") != "" {
						t.Errorf("over %s", resp.Proto)
					}
					err = readAll(resp)
				}
				if err != nil && !errors.Is(err, no) {
					t.Fatal(err)
				}
				if got := s.read(t, enmesh.Client); got != tt.client {
					t.Errorf("client: got %v, want %v", got, tt.client)
				}
				if tt.server == none {
					return
				}
				if got := s.read(t, enmesh.Server); got != tt.server {
					t.Errorf("server: got %v, want %v", got, tt.server)
				}
			})
		}
	}
}

// sizesTransport starts srv and gives a Transport to it.
func sizesTransport(t *testing.T, srv *httptest.Server, two bool, r enmesh.Router) *meshhttp.Transport {
	t.Helper()
	srv.Config.ErrorLog = quiet
	var tr *meshhttp.Transport
	if two {
		srv.EnableHTTP2 = true
		srv.StartTLS()
		cfg := srv.Client().Transport.(*http.Transport).TLSClientConfig.Clone()
		cfg.ServerName, cfg.NextProtos = "example.com", nil
		tr = meshhttp.NewTransport(nil, r, secured{oneCluster{newCluster(nil, srv.Listener.Addr().String())}, cfg})
	} else {
		srv.Start()
		tr = meshhttp.NewTransport(nil, r, oneCluster{newCluster(nil, srv.Listener.Addr().String())})
	}
	t.Cleanup(func() { _ = tr.Close(); srv.Close() })
	return tr
}

// A call that is sent again has the size of its last attempt.
func TestSizes_ofARetry(t *testing.T) {
	s := newScales()
	srv := httptest.NewUnstartedServer(weighed())
	tr := sizesTransport(t, srv, false, enmesh.Fixed(true, s.weigh(enmesh.Client), again(2)))
	for _, body := range []io.Reader{strings.NewReader(strings.Repeat("x", 2000)), unsized(2000)} {
		req := must(http.NewRequest("PUT", "http://svc/busy", body))
		req.ContentLength = 2000
		resp, err := tr.RoundTrip(req)
		if err != nil || readAll(resp) != nil || resp.StatusCode != 200 {
			t.Fatal(resp, err)
		}
	}
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(s.metrics)
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]float64{"istio_request_bytes": 4000, "istio_response_bytes": 10}
	for _, f := range families {
		if sum, ok := want[f.GetName()]; ok {
			if h := f.GetMetric()[0].GetHistogram(); h.GetSampleSum() != sum || h.GetSampleCount() != 2 {
				t.Errorf("%s: %v in %d calls, want %v in 2", f.GetName(), h.GetSampleSum(), h.GetSampleCount(), sum)
			}
			delete(want, f.GetName())
		}
	}
	if len(want) > 0 {
		t.Errorf("without %v", want)
	}
}

// Of attempts at once it has the size of the one that won, and of nothing else.
func TestSizes_ofTheAttemptThatWon(t *testing.T) {
	s := newScales()
	srv := httptest.NewUnstartedServer(weighed())
	tr := sizesTransport(t, srv, false, enmesh.Fixed(true, s.weigh(enmesh.Client), hedge))
	req := must(http.NewRequest("POST", "http://svc/chunks", unsized(3000)))
	req.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(unsized(3000)), nil }
	req.Body, _ = req.GetBody()
	resp, err := tr.RoundTrip(req)
	if err != nil || readAll(resp) != nil {
		t.Fatal(err)
	}
	if got, want := s.read(t, enmesh.Client), (weights{3000, 3000}); got != want {
		t.Errorf("got %v, want %v", got, want)
	}
}

// Of an answer that is given up, the client has what was read; of a body that the handler
// leaves alone, the server has nothing.
func TestSizes_ofWhatIsLeftAlone(t *testing.T) {
	s := newScales()
	h := meshhttp.NewHandler(weighed(), enmesh.Fixed(false, s.weigh(enmesh.Server)))
	tr := sizesTransport(t, httptest.NewUnstartedServer(h), false, enmesh.Fixed(false, s.weigh(enmesh.Client)))
	resp, err := tr.RoundTrip(must(http.NewRequest("POST", "http://svc/unread", strings.NewReader("12345"))))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(resp.Body, make([]byte, 2)); err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if got, want := s.read(t, enmesh.Client), (weights{5, 2}); got != want {
		t.Errorf("client: got %v, want %v", got, want)
	}
	if got, want := s.read(t, enmesh.Server), (weights{0, 5}); got != want {
		t.Errorf("server: got %v, want %v", got, want)
	}
}

// On a connection that leaves HTTP all bytes after the answer's head count, whichever way the
// handler takes to it.
func TestSizes_ofAnUpgradedConnection(t *testing.T) {
	head := "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n"
	byConn := func(w http.ResponseWriter, _ *http.Request) {
		conn, rw, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		if n := rw.Reader.Buffered(); n != 0 {
			t.Errorf("%d bytes came early", n)
		}
		for _, part := range []string{head[:3], head[3 : len(head)-2], head[len(head)-2:] + "hi\n"} {
			_, _ = io.WriteString(conn, part)
		}
		in := bufio.NewReader(conn)
		for {
			line, err := in.ReadString('\n')
			if err != nil {
				return
			}
			_, _ = io.WriteString(conn, line)
		}
	}
	for name, tt := range map[string]struct {
		handler        http.HandlerFunc
		greets         string
		client, server weights
	}{
		"by the buffers":    {upgrade, "", weights{8, 8}, weights{8, 8}},
		"by the connection": {byConn, "hi\n", weights{8, 11}, weights{8, 11}},
	} {
		t.Run(name, func(t *testing.T) {
			s := newScales()
			h := meshhttp.NewHandler(tt.handler, enmesh.Fixed(false, s.weigh(enmesh.Server)))
			tr := sizesTransport(t, httptest.NewUnstartedServer(h), false, enmesh.Fixed(false, s.weigh(enmesh.Client)))
			req := must(http.NewRequest("GET", "http://svc/", nil))
			req.Header.Set("Connection", "Upgrade")
			req.Header.Set("Upgrade", "echo")
			resp, err := tr.RoundTrip(req)
			if err != nil || resp.StatusCode != 101 {
				t.Fatal(resp, err)
			}
			conn := resp.Body.(io.ReadWriteCloser)
			in := bufio.NewReader(conn)
			if tt.greets != "" {
				if got, err := in.ReadString('\n'); err != nil || got != tt.greets {
					t.Fatal(got, err)
				}
			}
			for _, line := range []string{"one\n", "two\n"} {
				_, _ = io.WriteString(conn, line)
				if got, err := in.ReadString('\n'); err != nil || got != line {
					t.Fatalf("echo: got %q, %v; want %q", got, err, line)
				}
			}
			_ = conn.Close()
			if got := s.read(t, enmesh.Client); got != tt.client {
				t.Errorf("client: got %v, want %v", got, tt.client)
			}
			if got := s.read(t, enmesh.Server); got != tt.server {
				t.Errorf("server: got %v, want %v", got, tt.server)
			}
		})
	}
}

// What came with the request's head is buffered, counted, and seen to be there.
func TestSizes_ofWhatCameBeforeTheUpgrade(t *testing.T) {
	s := newScales()
	early := make(chan int, 1)
	srv := httptest.NewServer(meshhttp.NewHandler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		conn, rw, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		early <- rw.Reader.Buffered()
		line, _ := rw.ReadString('\n')
		_, _ = io.WriteString(conn, line+"no head, and no HTTP\r\n\r\nafter it\n")
	}), enmesh.Fixed(false, s.weigh(enmesh.Server))))
	defer srv.Close()
	conn, err := net.Dial("tcp", srv.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_, _ = io.WriteString(conn, "GET / HTTP/1.1\r\nHost: svc\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\nearly\n")
	got, err := io.ReadAll(conn)
	if want := "early\nno head, and no HTTP\r\n\r\nafter it\n"; err != nil || string(got) != want {
		t.Errorf("got %q, %v; want %q", got, err, want)
	}
	if n := <-early; n != 6 {
		t.Errorf("%d bytes are buffered, want 6", n)
	}
	if got, want := s.read(t, enmesh.Server), (weights{6, int64(len(got))}); got != want {
		t.Errorf("got %v, want %v", got, want)
	}
}
