// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package meshhttp_test

import (
	"bytes"
	"net"
	"net/http"
	"sync/atomic"
	"testing"

	"golang.org/x/net/http2"

	"github.com/enmesh-go/enmesh/meshhttp"
)

// readCounter is a listener that counts how often its connections are read.
type readCounter struct {
	net.Listener
	reads atomic.Int64
}

type readCounted struct {
	net.Conn
	reads *atomic.Int64
}

func (l *readCounter) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &readCounted{c, &l.reads}, nil
}

func (c *readCounted) Read(b []byte) (int, error) {
	c.reads.Add(1)
	return c.Conn.Read(b)
}

// TestServer_readsAhead: what comes at once over HTTP/2 in plaintext is read at once, and
// not twice for each frame.
func TestServer_readsAhead(t *testing.T) {
	const frames = 100
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	counter := &readCounter{Listener: l}
	s := meshhttp.NewServer(http.NotFoundHandler())
	done := make(chan struct{})
	go func() { defer close(done); _ = s.Serve(counter) }()
	defer func() { _ = s.Close(); <-done }()

	conn, fr := dial2(t, l.Addr().String(), [][2]string{{":method", "GET"}, {":scheme", "http"}, {":path", "/"}, {":authority", "a"}})
	defer conn.Close()
	var all bytes.Buffer
	pings := http2.NewFramer(&all, nil)
	for i := range frames {
		if err := pings.WritePing(false, [8]byte{byte(i)}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := conn.Write(all.Bytes()); err != nil {
		t.Fatal(err)
	}
	for answered := 0; answered < frames; {
		f, err := fr.ReadFrame()
		if err != nil {
			t.Fatalf("after %d answers: %v", answered, err)
		}
		if p, ok := f.(*http2.PingFrame); ok && p.IsAck() {
			answered++
		}
	}
	if n := counter.reads.Load(); n > frames/2 {
		t.Errorf("the server read %d times for %d frames", n, frames)
	}
}
