// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package meshhttp_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"net/http/httputil"
	"net/textproto"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/meshhttp"
)

// serve is a server whose chain is ms round h, inside a guard.
func serve(t *testing.T, gate *recorder, h http.Handler, ms ...enmesh.Middleware) *httptest.Server {
	t.Helper()
	ms = append([]enmesh.Middleware{enmesh.Guard(gate)}, ms...)
	srv := httptest.NewUnstartedServer(meshhttp.NewHandler(h, enmesh.Fixed(false, ms...)))
	srv.Config.ErrorLog = quiet
	srv.Start()
	t.Cleanup(srv.Close)
	return srv
}

func TestHandler_describesTheCall(t *testing.T) {
	var got enmesh.Call
	var addr, local string
	srv := serve(t, &recorder{}, status(200, ""), before(func(_ context.Context, c *enmesh.Call) error {
		got.Side, got.Protocol, got.Method, got.Path, got.Query = c.Side, c.Protocol, c.Method, c.Path, c.Query
		got.Scheme, got.Authority, got.Destination, got.Idempotent = c.Scheme, c.Authority, c.Destination, c.Idempotent
		addr, local = c.Source.Addr.Addr().String(), c.Source.Local.String()
		return nil
	}))
	req, _ := http.NewRequest("PATCH", srv.URL+"/a%20b?c=d", nil)
	req.Host = "reviews.shop:9080"
	req.Header.Set("Idempotency-Key", "k")
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = body(t, resp)
	if got.Side != enmesh.Server || got.Method != "PATCH" || got.Path != "/a b" || got.Query != "c=d" || got.Scheme != "http" ||
		got.Authority != "reviews.shop:9080" || got.Service != "reviews.shop" || got.Port != 9080 || !got.Idempotent || addr != "127.0.0.1" || local != srv.Listener.Addr().String() {
		t.Errorf("got %s %s?%s %s %s %v %v from %s to %s", got.Method, got.Path, got.Query, got.Scheme, got.Authority, got.Destination, got.Idempotent, addr, local)
	}
}

func TestHandler_statusIsAnErrorInsideAndOutAlready(t *testing.T) {
	for _, tt := range []struct {
		status int
		want   enmesh.Outcome
	}{{200, enmesh.Success}, {302, enmesh.Success}, {404, enmesh.Neutral}, {500, enmesh.Failure}, {503, enmesh.Failure}} {
		gate := &recorder{}
		var inside int
		srv := serve(t, gate, status(tt.status, "text"), seen(func(c *enmesh.Call, _ error) { inside = c.Answer.Status }))
		resp, err := http.DefaultTransport.RoundTrip(must(http.NewRequest("GET", srv.URL, nil)))
		if err != nil {
			t.Fatal(err)
		}
		if text := body(t, resp); resp.StatusCode != tt.status || text != "text" || inside != tt.status {
			t.Errorf("got %d %q, inside %d; want %d", resp.StatusCode, text, inside, tt.status)
		}
		if r := gate.last(t); r.Outcome != tt.want || r.Answered == 0 {
			t.Errorf("status %d: got %v, answered %d; want %v", tt.status, r.Outcome, r.Answered, tt.want)
		}
	}
}

func must(r *http.Request, err error) *http.Request {
	if err != nil {
		panic(err)
	}
	return r
}

