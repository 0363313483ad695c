// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package meshhttp_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/meshhttp"
)

// views is what the policy and the handler of a server see of a request.
type views struct {
	mu              sync.Mutex // guards the rest
	policies, runs  int
	path, authority string // as the policy has it
	service         enmesh.Destination
	header          http.Header // of the policy: every key that the handler has, and more
	request         *http.Request
	trailer         http.Header
}

// reset forgets what was seen.
func (v *views) reset() {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.policies, v.runs, v.path, v.request = 0, 0, "", nil
}

func (v *views) check(next enmesh.Next) enmesh.Next {
	return func(ctx context.Context, c *enmesh.Call) error {
		v.mu.Lock()
		v.policies++
		v.path, v.authority, v.service = c.Path, c.Authority, c.Destination
		v.header = http.Header{}
		for _, key := range watched {
			if values := c.Header.Values(key); values != nil {
				v.header[key] = values
			}
		}
		v.mu.Unlock()
		return next(ctx, c)
	}
}

func (v *views) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body)
	v.mu.Lock()
	defer v.mu.Unlock()
	v.runs++
	v.request, v.trailer = r, r.Trailer
	_, _ = io.WriteString(w, "done")
}

// watch is a server over a real socket whose requests are seen.
func watch(t testing.TB, opts ...meshhttp.ServerOption) (*views, string) {
	t.Helper()
	v := &views{}
	return v, listen(t, meshhttp.NewHandler(v, enmesh.Fixed(false, v.check), opts...))
}

// listen serves h over HTTP/1.1 and, without TLS, HTTP/2.
func listen(t testing.TB, h http.Handler) string {
	t.Helper()
	srv := &http.Server{Handler: h, ErrorLog: quiet, ReadHeaderTimeout: 5 * time.Second, Protocols: new(http.Protocols), DisableGeneralOptionsHandler: true}
	srv.Protocols.SetHTTP1(true)
	srv.Protocols.SetUnencryptedHTTP2(true)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() { defer close(done); _ = srv.Serve(l) }()
	t.Cleanup(func() { _ = srv.Close(); <-done })
	return l.Addr().String()
}

// raw sends text as it is and reads one answer.
func raw(t testing.TB, addr, text string) (status int, header http.Header, body string) {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
	if _, err := io.WriteString(conn, text); err != nil {
		t.Fatal(err)
	}
	method, _, _ := strings.Cut(text, " ")
	resp, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: method})
	if err != nil {
		return 0, nil, ""
	}
	b, _ := io.ReadAll(resp.Body)
	_ = resp.Body.Close()
	return resp.StatusCode, resp.Header, string(b)
}

// ask is a request for target.
func ask(target string, lines ...string) string {
	return "GET " + target + " HTTP/1.1\r\nHost: shop\r\n" + strings.Join(append(lines, ""), "\r\n") + "Connection: close\r\n\r\n"
}

