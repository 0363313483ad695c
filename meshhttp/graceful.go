// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package meshhttp

import (
	"context"
	"net"
	"net/http"
	"sync/atomic"
	"time"
)

// DrainingHeader is set on answers by a server that is about to end. Over HTTP/1.1 it
// stands beside "Connection: close", which may have other reasons; over HTTP/2, which
// has no such header, alone, since GOAWAY would close a connection for each answer. A
// [Transport] takes it off again: it is about the one server and its caller.
const DrainingHeader = "Enmesh-Draining"

// connPoll is how often Hint looks whether anybody is connected.
const connPoll = 2 * time.Millisecond

// GracefulServer is an *http.Server that can say goodbye. See [Graceful].
type GracefulServer struct {
	server  *http.Server
	serve   func(net.Listener) error
	secure  func(l net.Listener, certFile, keyFile string) error
	next    http.Handler
	closing atomic.Bool
	conns   atomic.Int64 // open connections that are the server's
}

// Graceful makes a server for mesh.Run of s, one of [NewServer] or of net/http, which is its own from then on: set s up
// completely before, and neither serve nor shut it down by other means. It serves TLS
// when s has a TLSConfig, which then must have its certificates (as Mesh.ServerTLS
// has), else plaintext.
//
// http.Server.Shutdown closes idle connections at once, and a request that is on its
// way there just then is lost: nobody can know whether it was done, so it must not be
// sent again unless it is idempotent. [GracefulServer.Hint] closes this gap.
func Graceful[S *Server | *http.Server](server S) *GracefulServer {
	g := &GracefulServer{}
	switch s := any(server).(type) {
	case *Server:
		g.server, g.serve, g.secure = s.Server, s.Serve, s.ServeTLS
	case *http.Server:
		g.server, g.serve, g.secure = s, s.Serve, s.ServeTLS
	}
	s := g.server
	g.next = s.Handler
	if g.next == nil {
		g.next = http.DefaultServeMux
	}
	s.Handler = http.HandlerFunc(g.serveHTTP)
	hook := s.ConnState
	s.ConnState = func(c net.Conn, state http.ConnState) {
		g.count(state)
		if hook != nil {
			hook(c, state)
		}
	}
	return g
}

func (g *GracefulServer) count(state http.ConnState) {
	switch state {
	case http.StateNew:
		g.conns.Add(1)
	case http.StateClosed, http.StateHijacked:
		g.conns.Add(-1)
	case http.StateActive, http.StateIdle:
	}
}

func (g *GracefulServer) serveHTTP(w http.ResponseWriter, r *http.Request) {
	if g.closing.Load() {
		hint(w.Header(), r)
	}
	g.next.ServeHTTP(w, r)
}

// hint tells the caller not to come back. A connection that is to be upgraded needs its
// Connection header for that, and is closed by whoever takes it over.
func hint(h http.Header, r *http.Request) {
	if r.ProtoMajor < 2 {
		if r.Header.Get("Upgrade") != "" {
			return
		}
		h.Set("Connection", "close")
	}
	h.Set(DrainingHeader, "1")
}

// Serve serves l until Shutdown or Close, and then returns http.ErrServerClosed.
func (g *GracefulServer) Serve(l net.Listener) error {
	if g.server.TLSConfig != nil {
		return g.secure(l, "", "")
	}
	return g.serve(l)
}

// Hint has every answer from now on tell its caller to go elsewhere: by
// [DrainingHeader], and over HTTP/1.1 by "Connection: close", so that the connection ends
// in order. The server goes on serving, new connections too. Hint returns when nobody is
// connected, or when ctx ends.
func (g *GracefulServer) Hint(ctx context.Context) {
	g.closing.Store(true)
	look := time.NewTicker(connPoll)
	defer look.Stop()
	for g.conns.Load() > 0 {
		select {
		case <-look.C:
		case <-ctx.Done():
			return
		}
	}
}

// Shutdown takes no new connections, ends idle ones, tells those of HTTP/2 by GOAWAY, and
// waits for the requests in flight, at most until ctx ends; what is in flight then
// goes on until Close. Connections that handlers took over are not waited for.
func (g *GracefulServer) Shutdown(ctx context.Context) error {
	g.closing.Store(true)
	return g.server.Shutdown(ctx)
}

// Close closes all connections at once, which ends the contexts of their requests.
func (g *GracefulServer) Close() error { return g.server.Close() }
