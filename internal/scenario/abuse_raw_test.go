// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package scenario_test

import (
	"bufio"
	"context"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/http2"
)

// rawClient speaks HTTP/2 without any of its manners.
type rawClient struct {
	*http2.Framer
	conn   net.Conn
	out    *bufio.Writer
	rpc    bool
	ended  chan struct{} // closed when the server has ended the connection
	code   atomic.Int64  // of the latest GOAWAY; -1: none came
	resets atomic.Int64  // RST_STREAM that came
	status atomic.Int64  // answers' heads that came
	next   uint32
}

// newRawClient says the client's first words, and reads what comes from then on.
func newRawClient(ctx context.Context, g *fortress) (*rawClient, error) {
	conn, err := g.connect(ctx)
	if err != nil {
		return nil, err
	}
	out := bufio.NewWriterSize(conn, 32<<10)
	c := &rawClient{Framer: http2.NewFramer(out, bufio.NewReader(conn)), conn: conn, out: out, rpc: g.rpc, ended: make(chan struct{}), next: 1}
	c.AllowIllegalWrites, c.AllowIllegalReads = true, true
	c.code.Store(-1)
	if _, err := out.WriteString(http2.ClientPreface); err != nil {
		return nil, err
	}
	if err := c.WriteSettings(); err != nil {
		return nil, err
	}
	go c.listen()
	if err := out.Flush(); err != nil {
		c.close()
		return nil, err
	}
	return c, nil
}

// rawTo is newRawClient for a test, which waits for its reader.
func rawTo(t *testing.T, g *fortress) *rawClient {
	t.Helper()
	for began := time.Now(); ; {
		c, err := newRawClient(t.Context(), g)
		if err == nil {
			t.Cleanup(c.close)
			return c
		}
		if time.Since(began) > 3*handshakeTimeout { // a busy machine may miss one
			t.Fatal(err)
		}
	}
}

func (c *rawClient) close() {
	_ = c.conn.Close()
	<-c.ended
}

func (c *rawClient) listen() {
	defer close(c.ended)
	for {
		f, err := c.ReadFrame()
		if err != nil {
			return
		}
		switch f := f.(type) {
		case *http2.GoAwayFrame:
			c.code.Store(int64(f.ErrCode))
		case *http2.RSTStreamFrame:
			c.resets.Add(1)
		case *http2.HeadersFrame:
			c.status.Add(1)
		}
	}
}

// open opens a stream, and says its number.
func (c *rawClient) open(end bool, more ...string) (uint32, error) {
	id := c.next
	c.next += 2
	return id, c.WriteHeaders(http2.HeadersFrameParam{StreamID: id, EndHeaders: true, EndStream: end, BlockFragment: c.head(more...)})
}

// head is a request's.
func (c *rawClient) head(more ...string) []byte {
	fields := []string{":method", "POST", ":scheme", "http", ":path", "/", ":authority", "a"}
	if c.rpc {
		fields = []string{":method", "POST", ":scheme", "http", ":path", "/grpc.health.v1.Health/Check", ":authority", "a",
			"content-type", "application/grpc", "te", "trailers"}
	}
	return block(append(fields, more...)...)
}

// flood does one thing at up to so many a second, until the server has had enough, and says
// how long that took. Nothing is waited for but the pace.
func (c *rawClient) flood(perSecond int, limit time.Duration, one func() error) (took time.Duration, ended bool) {
	began := time.Now()
	const pieces = 200 // a second
	tick := time.NewTicker(time.Second / pieces)
	defer tick.Stop()
	for time.Since(began) < limit {
		_ = c.conn.SetWriteDeadline(time.Now().Add(limit))
		var err error
		for i := 0; i < perSecond/pieces && err == nil; i++ {
			err = one()
		}
		if err == nil {
			err = c.out.Flush()
		}
		if hungUp(err) {
			break
		}
		select {
		case <-c.ended:
			return time.Since(began), true
		case <-tick.C:
		}
	}
	select {
	case <-c.ended:
		return time.Since(began), true
	case <-time.After(time.Until(began.Add(limit))):
		return time.Since(began), false
	}
}
