// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package meshhttp_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/meshhttp"
)

// drainCap is how much of an answer that nobody wants is read at most, in bytes.
const drainCap = 4 << 10

// pipes is a listener whose connections are in memory: time in a bubble passes only when
// nothing else can happen.
type pipes struct {
	conns          chan net.Conn
	stop           chan struct{}
	closing        sync.Once
	dialled, ended atomic.Int64 // of the client's ends
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.stop:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error {
	p.closing.Do(func() { close(p.stop) })
	return nil
}

func (p *pipes) Addr() net.Addr { return &net.TCPAddr{} }

func (p *pipes) dial(context.Context, string, string) (net.Conn, error) {
	ours, theirs := net.Pipe()
	p.dialled.Add(1)
	p.conns <- theirs
	return &pipeEnd{Conn: ours, of: p}, nil
}

// pipeEnd is a client's end, which tells of its end.
type pipeEnd struct {
	net.Conn
	of   *pipes
	once sync.Once
}

func (c *pipeEnd) Close() error {
	c.once.Do(func() { c.of.ended.Add(1) })
	return c.Conn.Close()
}

// weighing is a base that counts what is read of each answer.
type weighing struct {
	*http.Transport
	answers []*weighedBody
}

type weighedBody struct {
	io.ReadCloser
	read   int
	closed bool
}

func (b *weighing) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := b.Transport.RoundTrip(r)
	if err == nil {
		body := &weighedBody{ReadCloser: resp.Body}
		resp.Body = body
		b.answers = append(b.answers, body)
	}
	return resp, err
}

func (b *weighedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.read += n
	return n, err
}

func (b *weighedBody) Close() error {
	b.closed = true
	return b.ReadCloser.Close()
}

// busyOnce answers 503 with a body of declared length, then 200.
func busyOnce(length int) http.Handler {
	var n atomic.Int64
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if n.Add(1) > 1 {
			_, _ = io.WriteString(w, "ready")
			return
		}
		w.Header().Set("Content-Length", strconv.Itoa(length))
		w.WriteHeader(http.StatusServiceUnavailable)
		_, _ = io.WriteString(w, strings.Repeat("x", length))
	})
}

// Of an answer that is thrown away no more than the cap is read: a short one whole, so that
// its connection is used again; of one that says that it is longer nothing need be, and its
// connection is closed.
func TestTransport_drainsUpToACap(t *testing.T) {
	for length, reused := range map[int]bool{1: true, 1000: true, drainCap: true, drainCap + 1: false, 1 << 20: false} {
		t.Run(strconv.Itoa(length), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := &pipes{conns: make(chan net.Conn, 2), stop: make(chan struct{})}
				srv := &http.Server{Handler: busyOnce(length), ErrorLog: quiet}
				served := make(chan struct{})
				go func() { defer close(served); _ = srv.Serve(p) }()
				base := &weighing{Transport: &http.Transport{DialContext: p.dial}}
				tr := meshhttp.NewTransport(base, enmesh.Fixed(true, again(2)), oneCluster{newCluster(nil, "127.0.0.1:1")})
				resp, text := get(t, &http.Client{Transport: tr}, "http://svc/")
				if resp.StatusCode != 200 || text != "ready" || len(base.answers) != 2 {
					t.Errorf("got %d %q in %d attempts, want ready in 2", resp.StatusCode, text, len(base.answers))
				}
				synctest.Wait()
				want, dialled, ended := length, int64(1), int64(0)
				if !reused {
					want, dialled, ended = drainCap, 2, 1
				}
				if first := base.answers[0]; first.read > want || reused && first.read != want || !first.closed {
					t.Errorf("%d bytes were read, closed %v; want at most %d, and closed", first.read, first.closed, want)
				}
				if p.dialled.Load() != dialled || p.ended.Load() != ended {
					t.Errorf("%d connections, %d of them closed; want %d and %d", p.dialled.Load(), p.ended.Load(), dialled, ended)
				}
				_ = tr.Close()
				_ = srv.Close()
				<-served
			})
		})
	}
}

// The same over real sockets: the connection with a MiB that nobody wants is not kept.
func TestTransport_closesTheConnectionOfALongAnswer(t *testing.T) {
	srv := httptest.NewUnstartedServer(busyOnce(1 << 20))
	var made atomic.Int64
	open := conns(srv)
	count := srv.Config.ConnState
	srv.Config.ConnState = func(c net.Conn, s http.ConnState) {
		if s == http.StateNew {
			made.Add(1)
		}
		count(c, s)
	}
	srv.Start()
	defer srv.Close()
	c := worldOf(srv).client(t, nil, true, again(2))
	if resp, text := get(t, c, "http://svc/"); resp.StatusCode != 200 || text != "ready" {
		t.Errorf("got %d %q, want ready", resp.StatusCode, text)
	}
	eventually(t, "one connection is closed", func() bool { return open.Load() == 1 })
	if made.Load() != 2 {
		t.Errorf("%d connections were made, want 2", made.Load())
	}
}
