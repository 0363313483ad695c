// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package meshhttp_test

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/meshhttp"
)

// bounded is a server under test, and what its handler saw.
type bounded struct {
	addr  string
	roots *tls.Config // of clients, over TLS
	mu    sync.Mutex
	seen  []string
}

// newBounded serves with what NewServer makes: the handler reads the body and says what it
// saw.
func newBounded(t *testing.T, opts ...meshhttp.LimitOption) *bounded {
	t.Helper()
	b := &bounded{}
	s := meshhttp.NewServer(meshhttp.NewHandler(http.HandlerFunc(b.serve), enmesh.Fixed(false)), opts...)
	s.ErrorLog = log.New(io.Discard, "", 0)
	b.addr = serveAt(t, s)
	return b
}

// newSecured is newBounded over TLS.
func newSecured(t *testing.T) *bounded {
	t.Helper()
	b := &bounded{}
	s := meshhttp.NewServer(meshhttp.NewHandler(http.HandlerFunc(b.serve), enmesh.Fixed(false)))
	s.ErrorLog = log.New(io.Discard, "", 0)
	s.TLSConfig, b.roots = donor(t)
	b.addr = serveAt(t, s)
	return b
}

// serveAt serves until the test ends.
func serveAt(t *testing.T, s *meshhttp.Server) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	g, done := meshhttp.Graceful(s), make(chan struct{})
	go func() { defer close(done); _ = g.Serve(l) }()
	t.Cleanup(func() { _ = g.Close(); <-done })
	return l.Addr().String()
}

func (b *bounded) serve(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	var long *http.MaxBytesError
	switch {
	case errors.As(err, &long):
		http.Error(w, "long", http.StatusRequestEntityTooLarge)
		return
	case err != nil:
		http.Error(w, "broken", http.StatusBadRequest)
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.seen = append(b.seen, r.Method+" "+r.URL.Path+" "+strconv.Quote(r.Header.Get("X-A"))+" "+strconv.Itoa(len(body)))
	_, _ = io.WriteString(w, "ok")
}

func (b *bounded) saw() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.seen
}

