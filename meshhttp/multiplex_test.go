// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package meshhttp_test

import (
	"bufio"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"golang.org/x/net/http2"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/balance"
	"github.com/enmesh-go/enmesh/meshhttp"
)

// TestSockets_callsThatBeginAtOnceShareOne: calls that come while the first connection of
// HTTP/2 is made wait for it, where net/http makes one for each. Where the server chooses
// HTTP/1.1 each gets its own.
func TestSockets_callsThatBeginAtOnceShareOne(t *testing.T) {
	const calls = 50
	for _, w := range wires {
		t.Run(w.name, func(t *testing.T) {
			var all, here sync.WaitGroup
			here.Add(calls)
			s := newShop(t, w, balance.ConnectionConfig{}, false, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
				here.Done()
				here.Wait()
			}))
			for range calls {
				all.Go(func() { _, _ = get(t, s.client, "http://svc/") })
			}
			all.Wait()
			want := int64(1)
			if w.proto == "HTTP/1.1" {
				want = calls
			}
			if got := s.made.Load(); got != want {
				t.Errorf("connections for %d calls at once: got %d, want %d", calls, got, want)
			}
		})
	}
}

// TestSockets_asManyAsTheStreamsNeed: a call that finds every connection of HTTP/2 full gets
// one more, and no call more than it needs.
func TestSockets_asManyAsTheStreamsNeed(t *testing.T) {
	const streams, calls = 5, 20
	release, held := make(chan struct{}), make(chan struct{}, calls)
	s := newShop(t, wire{"", false, balance.HTTP2, "HTTP/2.0", streams}, balance.ConnectionConfig{}, false,
		http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/held" {
				held <- struct{}{}
				<-release
			}
		}))
	_, _ = get(t, s.client, "http://svc/") // the first connection knows how many calls it takes
	var all sync.WaitGroup
	for range calls {
		all.Go(func() { _, _ = get(t, s.client, "http://svc/held") })
		<-held
	}
	if got := s.made.Load(); got != calls/streams {
		t.Errorf("connections for %d calls at once, %d on each: got %d, want %d", calls, streams, got, calls/streams)
	}
	close(release)
	all.Wait()
}

// TestTransport_boundsOfItsPattern: what an *http.Transport says of its connections holds for
// each endpoint, beside what policy says.
func TestTransport_boundsOfItsPattern(t *testing.T) {
	for name, tt := range map[string]struct {
		base    http.RoundTripper
		policy  balance.ConnectionConfig
		at      int   // calls at once
		made    int64 // connections
		kept    int64
		another int64 // made for one more call
	}{
		"MaxConnsPerHost":             {&http.Transport{MaxConnsPerHost: 3}, balance.ConnectionConfig{}, 3, 3, 2, 0},
		"MaxConnsPerHost, and policy": {&http.Transport{MaxConnsPerHost: 1}, balance.ConnectionConfig{MaxConnections: 3, MaxAge: 1 << 40}, 3, 3, 3, 0},
		"MaxIdleConnsPerHost":         {&http.Transport{MaxIdleConnsPerHost: 4}, balance.ConnectionConfig{}, 6, 6, 4, 0},
		"MaxIdleConns":                {&http.Transport{MaxIdleConnsPerHost: 4, MaxIdleConns: 1}, balance.ConnectionConfig{}, 6, 6, 1, 0},
		"net/http's default":          {&http.Transport{}, balance.ConnectionConfig{}, 6, 6, 2, 0},
		"ours":                        {nil, balance.ConnectionConfig{}, 20, 20, 20, 0},
		"none is kept":                {&http.Transport{MaxIdleConnsPerHost: -1}, balance.ConnectionConfig{}, 2, 2, 0, 1},
		"DisableKeepAlives":           {&http.Transport{DisableKeepAlives: true}, balance.ConnectionConfig{}, 2, 2, 0, 1},
	} {
		t.Run(name, func(t *testing.T) {
			release, held := make(chan struct{}), make(chan struct{}, tt.at)
			s := newShop(t, wires[0], tt.policy, false, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				if r.URL.Path == "/held" {
					held <- struct{}{}
					<-release
				}
			}))
			tr := meshhttp.NewTransport(tt.base, enmesh.Fixed(false), oneCluster{s.cluster})
			t.Cleanup(func() { _ = tr.Close() })
			s.client.Transport = tr
			var all sync.WaitGroup
			for range tt.at {
				all.Go(func() { _, _ = get(t, s.client, "http://svc/held") })
				<-held
			}
			close(release)
			all.Wait()
			eventually(t, "as many connections are kept as may be", func() bool { return s.made.Load() == tt.made && s.open.Load() == tt.kept })
			_, _ = get(t, s.client, "http://svc/")
			if got := s.made.Load() - tt.made; got != tt.another {
				t.Errorf("connections made for one more call: got %d, want %d", got, tt.another)
			}
		})
	}
}

