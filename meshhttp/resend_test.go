// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package meshhttp_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/balance"
	"github.com/enmesh-go/enmesh/discovery"
	"github.com/enmesh-go/enmesh/meshhttp"
)

// watchedConn tells when it is closed.
type watchedConn struct {
	net.Conn
	closed chan struct{}
	once   atomic.Bool
}

func (c *watchedConn) Close() error {
	if !c.once.Swap(true) {
		close(c.closed)
	}
	return c.Conn.Close()
}

// stales is a server, and a client whose connections to it can be made stale between
// their choice and the request.
type stales struct {
	client *http.Client
	served atomic.Int64
	last   atomic.Pointer[net.Conn] // of the server's, that fell idle last
	mine   atomic.Pointer[watchedConn]
	errs   []error // how attempts ended
}

func newStales(t *testing.T, resends bool, ms ...enmesh.Middleware) *stales {
	t.Helper()
	s := new(stales)
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.served.Add(1)
		_, _ = io.Copy(w, r.Body)
	}))
	srv.Config.ConnState = func(c net.Conn, state http.ConnState) {
		if state == http.StateIdle {
			s.last.Store(&c)
		}
	}
	srv.Start()
	t.Cleanup(srv.Close)
	base := &http.Transport{DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
		c, err := new(net.Dialer).DialContext(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		made := &watchedConn{Conn: c, closed: make(chan struct{})}
		s.mine.Store(made)
		return made, nil
	}}
	w := worldOf(srv)
	s.client = w.client(t, base, resends, append(ms, seen(func(_ *enmesh.Call, err error) { s.errs = append(s.errs, err) }))...)
	return s
}

func (s *stales) send(ctx context.Context, t *testing.T, content io.Reader) string {
	t.Helper()
	res, err := s.client.Do(must(http.NewRequestWithContext(ctx, http.MethodPost, "http://svc/", content)))
	if err != nil {
		t.Fatal(err)
	}
	return body(t, res)
}

// staling has the server close the idle connection as soon as it is chosen for a request.
func (s *stales) staling(t *testing.T) context.Context {
	t.Helper()
	stale := s.mine.Load()
	return gotConn(t.Context(), func() {
		if s.mine.Load() == stale && !stale.once.Load() {
			_ = (*s.last.Load()).Close()
			<-stale.closed // net/http has met the end
		}
	})
}

// TestTransport_sendsAgainWhatAStaleConnectionDidNotTake: the server closes a kept connection
// after net/http has chosen it and before the request is written. The request is a POST,
// and provably unsent: it is sent again within the attempt, whether its body can be had
// twice or was not read yet, and whatever the route says of retries.
func TestTransport_sendsAgainWhatAStaleConnectionDidNotTake(t *testing.T) {
	for name, content := range map[string]func() io.Reader{
		"a body that can be had again": func() io.Reader { return strings.NewReader("order") },
		"a body that cannot":           func() io.Reader { return io.MultiReader(strings.NewReader("order")) },
	} {
		for route, resends := range map[string]bool{"the route resends": true, "it does not": false} {
			t.Run(name+", "+route, func(t *testing.T) {
				var ms []enmesh.Middleware
				if resends {
					ms = append(ms, again(3))
				}
				s := newStales(t, resends, ms...)
				s.send(t.Context(), t, content())
				eventually(t, "the connection is idle", func() bool { return s.last.Load() != nil })
				got := s.send(s.staling(t), t, content())
				if got != "order" || s.served.Load() != 2 {
					t.Errorf("got %q, served %d times; want the order, served twice in all", got, s.served.Load())
				}
				if len(s.errs) != 2 || s.errs[1] != nil {
					t.Errorf("attempts ended with %v, want one attempt for each call, and no error", s.errs)
				}
			})
		}
	}
}

// TestTransport_givesUpOnAServerThatClosesUnread: every connection has ended when it is made.
// Whether net/http meets that before it is given a call, or while it writes, is a matter of
// chance: either way the call is told so after one connection.
func TestTransport_givesUpOnAServerThatClosesUnread(t *testing.T) {
	const calls = 200
	for name, cfg := range map[string]balance.ConnectionConfig{"bounded": {MaxConnections: 10}, "unbounded": {}} {
		t.Run(name, func(t *testing.T) {
			var dialled atomic.Int64
			base := &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) {
				dialled.Add(1)
				mine, theirs := net.Pipe()
				_ = theirs.Close()
				return mine, nil
			}}
			src := balance.NewStaticSource(map[string][]discovery.Endpoint{"svc": endpoints("127.0.0.1:1")}, balance.RoundRobin())
			tr := meshhttp.NewTransport(base, enmesh.Fixed(false), src, meshhttp.Connection(cfg))
			t.Cleanup(func() { _ = tr.Close() })
			for n := range int64(calls) {
				_, err := (&http.Client{Transport: tr}).Post("http://svc/", "text/plain", strings.NewReader("order"))
				if e := enmesh.ErrorOf(err); e == nil || e.Code != enmesh.Unavailable || e.Outcome != enmesh.Failure || !e.Unsent {
					t.Fatalf("got %v, want it unavailable, a failure, unsent", err)
				}
				if got := dialled.Load(); got != n+1 {
					t.Fatalf("%d connections were made for %d calls", got, n+1)
				}
			}
		})
	}
}