// raw sends bytes as they are, and gives the answers that came until the server ended the
// connection, or had nothing more to say for a moment.
func (b *bounded) raw(t *testing.T, text string) (statuses []int, closed bool) {
	t.Helper()
	c, err := net.Dial("tcp", b.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if b.roots != nil {
		c, text = tls.Client(c, b.roots), strings.ReplaceAll(text, "Host: a\r\n", "Host: example.com\r\n")
	}
	go func() { _, _ = io.WriteString(c, text) }() // the server may stop reading
	r := bufio.NewReader(c)
	for {
		_ = c.SetReadDeadline(time.Now().Add(300 * time.Millisecond))
		resp, err := http.ReadResponse(r, nil)
		if err != nil {
			var late net.Error
			return statuses, !errors.As(err, &late) || !late.Timeout()
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		statuses = append(statuses, resp.StatusCode)
	}
}

const smuggled = "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"

// TestScenarioR6_smuggling: requests that two servers may read differently are refused, and
// their connection ends, so that what follows is never read as another request.
func TestScenarioR6_smuggling(t *testing.T) {
	const head = "POST / HTTP/1.1\r\nHost: a\r\n"
	other := map[string]int{"an unknown coding": 501} // RFC 9112, section 6.1
	for name, text := range map[string]string{
		"two lengths":                 head + "Content-Length: 0\r\nContent-Length: 36\r\n\r\n",
		"two lengths that agree":      head + "Content-Length: 0\r\nContent-Length: 0\r\n\r\n",
		"two lengths in one line":     head + "Content-Length: 0, 36\r\n\r\n",
		"a length with a sign":        head + "Content-Length: +0\r\n\r\n",
		"a length with a space":       head + "Content-Length : 0\r\n\r\n",
		"a length and chunks":         head + "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		"chunks and a length":         head + "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
		"chunks in HTTP/1.0":          "POST / HTTP/1.0\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		"two codings":                 head + "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n",
		"an unknown coding":           head + "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
		"a coding with a tab":         head + "Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
		"a space before the colon":    "GET / HTTP/1.1\r\nHost: a\r\nX-A : 1\r\n\r\n",
		"a space before the name":     "GET / HTTP/1.1\r\n X-A: 1\r\nHost: a\r\n\r\n",
		"a folded line":               "GET / HTTP/1.1\r\nHost: a\r\nX-A: a\r\n b\r\n\r\n",
		"lines that end with LF":      "GET / HTTP/1.1\nHost: a\n\n",
		"a field that ends with LF":   "GET / HTTP/1.1\r\nHost: a\r\nX-A: a\nX-B: b\r\n\r\n",
		"a head that ends with LF":    "GET / HTTP/1.1\r\nHost: a\r\n\n",
		"two hosts":                   "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
		"no host":                     "GET / HTTP/1.1\r\n\r\n",
		"NUL in a value":              "GET / HTTP/1.1\r\nHost: a\r\nX-A: a\x00b\r\n\r\n",
		"CR in a value":               "GET / HTTP/1.1\r\nHost: a\r\nX-A: a\rb\r\n\r\n",
		"a chunk size of no number":   head + "Transfer-Encoding: chunked\r\n\r\n0x1\r\na\r\n0\r\n\r\n",
		"a chunk size that is long":   head + "Transfer-Encoding: chunked\r\n\r\n11111111111111111\r\na\r\n0\r\n\r\n",
		"a chunk longer than it is":   head + "Transfer-Encoding: chunked\r\n\r\n1\r\nabc\r\n0\r\n\r\n",
		"a chunk that ends with LF":   head + "Transfer-Encoding: chunked\r\n\r\n1\na\n0\n\n",
		"a chunk extension of 1 MiB":  head + "Transfer-Encoding: chunked\r\n\r\n1;" + strings.Repeat("a", 1<<20) + "\r\na\r\n0\r\n\r\n",
		"chunk extensions of 1 MiB":   head + "Transfer-Encoding: chunked\r\n\r\n" + strings.Repeat("1;"+strings.Repeat("a", 1000)+"\r\na\r\n", 1000) + "0\r\n\r\n",
		"no field behind chunks":      head + "Transfer-Encoding: chunked\r\n\r\n0\r\nX-B 1\r\n\r\n",
		"a field behind chunks, LF":   head + "Transfer-Encoding: chunked\r\n\r\n0\r\nX-B: 1\n\r\n",
		"a field behind them, folded": head + "Transfer-Encoding: chunked\r\n\r\n0\r\nX-B: 1\r\n 2\r\n\r\n",
	} {
		for _, secure := range []bool{false, true} {
			t.Run(name+map[bool]string{true: " over TLS"}[secure], func(t *testing.T) {
				b := newBounded(t)
				if secure {
					b = newSecured(t)
				}
				const before = "GET /before HTTP/1.1\r\nHost: a\r\n\r\n"
				statuses, closed := b.raw(t, before+text+smuggled)
				want := other[name]
				if want == 0 {
					want = 400
				}
				if !slices.Equal(statuses, []int{200, want}) || !closed || len(b.saw()) != 1 {
					t.Errorf("got %v, closed %v, and handlers saw %q; want 200 to the request before, %d to this one and the end", statuses, closed, b.saw(), want)
				}
			})
		}
	}
}

// TestScenarioR6_isReadAsItIs: what is not refused comes as it was sent, over one connection.
func TestScenarioR6_isReadAsItIs(t *testing.T) {
	const chunks = "Transfer-Encoding: chunked\r\n\r\n5;a=b\r\n1\n3\n5\r\n1\r\n\n\r\n0\r\nX-B: 1\r\n\r\n"
	text := "POST /length HTTP/1.1\r\nHost: a\r\nX-A: a b\r\nContent-Length: 7\r\n\r\na\n b\n\n\n" +
		"POST /chunks HTTP/1.1\r\nHost: a\r\nX-A: a b\r\n" + chunks + "GET /none HTTP/1.1\r\nHost: a\r\nX-A: a b\r\n\r\n"
	want := []string{`POST /length "a b" 7`, `POST /chunks "a b" 6`, `GET /none "a b" 0`}
	for _, b := range []*bounded{newBounded(t), newSecured(t)} {
		if statuses, closed := b.raw(t, text); !slices.Equal(statuses, []int{200, 200, 200}) || closed || !slices.Equal(b.saw(), want) {
			t.Errorf("got %v, closed %v, and handlers saw %q; want %q", statuses, closed, b.saw(), want)
		}
	}
}

// TestScenarioR6_takenOver: a connection that is not HTTP's any more is the handler's as it is,
// before and after the first bytes behind the head.
func TestScenarioR6_takenOver(t *testing.T) {
	const odd = "\n a\n\r\n b\nTransfer-Encoding\n"
	h := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		c, rw, err := w.(http.Hijacker).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer c.Close()
		if _, plain := c.(interface{ NetConn() net.Conn }).NetConn().(*net.TCPConn); !plain {
			t.Errorf("the connection is around %T", c.(interface{ NetConn() net.Conn }).NetConn())
		}
		_, _ = io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: odd\r\n\r\n")
		got := make([]byte, 2*len(odd))
		if _, err := io.ReadFull(rw, got); err != nil || string(got) != odd+odd {
			t.Errorf("the handler read %q, %v; want %q twice", got, err, odd)
		}
	})
	s := meshhttp.NewServer(h)
	addr := serveAt(t, s)
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_, _ = io.WriteString(c, "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: odd\r\n\r\n")
	r := bufio.NewReader(c)
	if resp, err := http.ReadResponse(r, nil); err != nil || resp.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("got %v, %v", resp, err)
	}
	_, _ = io.WriteString(c, odd)
	_, _ = io.WriteString(c, odd)
	if _, err := r.ReadByte(); err != io.EOF {
		t.Errorf("got %v, want the end", err)
	}
}

