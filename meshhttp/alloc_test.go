// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package meshhttp_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/balance"
	"github.com/enmesh-go/enmesh/discovery"
	"github.com/enmesh-go/enmesh/meshhttp"
)

// nothing is a base that answers without a wire, reading the request as net/http
// does.
type nothing struct{ header http.Header }

func (b *nothing) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body != nil {
		_, _ = io.Copy(io.Discard, r.Body)
		_ = r.Body.Close()
	}
	return &http.Response{
		StatusCode: 200, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: b.header, Body: io.NopCloser(strings.NewReader("hello")), ContentLength: 5, Request: r,
	}, nil
}

// words is a gate of one word, as most are.
type words struct{ in, out int }

func (g *words) Admit(context.Context, *enmesh.Call) (enmesh.Token, error) {
	g.in++
	return enmesh.Token{N: uint64(g.in)}, nil
}
func (g *words) Done(enmesh.Token, enmesh.Result) { g.out++ }

// traced writes one header, as trace propagation does.
func traced(next enmesh.Next) enmesh.Next {
	return func(ctx context.Context, c *enmesh.Call) error {
		c.Header.Set("Traceparent", strings.Repeat("0", 55))
		return next(ctx, c)
	}
}

// fullChain stands for recover, telemetry twice, tracing, retry, breaker, and two
// gates on each endpoint.
func fullChain() (enmesh.Router, balance.Source) {
	chain := enmesh.Fixed(true, enmesh.Recover(nil), enmesh.Guard(&words{}), traced, again(3), enmesh.Guard(&words{}), enmesh.Guard(&words{}))
	cluster := balance.NewCluster(balance.ClusterConfig{
		Algorithm: balance.PowerOfTwo(),
		Gates:     func(*balance.Endpoint) []enmesh.Gate { return []enmesh.Gate{&words{}, &words{}} },
	})
	cluster.Apply(endpoints("127.0.0.1:1", "127.0.0.1:2", "127.0.0.1:3"))
	return chain, oneCluster{cluster}
}

func roundTrip(tb testing.TB, rt http.RoundTripper, req *http.Request) {
	resp, err := rt.RoundTrip(req)
	if err != nil {
		tb.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, resp.Body)
	_ = resp.Body.Close()
}

func post() *http.Request {
	req, _ := http.NewRequest("POST", "http://svc:8080/path", strings.NewReader("hello"))
	req.Header.Set("Content-Type", "text/plain")
	req.Header.Set("X-Request-Id", "1")
	return req
}

func TestTransport_allocations(t *testing.T) {
	base := &nothing{header: http.Header{}}
	get := must(http.NewRequest("GET", "http://svc:8080/path", nil))
	bare := testing.AllocsPerRun(200, func() { roundTrip(t, base, get) })
	barePost := testing.AllocsPerRun(200, func() { roundTrip(t, base, post()) })
	plain := meshhttp.NewTransport(base, enmesh.Fixed(false), nil)
	router, source := fullChain()
	full := meshhttp.NewTransport(base, router, source)
	for _, tt := range []struct {
		name  string
		bound float64
		extra float64
	}{
		{"no chain", 2, testing.AllocsPerRun(200, func() { roundTrip(t, plain, get) }) - bare},
		{"full chain, GET", 5, testing.AllocsPerRun(200, func() { roundTrip(t, full, get) }) - bare},
		{"full chain, POST", 8, testing.AllocsPerRun(200, func() { roundTrip(t, full, post()) }) - barePost},
	} {
		t.Logf("%s: +%.0f allocations", tt.name, tt.extra)
		if tt.extra > tt.bound && !raceEnabled {
			t.Errorf("%s: +%.0f allocations over bare, want at most %.0f", tt.name, tt.extra, tt.bound)
		}
	}
}

// sink is a ResponseWriter that keeps nothing.
type sink struct{ header http.Header }

func (s *sink) Header() http.Header         { return s.header }
func (s *sink) WriteHeader(int)             {}
func (s *sink) Write(p []byte) (int, error) { return len(p), nil }

func TestHandler_allocations(t *testing.T) {
	inner := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(200) })
	h := meshhttp.NewHandler(inner, enmesh.Fixed(false, enmesh.Recover(nil), enmesh.Guard(&words{}), enmesh.Guard(&words{})))
	req, w := httptest.NewRequest("GET", "/", nil), &sink{http.Header{}}
	if n := testing.AllocsPerRun(200, func() { h.ServeHTTP(w, req) }); n > 1 && !raceEnabled {
		t.Errorf("got %.0f allocations, want the record alone", n)
	}
}

func BenchmarkTransport(b *testing.B) {
	base := &nothing{header: http.Header{}}
	router, source := fullChain()
	for name, rt := range map[string]http.RoundTripper{
		"bare":     base,
		"no chain": meshhttp.NewTransport(base, enmesh.Fixed(false), nil),
		"full":     meshhttp.NewTransport(base, router, source),
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			req := must(http.NewRequest("GET", "http://svc:8080/path", nil))
			for b.Loop() {
				roundTrip(b, rt, req)
			}
		})
	}
}

func BenchmarkTransport_loopback(b *testing.B) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		_, _ = io.WriteString(w, strings.Repeat("x", 100))
	}))
	defer srv.Close()
	base := &http.Transport{MaxIdleConnsPerHost: 100}
	defer base.CloseIdleConnections()
	router, _ := fullChain()
	source := balance.NewStaticSource(map[string][]discovery.Endpoint{"svc": endpoints(srv.Listener.Addr().String())}, balance.PowerOfTwo())
	full := meshhttp.NewTransport(base, router, source)
	defer full.Close()
	bounded := meshhttp.NewTransport(base, router, source, meshhttp.Connection(balance.ConnectionConfig{MaxConnections: 100, MaxPending: 100}))
	defer bounded.Close()
	run := func(rt http.RoundTripper, url string) func(*testing.B) {
		return func(b *testing.B) {
			b.ReportAllocs()
			b.SetParallelism(8)
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					req, _ := http.NewRequest("POST", url, strings.NewReader(strings.Repeat("y", 100)))
					roundTrip(b, rt, req)
				}
			})
		}
	}
	b.Run("bare", run(base, srv.URL))
	b.Run("full", run(full, "http://svc/"))
	b.Run("bounded", run(bounded, "http://svc/"))
}

func BenchmarkHandler(b *testing.B) {
	inner := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(200) })
	h := meshhttp.NewHandler(inner, enmesh.Fixed(false, enmesh.Recover(nil), enmesh.Guard(&words{}), enmesh.Guard(&words{})))
	req, w := httptest.NewRequest("GET", "/", nil), &sink{http.Header{}}
	b.ReportAllocs()
	for b.Loop() {
		h.ServeHTTP(w, req)
	}
}
