// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package enmeshtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"syscall"
	"testing"
	"time"
)

// consulServing is how a Consul is reached.
type consulServing struct {
	once    sync.Once
	handler http.Handler

	mu     sync.Mutex // guards what follows
	listen func() (net.Listener, error)
	server *http.Server  // nil while it is down
	cancel func()        // ends the contexts of all requests
	ended  chan struct{} // closed when Serve has returned
	pipes  *pipeListener // nil on a socket, and while it is down
	active int           // requests under way
	idle   *sync.Cond    // of mu: active has become 0
}

// ServeHTTP answers one request, honestly or by script, and records it.
func (c *Consul) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c.serving.once.Do(func() { c.serving.handler = c.mux() })
	body, _ := io.ReadAll(http.MaxBytesReader(w, r.Body, 1<<20)) // a longer one fails to parse
	r.Body = io.NopCloser(bytes.NewReader(body))
	c.note(r, body)
	c.serving.handler.ServeHTTP(w, r)
}

// Start serves the registry on a free port of 127.0.0.1 until the test ends, and returns
// host:port.
func (c *Consul) Start(t testing.TB) (addr string) {
	t.Helper()
	addr = "127.0.0.1:0"
	c.begin(t, func() (net.Listener, error) {
		l, err := net.Listen("tcp", addr) //nolint:noctx // there is nothing to wait for
		if err == nil {
			addr = l.Addr().String()
		}
		return l, err
	})
	return addr
}

// Client serves the registry on pipes in memory until the test ends, and returns a client
// whose requests come here whatever host they name. In a testing/synctest bubble, call it
// inside.
func (c *Consul) Client(t testing.TB) *http.Client {
	t.Helper()
	c.begin(t, func() (net.Listener, error) {
		c.serving.pipes = newPipeListener()
		return c.serving.pipes, nil
	})
	transport := &http.Transport{DialContext: c.dial}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

func (c *Consul) begin(t testing.TB, listen func() (net.Listener, error)) {
	t.Helper()
	s := &c.serving
	s.mu.Lock()
	taken := s.listen != nil
	s.listen, s.idle = listen, sync.NewCond(&s.mu)
	s.mu.Unlock()
	if taken {
		t.Fatal("enmeshtest: a Consul is started once")
	}
	if err := c.Up(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		c.Down()
		c.closeTimers()
	})
}

// Down ends the listener and all connections, as the death of the process does; then
// connections are refused. It waits until no request is being served.
func (c *Consul) Down() {
	s := &c.serving
	s.mu.Lock()
	server, cancel, ended := s.server, s.cancel, s.ended
	s.server, s.pipes = nil, nil
	s.mu.Unlock()
	if server == nil {
		return
	}
	_ = server.Close() // of a listener that is done with
	cancel()
	<-ended
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.active > 0 {
		s.idle.Wait()
	}
}

// Up serves again, at the same address, after [Consul.Down]. What is known and scripted
// is as it was.
func (c *Consul) Up() error {
	s := &c.serving
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.server != nil || s.listen == nil {
		return errors.New("enmeshtest: the registry is up, or was never started")
	}
	l, err := s.listen()
	if err != nil {
		return fmt.Errorf("enmeshtest: %w", err)
	}
	ended := make(chan struct{})
	ctx, cancel := context.WithCancel(context.Background())
	server := &http.Server{
		ReadHeaderTimeout: time.Minute,
		BaseContext:       func(net.Listener) context.Context { return ctx },
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			s.count(1)
			defer s.count(-1)
			c.ServeHTTP(w, r)
		}),
	}
	s.server, s.cancel, s.ended = server, cancel, ended
	go func() {
		defer close(ended)
		_ = server.Serve(l) // it ends with the listener
	}()
	return nil
}

// count adds to the number of requests under way.
func (s *consulServing) count(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.active += n; s.active == 0 {
		s.idle.Broadcast()
	}
}

// dial opens a pipe to the registry.
func (c *Consul) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	c.serving.mu.Lock()
	pipes := c.serving.pipes
	c.serving.mu.Unlock()
	if pipes == nil {
		return nil, &net.OpError{Op: "dial", Net: "pipe", Err: syscall.ECONNREFUSED}
	}
	return pipes.dial(ctx)
}

// pipeListener accepts pipes.
type pipeListener struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func newPipeListener() *pipeListener {
	return &pipeListener{conns: make(chan net.Conn), closed: make(chan struct{})}
}

func (l *pipeListener) dial(ctx context.Context) (net.Conn, error) {
	near, far := net.Pipe()
	select {
	case l.conns <- far:
		return near, nil
	case <-l.closed:
		return nil, &net.OpError{Op: "dial", Net: "pipe", Err: syscall.ECONNREFUSED}
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Accept implements net.Listener.
func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case conn := <-l.conns:
		return conn, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener.
func (l *pipeListener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

// Addr implements net.Listener.
func (l *pipeListener) Addr() net.Addr { return pipeAddr{} }

type pipeAddr struct{}

// Network is "pipe".
func (pipeAddr) Network() string { return "pipe" }

// String is "pipe".
func (pipeAddr) String() string { return "pipe" }