// TestTransport_basesWithAnotherHTTP2: a pattern that golang.org/x/net/http2 was put into speaks
// HTTP/2, that of net/http.
func TestTransport_basesWithAnotherHTTP2(t *testing.T) {
	s := newShop(t, wires[2], balance.ConnectionConfig{}, false, say)
	base := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
	if err := http2.ConfigureTransport(base); err != nil { //nolint:staticcheck // programs have it
		t.Fatal(err)
	}
	tr := meshhttp.NewTransport(base, enmesh.Fixed(false), oneCluster{s.cluster})
	t.Cleanup(func() { _ = tr.Close() })
	s.client.Transport = tr
	if resp, got := get(t, s.client, "https://svc/"); resp.Proto != "HTTP/2.0" || got != "done" {
		t.Errorf("got %q over %s, want it over HTTP/2.0", got, resp.Proto)
	}
}

// forgetful is a server of HTTP/1.1 that answers the first request of each connection, and
// ends it at the second, which it has read.
func forgetful(t *testing.T) (string, *sync.Map) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	served := new(sync.Map) // method -> *atomic.Int64
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				r := bufio.NewReader(conn)
				for n := range 2 {
					req, err := http.ReadRequest(r)
					if err != nil {
						return
					}
					_, _ = io.Copy(io.Discard, req.Body)
					count, _ := served.LoadOrStore(req.Method, new(atomic.Int64))
					count.(*atomic.Int64).Add(1)
					if n == 0 {
						_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
					}
				}
			}()
		}
	}()
	return l.Addr().String(), served
}

// TestTransport_sendsTwiceWhatMayBe: a kept connection ends after a request was sent over it
// and before an answer. What net/http would send again is sent again, over another one;
// nothing else is.
func TestTransport_sendsTwiceWhatMayBe(t *testing.T) {
	for _, tt := range []struct {
		method, key, body string
		again             bool
	}{
		{method: http.MethodGet, again: true},
		{method: http.MethodPost, body: "order"},
		{method: http.MethodPost, body: "order", key: "7", again: true},
		{method: http.MethodPut, body: "order"},
		{method: http.MethodDelete},
	} {
		t.Run(tt.method+tt.key, func(t *testing.T) {
			addr, served := forgetful(t)
			gate := &recorder{}
			tr := meshhttp.NewTransport(nil, enmesh.Fixed(false), oneCluster{newCluster(gate, addr)})
			defer tr.Close()
			_, _ = get(t, &http.Client{Transport: tr}, "http://svc/")
			served.Clear()
			var content io.Reader = http.NoBody
			if tt.body != "" {
				content = strings.NewReader(tt.body)
			}
			req := must(http.NewRequestWithContext(t.Context(), tt.method, "http://svc/", content))
			if tt.key != "" {
				req.Header.Set("Idempotency-Key", tt.key)
			}
			resp, err := tr.RoundTrip(req)
			if (err == nil) != tt.again {
				t.Errorf("got %v, want an answer: %v", err, tt.again)
			}
			if err == nil {
				_ = resp.Body.Close()
			} else if e := enmesh.ErrorOf(err); e == nil || e.Unsent || e.Outcome != enmesh.Failure {
				t.Errorf("got %#v, want a failure of what may have been processed", e)
			}
			want := int64(1)
			if tt.again {
				want = 2
			}
			if n, ok := served.Load(tt.method); !ok || n.(*atomic.Int64).Load() != want {
				t.Errorf("sent %v times, want %d", n, want)
			}
			gate.settled(t, 2)
		})
	}
}

