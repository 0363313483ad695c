// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package meshhttp_test

import (
	"io"
	"net"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/net/http2"

	"github.com/enmesh-go/enmesh/meshhttp"
)

// piped is a listener of one connection over net.Pipe, for a bubble: real sockets stall one.
type piped struct {
	conn chan net.Conn
	done chan struct{}
}

func (p *piped) Accept() (net.Conn, error) {
	select {
	case c := <-p.conn:
		return c, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}

func (p *piped) Close() error   { close(p.done); return nil }
func (p *piped) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1} }

// frames2 is what a client has come to send by frames, and the server to say.
type frames2 struct {
	*http2.Framer // of who sends; another one reads, and answers pings
	net.Conn
	ended chan time.Duration // after how long the server has closed the connection
}

// talk2 begins a connection of HTTP/2 with a server of NewServer, in a bubble. The client
// answers pings if it is to.
func talk2(t *testing.T, h http.Handler, answers bool) *frames2 {
	t.Helper()
	near, far := net.Pipe()
	l := &piped{make(chan net.Conn, 1), make(chan struct{})}
	l.conn <- far
	server := meshhttp.NewServer(h)
	server.ErrorLog = quiet
	served := make(chan struct{})
	go func() { defer close(served); _ = server.Serve(l) }()
	c := &frames2{http2.NewFramer(near, near), near, make(chan time.Duration, 1)}
	t.Cleanup(func() { _ = near.Close(); _ = server.Close(); <-served })
	begun := time.Now()
	go func() {
		back := http2.NewFramer(near, near) // net.Pipe has one write after the other
		for {
			f, err := back.ReadFrame()
			if err != nil {
				c.ended <- time.Since(begun)
				return
			}
			if p, ok := f.(*http2.PingFrame); ok && answers && !p.IsAck() {
				_ = back.WritePing(true, p.Data)
			}
		}
	}()
	if _, err := io.WriteString(near, http2.ClientPreface); err != nil {
		t.Fatal(err)
	}
	_ = c.WriteSettings()
	return c
}

// TestScenarioR5_slowHead: over HTTP/2 a head that does not come to its end, silent or byte
// by byte, holds its connection for 30 s at most, as does a client that has died; one that
// lives is not held to it.
func TestScenarioR5_slowHead(t *testing.T) {
	begin := func(c *frames2) {
		_ = c.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: []byte{0x82}}) // :method GET, and more to come
	}
	for name, tt := range map[string]struct {
		answers bool
		send    func(c *frames2)
		want    bool // it is closed
	}{
		"a head without its end": {false, begin, true},
		"a head byte by byte": {false, func(c *frames2) {
			begin(c)
			for range 600 {
				if c.WriteContinuation(1, false, []byte{0x84}) != nil {
					return
				}
				time.Sleep(time.Second)
			}
		}, true},
		"half a frame":  {false, func(c *frames2) { _, _ = c.Write([]byte{0, 0, 9, 1}) }, true},
		"a dead client": {false, func(*frames2) {}, true},
		"a client of one long call": {true, func(c *frames2) {
			_ = c.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: []byte{0x82, 0x84, 0x86, 0x41, 1, 'a'}, EndHeaders: true, EndStream: true})
		}, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := talk2(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }), tt.answers)
				sent := make(chan struct{})
				t.Cleanup(func() { _ = c.Close(); <-sent })
				go func() { defer close(sent); tt.send(c) }()
				select {
				case after := <-c.ended:
					if !tt.want || after < 20*time.Second || after > meshhttp.DefaultSilentTimeout+time.Second {
						t.Errorf("closed after %v; want closed %t, after 30 s at most", after, tt.want)
					}
				case <-time.After(5 * time.Minute):
					if tt.want {
						t.Error("open after five minutes")
					}
				}
			})
		})
	}
}