// TestServer_plaintextToTLS: who does not speak TLS is told, as net/http does.
func TestServer_plaintextToTLS(t *testing.T) {
	b := newSecured(t)
	c, err := net.Dial("tcp", b.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_, _ = io.WriteString(c, smuggled)
	text, _ := io.ReadAll(c)
	if !strings.HasPrefix(string(text), "HTTP/1.0 400 ") || !strings.Contains(string(text), "HTTPS") {
		t.Errorf("got %q, want 400 that says so", text)
	}
}

// TestServer_speaksBoth: over TLS HTTP/1.1 and HTTP/2 are served, and handlers know of TLS.
func TestServer_speaksBoth(t *testing.T) {
	for _, two := range []bool{false, true} {
		var saw *tls.ConnectionState
		cfg, roots := donor(t)
		s := meshhttp.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { saw = r.TLS }))
		s.TLSConfig = cfg
		addr := serveAt(t, s)
		base := &http.Transport{TLSClientConfig: roots, Protocols: new(http.Protocols)}
		base.Protocols.SetHTTP1(!two)
		base.Protocols.SetHTTP2(two)
		resp, err := (&http.Client{Transport: base}).Get("https://" + addr)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		base.CloseIdleConnections()
		if saw == nil || !saw.HandshakeComplete || saw.ServerName != "example.com" || (resp.ProtoMajor == 2) != two {
			t.Errorf("got %s, and the handler knows %+v; want HTTP/2 %t", resp.Proto, saw, two)
		}
	}
}