// TestTransport_movesAwayFromGOAWAY: a server that says GOAWAY to the first request on each of
// its first connections, which it does not process, is asked over the next one at once.
func TestTransport_movesAwayFromGOAWAY(t *testing.T) {
	for farewells, works := range map[int64]bool{1: true, 6: true, 7: false} {
		addr, cfg := rawHTTP2(t, func(fr *http2.Framer, n int64, stream uint32) bool {
			if n <= farewells {
				_ = fr.WriteGoAway(0, http2.ErrCodeNo, nil)
				return false
			}
			respond(fr, stream)
			return true
		})
		gate := &recorder{}
		tr := meshhttp.NewTransport(nil, enmesh.Fixed(false), secured{oneCluster{newCluster(gate, addr)}, cfg})
		resp, err := tr.RoundTrip(must(http.NewRequestWithContext(t.Context(), http.MethodPost, "http://svc/", strings.NewReader("order"))))
		if (err == nil) != works {
			t.Errorf("%d farewells: got %v, want an answer: %v", farewells, err, works)
		}
		if err == nil {
			_ = resp.Body.Close()
		} else if e := enmesh.ErrorOf(err); e == nil || !e.Unsent || e.Outcome != enmesh.Failure {
			t.Errorf("%d farewells: got %#v, want a failure, unsent", farewells, e)
		}
		gate.settled(t, 1)
		_ = tr.Close()
	}
}

// TestTransport_tellTheCallersTrace: a trace in the caller's context is told of connections as
// net/http would tell it.
func TestTransport_tellTheCallersTrace(t *testing.T) {
	for _, w := range wires {
		t.Run(w.name, func(t *testing.T) {
			s := newShop(t, w, balance.ConnectionConfig{}, false, say)
			for n, reused := range []bool{false, true} {
				var asked, began, connected, wrote, first atomic.Int64
				var got httptrace.GotConnInfo
				ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{
					GetConn:              func(string) { asked.Add(1) },
					GotConn:              func(i httptrace.GotConnInfo) { got = i },
					ConnectStart:         func(string, string) { began.Add(1) },
					ConnectDone:          func(string, string, error) { connected.Add(1) },
					WroteRequest:         func(httptrace.WroteRequestInfo) { wrote.Add(1) },
					GotFirstResponseByte: func() { first.Add(1) },
				})
				resp, err := s.client.Do(must(http.NewRequestWithContext(ctx, http.MethodGet, "http://svc/", http.NoBody)))
				if err != nil {
					t.Fatal(err)
				}
				_ = body(t, resp)
				made := int64(1 - n)
				if asked.Load() != 1 || began.Load() != made || connected.Load() != made || wrote.Load() != 1 || first.Load() != 1 {
					t.Errorf("told %d times of asking, %d and %d of connecting, %d of writing and %d of an answer; want 1, %d, %d, 1, 1",
						asked.Load(), began.Load(), connected.Load(), wrote.Load(), first.Load(), made, made)
				}
				if got.Reused != reused || got.Conn == nil || got.Conn.RemoteAddr().String() != s.srv.Listener.Addr().String() {
					t.Errorf("call %d: got %+v, want the connection, reused: %v", n+1, got, reused)
				}
				if _, secured := got.Conn.(*tls.Conn); secured != w.tls {
					t.Errorf("got a %T", got.Conn)
				}
			}
		})
	}
}
