// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package meshhttp_test

import (
	"bufio"
	"bytes"
	"context"
	"net"
	"net/http"
	"net/http/httptrace"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/balance"
	"github.com/enmesh-go/enmesh/discovery"
	"github.com/enmesh-go/enmesh/meshhttp"
)

// frugal answers every request without a body of its own allocations: what is counted in
// the process is the client's.
func frugal(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() {
				defer conn.Close()
				buf, answer := make([]byte, 4096), []byte("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")
				for {
					n, err := conn.Read(buf)
					if err != nil {
						return
					}
					if bytes.HasSuffix(buf[:n], []byte("\r\n\r\n")) {
						_, _ = conn.Write(answer)
					}
				}
			})
		}
	})
	t.Cleanup(func() { _ = l.Close(); wg.Wait() })
	return l.Addr().String()
}

func TestTransport_allocationsOverHTTP1(t *testing.T) {
	addr := frugal(t)
	router, _ := fullChain()
	source := balance.NewStaticSource(map[string][]discovery.Endpoint{"svc": endpoints(addr)}, balance.PowerOfTwo())
	base := &http.Transport{}
	defer base.CloseIdleConnections()
	tr := meshhttp.NewTransport(base, router, source)
	defer tr.Close()
	get := func(url string) *http.Request {
		req := must(http.NewRequest("GET", url, nil))
		req.Header.Set("X-Request-Id", "1")
		return req
	}
	direct, meshed := get("http://"+addr+"/path"), get("http://svc:8080/path")
	for range 3 {
		roundTrip(t, tr, meshed) // the first tells that it is HTTP/1
	}
	bare := testing.AllocsPerRun(200, func() { roundTrip(t, base, direct) })
	full := testing.AllocsPerRun(200, func() { roundTrip(t, tr, meshed) })
	t.Logf("%.0f allocations over %.0f", full-bare, bare)
	const bound = 2 // what outlives the call, and the value of the header that the chain sets
	if full-bare > bound && !raceEnabled {
		t.Errorf("+%.0f allocations over bare, want at most %d", full-bare, bound)
	}
}

// deaf is one end of a connection to a server that answers what it has not read, when
// stuck: the client's first Write then lasts until it is let go.
type deaf struct {
	net.Conn
	begun func()
	free  <-chan struct{}
}

func (w *deaf) Write(p []byte) (int, error) {
	if w.free == nil {
		return w.Conn.Write(p)
	}
	w.begun()
	<-w.free
	return 0, net.ErrClosed
}

// A server may answer before it has the request: net/http is still at it when the call is
// over, and the request is not to become another's meanwhile. The race detector sees it.
func TestTransport_requestStillWrittenAfterItsEnd(t *testing.T) {
	const answer = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello"
	var stuck chan struct{}
	dial := func(context.Context, string, string) (net.Conn, error) {
		ours, far := net.Pipe()
		respond := func() { _, _ = far.Write([]byte(answer)) }
		if stuck == nil {
			go func() {
				_, _ = http.ReadRequest(bufio.NewReader(far))
				respond()
			}()
			return ours, nil
		}
		return &deaf{ours, sync.OnceFunc(func() { go respond() }), stuck}, nil
	}
	source := balance.NewStaticSource(map[string][]discovery.Endpoint{"svc": endpoints("127.0.0.1:1")}, balance.PowerOfTwo())
	tr := meshhttp.NewTransport(&http.Transport{DialContext: dial}, enmesh.Fixed(false, traced), source)
	defer tr.Close()
	get := func() *http.Request {
		req := must(http.NewRequest("GET", "http://svc/", nil))
		req.Header.Set("X-Large", strings.Repeat("x", 16<<10)) // more than net/http writes at once
		return req
	}
	for range 10 {
		stuck = nil
		roundTrip(t, tr, get())
		free := make(chan struct{})
		stuck = free
		roundTrip(t, tr, get())
		stuck = nil
		roundTrip(t, tr, get())
		close(free)
	}
}

// The caller's own trace is asked, and nothing of ours is in its way.
func TestTransport_callersTrace(t *testing.T) {
	tr, _, _ := echoing(t)
	for i := range 5 {
		var got, wrote atomic.Int32
		ctx := httptrace.WithClientTrace(context.Background(), &httptrace.ClientTrace{
			GotConn:      func(httptrace.GotConnInfo) { got.Add(1) },
			WroteRequest: func(httptrace.WroteRequestInfo) { wrote.Add(1) },
		})
		roundTrip(t, tr, must(http.NewRequestWithContext(ctx, "POST", "http://svc/?q", strings.NewReader("body"))))
		if got.Load() != 1 || wrote.Load() != 1 {
			t.Errorf("call %d: %d connections and %d requests, want one of each", i+1, got.Load(), wrote.Load())
		}
		roundTrip(t, tr, must(http.NewRequest("POST", "http://svc/?q", strings.NewReader("body"))))
	}
}