// The path that the policy compares is the one that the handler finds, however it looks.
func TestHandler_onePathForPolicyAndHandler(t *testing.T) {
	v, addr := watch(t)
	for target, want := range map[string]string{ // "": refused
		"/a/b": "/a/b", "/a/b?c=/../d": "/a/b?c=/../d", "//a": "/a", "/a//b/": "/a/b/", "/./a": "/a", "/x/../a": "/a", "/x/%2e%2E/a": "/a",
		"/%61%2Db?": "/a-b?", "/a%20b": "/a%20b", "/%c3%bc": "/%C3%BC", "/it's(1)": "/it's(1)", "/a%23b": "/a%23b", "/a%3fb": "/a%3Fb",
		"http://Evil.Example/a//b?c": "/a/b?c", "HTTP://h": "/", "https://h/a": "/a", "/.well-known/x": "/.well-known/x", "/\u0131": "/%C4%B1",
		"/a%2Fb": "", "/a%5cb": "", `/a\b`: "", "/a;b": "", "/a%3Bb": "", "/a%00": "", "/a%0d%0ab": "", "/a%09": "", "/a#b": "", "/a?b#c": "",
		"/%2561": "", "/%c0%ae": "", "/a//../b": "", "*": "", "ftp://h/a": "", "http://user@h/a": "", "http:a": "", "a/b": "", "": "", "?x": "",
		"/%zz": "", "/a%": "",
	} {
		v.reset()
		status, _, body := raw(t, addr, ask(target))
		if want == "" {
			if status != 400 || v.policies+v.runs != 0 {
				t.Errorf("%q: status %d, the policy ran %d times, the handler %d; want 400 and none", target, status, v.policies, v.runs)
			}
			if !strings.HasPrefix(body, "meshhttp: the ") && !strings.HasPrefix(body, "400 Bad Request") { // the latter is net/http's own
				t.Errorf("%q: the refusal says %q", target, body)
			}
			continue
		}
		if status != 200 || v.policies != 1 || v.runs != 1 {
			t.Errorf("%q: status %d (%s), the policy ran %d times, the handler %d", target, status, body, v.policies, v.runs)
			continue
		}
		r := v.request
		if r.URL.Path != v.path || r.RequestURI != want || r.URL.String() != want || r.URL.RequestURI() != want {
			t.Errorf("%q: the policy sees %q, the handler Path %q, RequestURI %q, URL %q; want %q", target, v.path, r.URL.Path, r.RequestURI, r.URL, want)
		}
		if got, _, _ := strings.Cut(want, "?"); r.URL.EscapedPath() != got {
			t.Errorf("%q: EscapedPath %q", target, r.URL.EscapedPath())
		}
	}
}

func TestHandler_normalizations(t *testing.T) {
	for _, tt := range []struct {
		n            meshhttp.PathNormalization
		opts         []meshhttp.ServerOption
		target, want string // want "": refused
	}{
		{meshhttp.PathNone, nil, "/a//../b/%2e", "/a//../b/%2e"},
		{meshhttp.PathNone, nil, "/a%2Fb;c", "/a%2Fb;c"},
		{meshhttp.PathNone, nil, "/a#b", ""},
		{meshhttp.PathNone, nil, "*", ""},
		{meshhttp.PathBase, nil, `/a//b\c`, "/a//b/c"},
		{meshhttp.PathBase, nil, "/a%2fb;c", "/a%2Fb;c"},
		{meshhttp.PathBase, nil, "/a%2f..%2fb", ""},
		{meshhttp.PathMergeSlashes, nil, "//a///b%2Fc", "/a/b%2Fc"},
		{meshhttp.PathDecodeAndMergeSlashes, nil, "//a%2F%5cb/..%2fc", "/a/c"},
		{meshhttp.PathNormalization(77), nil, "/a%2Fb", ""},
		{meshhttp.PathStrict, []meshhttp.ServerOption{meshhttp.AllowPathParameters()}, "/a;b", "/a;b"},
		{meshhttp.PathStrict, []meshhttp.ServerOption{meshhttp.AllowBackslashes()}, "/a%5Cb", "/a%5Cb"},
		{meshhttp.PathStrict, []meshhttp.ServerOption{meshhttp.FoldPathCase()}, "/Admin/%53", "/admin/s"},
	} {
		v, addr := watch(t, append(tt.opts, meshhttp.WithPathNormalization(tt.n))...)
		status, _, _ := raw(t, addr, ask(tt.target))
		if tt.want == "" {
			if status != 400 || v.policies+v.runs != 0 {
				t.Errorf("%d: %q: status %d", tt.n, tt.target, status)
			}
			continue
		}
		if status != 200 || v.request.RequestURI != tt.want || v.request.URL.String() != tt.want || v.path != v.request.URL.Path {
			t.Errorf("%d: %q: status %d, the policy sees %q, the handler %v", tt.n, tt.target, status, v.path, v.request)
		}
	}
}