func TestHandler_refusals(t *testing.T) {
	for _, tt := range []struct {
		name              string
		err               error
		status            int
		text, retry, flag string
	}{
		{"limit", &enmesh.Error{
			Code: enmesh.ResourceExhausted, Policy: "limit", RetryAfter: 1500 * time.Millisecond, Err: errors.New("too many requests"),
		}, 429, "limit: too many requests\n", "2", ""},
		{"named cause", &enmesh.Error{Code: enmesh.Unavailable, Policy: "breaker", Err: errors.New("breaker: open\nfor now")}, 503, "breaker: open for now\n", "", ""},
		{"status of its own", &enmesh.Error{Code: enmesh.Unavailable, Status: 418, Policy: "fault", Err: errors.New("abort")}, 418, "fault: abort\n", "", ""},
		{"inner trouble", &enmesh.Error{Code: enmesh.Internal, Policy: "x", Err: errors.New("secret")}, 500, "Internal Server Error\n", "", ""},
		{"foreign error", errors.New("secret"), 500, "Internal Server Error\n", "", ""},
		{"no route", &enmesh.Error{Code: enmesh.NotFound, Flag: enmesh.FlagNoRoute}, 404, "Not Found\n", "", ""},
		{"long", &enmesh.Error{Code: enmesh.PermissionDenied, Policy: "authz", Err: errors.New(strings.Repeat("ü", 400))}, 403, "authz: " + strings.Repeat("ü", 124) + "\n", "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			gate := &recorder{}
			srv := serve(t, gate, status(200, "never"), before(func(context.Context, *enmesh.Call) error { return tt.err }))
			resp, err := http.DefaultTransport.RoundTrip(must(http.NewRequest("GET", srv.URL, nil)))
			if err != nil {
				t.Fatal(err)
			}
			if text := body(t, resp); resp.StatusCode != tt.status || text != tt.text || resp.Header.Get("Retry-After") != tt.retry {
				t.Errorf("got %d %q Retry-After %q; want %d %q %q", resp.StatusCode, text, resp.Header.Get("Retry-After"), tt.status, tt.text, tt.retry)
			}
			gate.settled(t, 1)
		})
	}
}

func TestHandler_writesTheReplyOfAPolicy(t *testing.T) {
	srv := serve(t, &recorder{}, status(200, "never"), before(func(_ context.Context, c *enmesh.Call) error {
		return c.SetReply(&enmesh.Reply{Status: 302, Header: map[string][]string{"Location": {"/there"}}, Body: []byte("moved")},
			&enmesh.Error{Code: enmesh.NotFound, Policy: "route", Err: errors.New("redirect")})
	}))
	resp, err := http.DefaultTransport.RoundTrip(must(http.NewRequest("GET", srv.URL, nil)))
	if err != nil {
		t.Fatal(err)
	}
	if text := body(t, resp); resp.StatusCode != 302 || text != "moved" || resp.Header.Get("Location") != "/there" {
		t.Errorf("got %d %q %v", resp.StatusCode, text, resp.Header)
	}
}

func TestHandler_anErrorAfterTheAnswerIsOnlyAccounted(t *testing.T) {
	gate := &recorder{}
	srv := serve(t, gate, status(200, "hello"), func(next enmesh.Next) enmesh.Next {
		return func(ctx context.Context, c *enmesh.Call) error {
			_ = next(ctx, c)
			return &enmesh.Error{Code: enmesh.DataLoss, Outcome: enmesh.Failure}
		}
	})
	resp, err := http.DefaultTransport.RoundTrip(must(http.NewRequest("GET", srv.URL, nil)))
	if err != nil {
		t.Fatal(err)
	}
	if text := body(t, resp); resp.StatusCode != 200 || text != "hello" {
		t.Errorf("got %d %q, want the handler's answer", resp.StatusCode, text)
	}
	if gate.last(t).Outcome != enmesh.Failure {
		t.Error("the gate did not hear the error")
	}
}

