// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package meshhttp

import (
	"bufio"
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"sync/atomic"

	"golang.org/x/net/http2"

	"github.com/enmesh-go/enmesh/internal/flood"
)

// crowd counts a server's connections.
type crowd struct {
	most int64
	now  atomic.Int64
}

// count is a server's ConnState hook.
func (c *crowd) count(conn net.Conn, state http.ConnState) {
	switch state {
	case http.StateNew:
		if c.now.Add(1) > c.most {
			_ = conn.Close()
		}
	case http.StateClosed, http.StateHijacked:
		c.now.Add(-1)
	case http.StateActive, http.StateIdle:
	}
}

// plainTwo is where net/http looks for who serves HTTP/2 in plaintext. It hands out the
// connection inside a *tls.Conn that cannot be used otherwise.
const plainTwo = "unencrypted_http2"

// watchFrames has the frames of s's HTTP/2 connections counted. net/http lets nobody stand
// between TLS and its own HTTP/2; the same HTTP/2, as golang.org/x/net has it, takes any
// connection.
func watchFrames(s *http.Server, cfg flood.Config) {
	two := &framesServer{cfg: cfg}
	if err := http2.ConfigureServer(s, &two.two); err != nil { //nolint:staticcheck // see above
		panic("meshhttp: " + err.Error()) // it speaks of a TLSConfig, and there is none
	}
	s.TLSConfig = nil // the caller sets it, or there is to be none
	s.TLSNextProto["h2"] = two.secure
	s.TLSNextProto[plainTwo] = two.plain
}

// framesServer serves HTTP/2 on connections whose frames are counted.
type framesServer struct {
	two http2.Server //nolint:staticcheck // see watchFrames
	cfg flood.Config
}

// secure serves a connection over TLS.
func (f *framesServer) secure(s *http.Server, c *tls.Conn, h http.Handler) {
	cfg := f.cfg
	cfg.Preface = true
	state := c.ConnectionState()
	f.serve(s, flood.Guard(c, cfg), h, &state)
}

// plain serves one without, whose preface net/http has read.
func (f *framesServer) plain(s *http.Server, c *tls.Conn, h http.Handler) {
	inner, ok := c.NetConn().(interface{ UnencryptedNetConn() net.Conn })
	if !ok {
		return
	}
	conn := inner.UnencryptedNetConn()
	if one, ok := conn.(*plainHead); ok {
		conn = one.Conn // it has no heads of HTTP/1.1
	}
	f.serve(s, flood.Guard(newReadAhead(conn), f.cfg), h, nil)
}

// readAhead reads more of a connection than it is asked for. The server of HTTP/2 reads a
// frame's head and what follows one after the other: in plaintext, where no record of TLS
// is read ahead, each would be a call of the operating system.
type readAhead struct {
	net.Conn
	in *bufio.Reader
}

func newReadAhead(c net.Conn) *readAhead { return &readAhead{c, bufio.NewReader(c)} }

func (r *readAhead) Read(b []byte) (int, error) { return r.in.Read(b) }

// CloseWrite is for who says goodbye, and then waits until that was read.
func (r *readAhead) CloseWrite() error { return closeWrite(r.Conn) }

// serve serves until the connection ends: over TLS with its state, and otherwise one whose
// preface was read. The handler that net/http gives knows the connection's context. For a
// request that names the scheme http over TLS it would find out the state anew, which is
// dear, and whoever floods may name what they like.
func (f *framesServer) serve(s *http.Server, c net.Conn, h http.Handler, secure *tls.ConnectionState) {
	opts := &http2.ServeConnOpts{BaseConfig: s, Handler: h, SawClientPreface: secure == nil} //nolint:staticcheck // see watchFrames
	if secure != nil {
		opts.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			r.TLS = secure
			h.ServeHTTP(w, r)
		})
	}
	if b, ok := h.(interface{ BaseContext() context.Context }); ok {
		opts.Context = b.BaseContext()
	}
	f.two.ServeConn(c, opts) //nolint:staticcheck // see watchFrames
}
