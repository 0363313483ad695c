// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package meshhttp_test

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
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
	addr string
	mu   sync.Mutex
	seen []string
}

// newBounded serves with what NewServer makes: the handler reads the body and says what it
// saw.
func newBounded(t *testing.T, opts ...meshhttp.LimitOption) *bounded {
	t.Helper()
	b := &bounded{}
	s := meshhttp.NewServer(meshhttp.NewHandler(http.HandlerFunc(b.serve), enmesh.Fixed(false)), opts...)
	s.ErrorLog = log.New(io.Discard, "", 0)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	g, done := meshhttp.Graceful(s), make(chan struct{})
	go func() { defer close(done); _ = g.Serve(l) }()
	t.Cleanup(func() { _ = g.Close(); <-done })
	b.addr = l.Addr().String()
	return b
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
	for name, head := range map[string]string{
		"two lengths":                "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nContent-Length: 36\r\n\r\n",
		"two lengths in one line":    "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0, 36\r\n\r\n",
		"a length with a sign":       "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +0\r\n\r\n",
		"a space before the colon":   "GET / HTTP/1.1\r\nHost: a\r\nX-A : 1\r\n\r\n",
		"a length with a space":      "POST / HTTP/1.1\r\nHost: a\r\nContent-Length : 0\r\n\r\n",
		"a space before the name":    "GET / HTTP/1.1\r\n X-A: 1\r\nHost: a\r\n\r\n",
		"two codings":                "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n",
		"an unknown coding":          "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
		"a coding with a tab":        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
		"two hosts":                  "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
		"no host":                    "GET / HTTP/1.1\r\n\r\n",
		"NUL in a value":             "GET / HTTP/1.1\r\nHost: a\r\nX-A: a\x00b\r\n\r\n",
		"CR in a value":              "GET / HTTP/1.1\r\nHost: a\r\nX-A: a\rb\r\n\r\n",
		"a chunk size of no number":  "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0x1\r\na\r\n0\r\n\r\n",
		"a chunk size that is long":  "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n11111111111111111\r\na\r\n0\r\n\r\n",
		"a chunk longer than it is":  "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nabc\r\n0\r\n\r\n",
		"a chunk that ends with LF":  "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\na\n0\n\n",
		"a chunk extension of 1 MiB": "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1;" + strings.Repeat("a", 1<<20) + "\r\na\r\n0\r\n\r\n",
		"chunk extensions of 1 MiB":  "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" + strings.Repeat("1;"+strings.Repeat("a", 1000)+"\r\na\r\n", 1000) + "0\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			b := newBounded(t)
			statuses, closed := b.raw(t, head+smuggled)
			for _, s := range statuses {
				if s < 400 {
					t.Errorf("got %d, want 400 or more", s)
				}
			}
			if len(statuses) > 1 || !closed || len(b.saw()) != 0 {
				t.Errorf("got %v, closed %v, and handlers saw %q; want one answer, the end, and none", statuses, closed, b.saw())
			}
		})
	}
}

// TestScenarioR6_lengthAndChunks: net/http goes by the chunks of a request that has a
// length too, and does not tell. With CloseChunked nothing is read after it.
func TestScenarioR6_lengthAndChunks(t *testing.T) {
	const both = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + smuggled
	b := newBounded(t, meshhttp.CloseChunked())
	statuses, closed := b.raw(t, both)
	if len(statuses) != 1 || !closed || len(b.saw()) != 1 || !strings.HasPrefix(b.saw()[0], "POST / ") {
		t.Errorf("got %v, closed %v, and the handler saw %q; want one answer, the end, and the first", statuses, closed, b.saw())
	}
}

// TestScenarioR6_folded: what RFC 9112 lets a server read, the handler reads as one value.
func TestScenarioR6_folded(t *testing.T) {
	b := newBounded(t)
	for _, text := range []string{
		"GET /folded HTTP/1.1\r\nHost: a\r\nX-A: a\r\n b\r\n\r\n", // section 5.2
		"GET /bare HTTP/1.1\nHost: a\nX-A: a b\n\n",               // section 2.2
	} {
		if statuses, _ := b.raw(t, text); len(statuses) != 1 || statuses[0] != 200 {
			t.Errorf("%q: got %v, want 200", text, statuses)
		}
	}
	for _, s := range b.saw() {
		if !strings.Contains(s, ` "a b" `) {
			t.Errorf("the handler saw %s, want the value \"a b\"", s)
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