// logged is a log that can be read.
type logged struct {
	mu   sync.Mutex // guards text
	text strings.Builder
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func TestHandler_panics(t *testing.T) {
	for _, recovers := range []bool{false, true} {
		for _, tt := range []struct {
			name   string
			h      http.HandlerFunc
			status int  // 0: the connection is cut
			logs   bool // the panic is logged
		}{
			{"before the answer", func(http.ResponseWriter, *http.Request) { panic("boom") }, 500, true},
			{"within the answer", func(w http.ResponseWriter, _ *http.Request) {
				_, _ = io.WriteString(w, "half")
				w.(http.Flusher).Flush()
				panic("boom")
			}, 0, true},
			{"abort", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, 0, false},
		} {
			t.Run(fmt.Sprintf("%s, Recover in the chain: %v", tt.name, recovers), func(t *testing.T) {
				gate, text := &recorder{}, &logged{}
				ms := []enmesh.Middleware{enmesh.Guard(gate)}
				if recovers {
					ms = append(ms, enmesh.Recover(func(v any) bool { return v == http.ErrAbortHandler }))
				}
				srv := httptest.NewUnstartedServer(meshhttp.NewHandler(tt.h, enmesh.Fixed(false, ms...)))
				srv.Config.ErrorLog = log.New(text, "", 0)
				srv.Start()
				defer srv.Close()
				resp, err := http.DefaultTransport.RoundTrip(must(http.NewRequest("POST", srv.URL, nil)))
				if err == nil {
					_, err = io.ReadAll(resp.Body)
					_ = resp.Body.Close()
				}
				if tt.status == 0 && err == nil {
					t.Error("a cut answer looks whole")
				}
				if tt.status != 0 && (err != nil || resp.StatusCode != tt.status) {
					t.Errorf("got %v, %v; want %d", resp, err, tt.status)
				}
				gate.settled(t, 1)
				if got := strings.Contains(text.String(), "panic serving"); got != tt.logs {
					t.Errorf("logged: %v, want %v: %s", got, tt.logs, text)
				}
			})
		}
	}
}

func TestHandler_writerKeepsWhatTheServersCanDo(t *testing.T) {
	for _, h2 := range []bool{false, true} {
		var flusher, hijacker, readerFrom, pusher bool
		srv := httptest.NewUnstartedServer(meshhttp.NewHandler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			_, flusher = w.(http.Flusher)
			_, hijacker = w.(http.Hijacker)
			_, readerFrom = w.(io.ReaderFrom)
			_, pusher = w.(http.Pusher)
			rc := http.NewResponseController(w)
			if err := rc.SetWriteDeadline(time.Now().Add(time.Minute)); err != nil {
				t.Error("write deadline:", err)
			}
			if err := rc.Flush(); err != nil {
				t.Error("flush:", err)
			}
			_, _ = io.WriteString(w, "hello ")
			_, _ = io.Copy(w, io.LimitReader(strings.NewReader("world!"), 5))
		}), enmesh.Fixed(false)))
		srv.EnableHTTP2 = h2
		srv.StartTLS()
		t.Cleanup(srv.Close)
		resp, err := srv.Client().Get(srv.URL)
		if err != nil {
			t.Fatal(err)
		}
		if got := body(t, resp); got != "hello world" || resp.ProtoAtLeast(2, 0) != h2 {
			t.Errorf("got %q over %s", got, resp.Proto)
		}
		if !flusher || hijacker == h2 || readerFrom == h2 || pusher != h2 {
			t.Errorf("HTTP/2 %v: flusher %v, hijacker %v, readerFrom %v, pusher %v", h2, flusher, hijacker, readerFrom, pusher)
		}
	}
	rec := httptest.NewRecorder()
	meshhttp.NewHandler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if _, ok := w.(http.Hijacker); ok {
			t.Error("a recorder cannot be hijacked")
		}
		w.(http.Flusher).Flush()
	}), enmesh.Fixed(false)).ServeHTTP(rec, httptest.NewRequest("GET", "/", nil))
	if !rec.Flushed {
		t.Error("Flush did not arrive")
	}
}

func TestHandler_informationalStatusIsNotTheStatus(t *testing.T) {
	gate := &recorder{}
	var inside int
	srv := serve(t, gate, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Link", "</style.css>")
		w.WriteHeader(http.StatusEarlyHints)
		w.WriteHeader(404)
	}), seen(func(c *enmesh.Call, _ error) { inside = c.Answer.Status }))
	w := worldOf(srv)
	c := w.client(t, nil, false)
	var early int
	ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{
		Got1xxResponse: func(code int, _ textproto.MIMEHeader) error { early = code; return nil },
	})
	resp, err := c.Do(must(http.NewRequestWithContext(ctx, "GET", "http://svc/", nil)))
	if err != nil {
		t.Fatal(err)
	}
	_ = body(t, resp)
	if early != 103 || resp.StatusCode != 404 || inside != 404 {
		t.Errorf("got %d, then %d, inside %d; want 103, then 404", early, resp.StatusCode, inside)
	}
}

func TestHandler_handsBackThePatternAndTheForm(t *testing.T) {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /items/{id}", func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, r.PathValue("id")) })
	var pattern string
	inner := meshhttp.NewHandler(mux, enmesh.Fixed(false))
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		inner.ServeHTTP(w, r)
		pattern = r.Pattern
	}))
	defer srv.Close()
	resp, err := http.DefaultTransport.RoundTrip(must(http.NewRequest("GET", srv.URL+"/items/7", nil)))
	if err != nil {
		t.Fatal(err)
	}
	if got := body(t, resp); got != "7" || pattern != "GET /items/{id}" {
		t.Errorf("got %q, pattern %q", got, pattern)
	}
}