// What stood in front of the handler and has changed the URL, as http.StripPrefix does, is
// heeded; its RequestURI is cleaned for itself.
func TestHandler_behindAMiddlewareThatChangesTheURL(t *testing.T) {
	v := &views{}
	h := http.StripPrefix("/api", meshhttp.NewHandler(v, enmesh.Fixed(false, v.check)))
	for target, want := range map[string][2]string{
		"/api/a": {"/a", "/api/a"}, "/api//a": {"/a", "/api/a"}, "/api/%61?b": {"/a?b", "/api/a?b"}, "/api/../a": {"/a", "/a"},
	} {
		h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", target, http.NoBody))
		if got := [2]string{v.request.URL.String(), v.request.RequestURI}; got != want || !strings.HasPrefix(want[0], v.path) {
			t.Errorf("%q: got %q, the policy %q; want %q", target, got, v.path, want)
		}
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest("GET", "/api./x", http.NoBody))
	if w.Code != 400 { // http.StripPrefix leaves "./x"
		t.Errorf("status %d, want 400", w.Code)
	}
}

type told struct {
	mu sync.Mutex // guards n
	n  int
}

func (r *told) Record(c *enmesh.Call, d enmesh.Decision) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if c.Side == enmesh.Server && d == (enmesh.Decision{Policy: "meshhttp", Action: enmesh.ActionRefuse}) {
		r.n++
	}
}

func TestHandler_countsWhatItRefuses(t *testing.T) {
	v, r := &views{}, &told{}
	h := meshhttp.NewHandler(v, enmesh.Fixed(false, v.check), meshhttp.WithRecorder(r))
	for i, target := range []string{"/a%2Fb", "/a;b", "/a%00"} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest("GET", target, http.NoBody))
		if w.Code != 400 || h.Refused() != uint64(i+1) || r.n != i+1 {
			t.Errorf("%q: status %d, %d refused, %d told", target, w.Code, h.Refused(), r.n)
		}
	}
}

func TestHandler_aRefusalCostsLittle(t *testing.T) {
	h := meshhttp.NewHandler(status(200, ""), enmesh.Fixed(false))
	w := &sink{http.Header{}}
	req := httptest.NewRequest("GET", "/public/..%2fadmin", http.NoBody)
	if n := testing.AllocsPerRun(200, func() { h.ServeHTTP(w, req) }); n > 8 && !raceEnabled {
		t.Errorf("a refusal costs %.0f allocations", n)
	}
}

func BenchmarkHandler_paths(b *testing.B) {
	h := meshhttp.NewHandler(status(200, ""), enmesh.Fixed(false))
	for name, target := range map[string]string{"clean": "/api/v1/users/12345", "changed": "/api//v1/../v2", "refused": "/public/..%2fadmin"} {
		b.Run(name, func(b *testing.B) {
			req, w := httptest.NewRequest("GET", target, http.NoBody), &sink{http.Header{}}
			for _, key := range []string{"Accept", "Accept-Encoding", "User-Agent", "Content-Type", "Traceparent", "X-Request-Id"} {
				req.Header.Set(key, "x")
			}
			b.ReportAllocs()
			for b.Loop() {
				h.ServeHTTP(w, req)
			}
		})
	}
}

func ExampleWithPathNormalization() {
	show := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, r.RequestURI) })
	for _, n := range []meshhttp.PathNormalization{meshhttp.PathStrict, meshhttp.PathMergeSlashes, meshhttp.PathDecodeAndMergeSlashes} {
		h := meshhttp.NewHandler(show, enmesh.Fixed(false), meshhttp.WithPathNormalization(n))
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest("GET", "/shop//carts%2F1", http.NoBody))
		fmt.Println(w.Code, strings.TrimSpace(w.Body.String()))
	}
	// Output:
	// 400 meshhttp: the path has an escaped slash
	// 200 /shop/carts%2F1
	// 200 /shop/carts/1
}
