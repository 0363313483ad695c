// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package faultnet

import (
	"errors"
	"net"
	"runtime"
	"sync"
	"testing"
)

// Severable is a listener whose connections can be severed: their kernel drops every packet
// that arrives, as a path does that is down, and so acknowledges nothing and answers no probe.
type Severable struct {
	*net.TCPListener

	mu   sync.Mutex // guards made
	made []*net.TCPConn
}

// NewSeverable listens on the loopback interface, until the test ends. It needs Linux, and
// skips the test elsewhere, as [Blackhole] does.
func NewSeverable(t testing.TB) *Severable {
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Skip("faultnet: sockets drop what arrives on Linux only")
	}
	cfg := net.ListenConfig{KeepAlive: -1} // probes of its own would be a sign of life
	l, err := cfg.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	tcp, ok := l.(*net.TCPListener)
	if !ok {
		t.Fatalf("faultnet: the listener is a %T", l)
	}
	t.Cleanup(func() { _ = tcp.Close() })
	return &Severable{TCPListener: tcp}
}

// Accept implements net.Listener.
func (s *Severable) Accept() (net.Conn, error) {
	c, err := s.AcceptTCP()
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.made = append(s.made, c)
	return c, nil
}

// Sever severs all connections that were accepted, for good. What the server sends still
// arrives: it is to be silent. Further connections are well.
func (s *Severable) Sever(t testing.TB) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.made {
		raw, err := c.SyscallConn()
		if err != nil {
			continue // closed
		}
		if err := sever(raw); err != nil && !errors.Is(err, net.ErrClosed) {
			t.Fatalf("faultnet: %v", err)
		}
	}
}