func TestHandler_callersEndIsNobodysFault(t *testing.T) {
	gate := &recorder{}
	started := make(chan struct{})
	srv := serve(t, gate, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		close(started)
		<-r.Context().Done()
		w.WriteHeader(502) // as httputil.ReverseProxy does
	}))
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-started
		cancel()
	}()
	_, err := http.DefaultTransport.RoundTrip(must(http.NewRequestWithContext(ctx, "GET", srv.URL, nil)))
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if r := gate.last(t); r.Outcome != enmesh.Neutral {
		t.Errorf("got %v (%v), want neutral", r.Outcome, r.Err)
	}
}

// upgrade is a handler that echoes lines on a connection it took over.
func upgrade(w http.ResponseWriter, _ *http.Request) {
	conn, rw, err := http.NewResponseController(w).Hijack()
	if err != nil {
		http.Error(w, err.Error(), 500)
		return
	}
	defer conn.Close()
	_, _ = rw.WriteString("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
	_ = rw.Flush()
	for {
		line, err := rw.ReadString('\n')
		if err != nil {
			return
		}
		_, _ = rw.WriteString(line)
		_ = rw.Flush()
	}
}

func TestUpgrade_throughAProxyOnBothSides(t *testing.T) {
	far, near := &recorder{}, &recorder{}
	backend := serve(t, far, http.HandlerFunc(upgrade))
	w := worldOf(backend)
	proxy := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: "svc"})
	proxy.Transport = w.client(t, nil, false).Transport
	front := serve(t, near, proxy)
	conn, err := net.Dial("tcp", front.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_, _ = io.WriteString(conn, "GET / HTTP/1.1\r\nHost: svc\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
	br := bufio.NewReader(conn)
	resp, err := http.ReadResponse(br, nil)
	if err != nil || resp.StatusCode != 101 {
		t.Fatalf("got %v, %v; want 101", resp, err)
	}
	for _, line := range []string{"one\n", "two\n"} {
		_, _ = io.WriteString(conn, line)
		if got, err := br.ReadString('\n'); err != nil || got != line {
			t.Fatalf("echo: got %q, %v; want %q", got, err, line)
		}
	}
	for name, gate := range map[string]*recorder{"far": far, "near": near, "client": w.guard, "endpoint": w.gate} {
		if gate.done.Load() != 0 {
			t.Errorf("%s gate: the call ended while its connection was open", name)
		}
	}
	_ = conn.Close()
	for name, gate := range map[string]*recorder{"far": far, "near": near, "client": w.guard, "endpoint": w.gate} {
		gate.settled(t, 1)
		if r := gate.last(t); r.Outcome == enmesh.Failure {
			t.Errorf("%s gate: got %v (%v)", name, r.Outcome, r.Err)
		}
	}
}

// What a policy adds to the answer's header before there is an answer goes out with it:
// with the handler's, and with a refusal.
func TestHandler_policiesAddToEveryAnswer(t *testing.T) {
	no := &enmesh.Error{Code: enmesh.ResourceExhausted, Outcome: enmesh.Neutral, Status: 429, Policy: "test", Err: errors.New("no")}
	srv := serve(t, &recorder{}, status(200, ""), before(func(_ context.Context, c *enmesh.Call) error {
		c.Answer.Header.Add("X-Policy", "one")
		c.Answer.Header.Add("X-Policy", "two")
		if c.Path == "/refused" {
			return no
		}
		return nil
	}))
	for path, want := range map[string]int{"/": 200, "/refused": 429} {
		resp, err := http.Get(srv.URL + path)
		if err != nil {
			t.Fatal(err)
		}
		_ = body(t, resp)
		if got := resp.Header["X-Policy"]; resp.StatusCode != want || len(got) != 2 || got[0] != "one" || got[1] != "two" {
			t.Errorf("%s: %d with X-Policy %q, want %d with one and two", path, resp.StatusCode, got, want)
		}
	}
}