func TestNewServer_maxBody(t *testing.T) {
	b := newBounded(t, meshhttp.MaxBody(10))
	for name, tt := range map[string]struct {
		text string
		want int
	}{
		"within":          {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n0123456789", 200},
		"declared longer": {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 11\r\n\r\n01234567890", 413},
		"longer":          {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nb\r\n01234567890\r\n0\r\n\r\n", 413},
		"none":            {"GET / HTTP/1.1\r\nHost: a\r\n\r\n", 200},
	} {
		statuses, closed := b.raw(t, tt.text)
		if len(statuses) != 1 || statuses[0] != tt.want || closed != (tt.want == 413) {
			t.Errorf("%s: got %v, closed %v; want %d", name, statuses, closed, tt.want)
		}
	}
	if got := b.saw(); len(got) != 2 {
		t.Errorf("the handler saw the bodies of %q, want two", got)
	}
}

func TestNewServer_maxConnections(t *testing.T) {
	b := newBounded(t, meshhttp.MaxConnections(2))
	const ask = "GET / HTTP/1.1\r\nHost: a\r\n\r\n"
	var held []net.Conn
	for range 2 {
		c, err := net.Dial("tcp", b.addr)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		held = append(held, c)
		answers(t, c, ask, true)
	}
	third, err := net.Dial("tcp", b.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer third.Close()
	answers(t, third, ask, false)
	answers(t, held[0], ask, true)
	_ = held[1].Close()
	for until := time.Now().Add(5 * time.Second); ; {
		statuses, _ := b.raw(t, ask)
		if len(statuses) == 1 {
			break
		}
		if time.Now().After(until) {
			t.Fatal("a place that was given up was not taken again")
		}
	}
}

// answers asks, and wants an answer or none.
func answers(t *testing.T, c net.Conn, ask string, want bool) {
	t.Helper()
	_ = c.SetDeadline(time.Now().Add(5 * time.Second))
	_, _ = io.WriteString(c, ask)
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err == nil {
		_ = resp.Body.Close()
	}
	if got := err == nil; got != want {
		t.Errorf("answered: %v (%v), want %v", got, err, want)
	}
}

// TestNewServer_defaults are the numbers that the documentation gives.
func TestNewServer_defaults(t *testing.T) {
	s := meshhttp.NewServer(nil)
	if s.MaxHeaderBytes != 16<<10 || s.ReadHeaderTimeout != 5*time.Second || s.IdleTimeout != time.Minute || s.WriteTimeout != 0 || s.ReadTimeout != 0 {
		t.Errorf("got %d bytes of header, %v, %v, %v, %v", s.MaxHeaderBytes, s.ReadHeaderTimeout, s.IdleTimeout, s.ReadTimeout, s.WriteTimeout)
	}
	h := s.HTTP2
	if h.MaxConcurrentStreams != 100 || h.MaxReceiveBufferPerStream != 64<<10 || h.MaxReceiveBufferPerConnection != 1<<20 {
		t.Errorf("HTTP/2: got %+v", h)
	}
	if s.TLSConfig != nil {
		t.Error("there is a TLSConfig that nobody gave")
	}
	s = meshhttp.NewServer(nil, meshhttp.MaxHeader(1<<20), meshhttp.HeaderTimeout(time.Second), meshhttp.IdleTimeout(-1),
		meshhttp.ReadTimeout(2*time.Second), meshhttp.WriteTimeout(3*time.Second), meshhttp.MaxStreams(7), meshhttp.Windows(1<<20, 2<<20),
		meshhttp.BodyTimeout(-1), meshhttp.FloodLimit(0, -1))
	h = s.HTTP2
	if s.MaxHeaderBytes != 1<<20 || s.ReadHeaderTimeout != time.Second || s.IdleTimeout >= 0 || s.WriteTimeout != 3*time.Second ||
		s.ReadTimeout != 2*time.Second || h.MaxConcurrentStreams != 7 || h.MaxReceiveBufferPerStream != 1<<20 || h.MaxReceiveBufferPerConnection != 2<<20 {
		t.Errorf("with options: got %+v, %+v", s, h)
	}
	if s.TLSNextProto != nil {
		t.Error("frames are counted though they are not to be")
	}
}

// TestNewServer_drains: a server of NewServer ends as others do, over HTTP/2 too.
func TestNewServer_drains(t *testing.T) {
	entered, leave := make(chan struct{}), make(chan struct{})
	s := meshhttp.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		close(entered)
		<-leave
		_, _ = io.WriteString(w, "done")
	}))
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	g, done := meshhttp.Graceful(s), make(chan error, 1)
	go func() { done <- g.Serve(l) }()
	base := &http.Transport{Protocols: new(http.Protocols)}
	base.Protocols.SetUnencryptedHTTP2(true)
	defer base.CloseIdleConnections()
	answered := make(chan string, 1)
	go func() {
		resp, err := (&http.Client{Transport: base}).Get("http://" + l.Addr().String())
		if err != nil {
			answered <- err.Error()
			return
		}
		defer resp.Body.Close()
		text, _ := io.ReadAll(resp.Body)
		answered <- resp.Proto + " " + string(bytes.TrimSpace(text))
	}()
	<-entered
	down := make(chan error, 1)
	go func() { down <- g.Shutdown(t.Context()) }()
	if err := <-done; !errors.Is(err, http.ErrServerClosed) {
		t.Errorf("Serve: %v", err)
	}
	select {
	case <-down:
		t.Error("Shutdown did not wait for the request in flight")
	case <-time.After(50 * time.Millisecond):
	}
	close(leave)
	if got := <-answered; got != "HTTP/2.0 done" {
		t.Errorf("the request in flight: got %q", got)
	}
	if err := <-down; err != nil {
		t.Errorf("Shutdown: %v", err)
	}
}
