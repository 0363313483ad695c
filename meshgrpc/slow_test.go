// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package meshgrpc_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
	"google.golang.org/grpc"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/credentials/insecure"
	testpb "google.golang.org/grpc/interop/grpc_testing"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/meshgrpc"
)

// TestScenarioR5_idle: a connection without a call is ended after the time that the server
// is given for it.
func TestScenarioR5_idle(t *testing.T) {
	addr := serve(t, &service{}, meshgrpc.NewServer(enmesh.Fixed(false), meshgrpc.WithConnectionIdle(100*time.Millisecond)).Options()...)
	cc, err := grpc.NewClient(addr, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer cc.Close()
	if _, err := testpb.NewTestServiceClient(cc).EmptyCall(testContext(t), &testpb.Empty{}); err != nil {
		t.Fatal(err)
	}
	if !cc.WaitForStateChange(testContext(t), connectivity.Ready) || cc.GetState() != connectivity.Idle {
		t.Errorf("the connection is %v, want the server to have ended it", cc.GetState())
	}
}

// TestScenarioR5_slowHead: a head that does not come to its end, silent or byte by byte,
// holds its connection for 15 s at most: nobody can answer a ping within one.
func TestScenarioR5_slowHead(t *testing.T) {
	for name, bytes := range map[string]int{"without its end": 0, "byte by byte": 600} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				network := newPipeNet()
				serveOn(t, network, &service{}, meshgrpc.NewServer(enmesh.Fixed(false)).Options()...)
				conn, err := network.dial(t.Context(), "")
				if err != nil {
					t.Fatal(err)
				}
				sent := make(chan struct{})
				t.Cleanup(func() { _ = conn.Close(); <-sent })
				begun := time.Now()
				ended := make(chan time.Duration, 1)
				fr := http2.NewFramer(conn, conn)
				go func() {
					_, _ = io.Copy(io.Discard, conn)
					ended <- time.Since(begun)
				}()
				go func() {
					defer close(sent)
					_, _ = io.WriteString(conn, http2.ClientPreface)
					_ = fr.WriteSettings()
					err := fr.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: []byte{0x83}}) // :method POST, and more to come
					for range bytes {
						if err != nil {
							return
						}
						time.Sleep(time.Second)
						err = fr.WriteContinuation(1, false, []byte{0x86})
					}
				}()
				select {
				case after := <-ended:
					if after < 9*time.Second || after > 16*time.Second {
						t.Errorf("closed after %v, want 15 s", after)
					}
				case <-time.After(5 * time.Minute):
					t.Error("open after five minutes")
				}
			})
		})
	}
}

// slowClient speaks HTTP/2 frame by frame, and answers what keeps a connection alive.
type slowClient struct {
	t    *testing.T
	conn net.Conn
	fr   *http2.Framer
}

func newSlowClient(t *testing.T, addr string) *slowClient {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(30 * time.Second))
	if _, err := conn.Write([]byte(http2.ClientPreface)); err != nil {
		t.Fatal(err)
	}
	c := &slowClient{t, conn, http2.NewFramer(conn, conn)}
	_ = c.fr.WriteSettings() // of the default: 64 KiB ahead on a stream, and on the connection
	return c
}

// begin begins a call, with part of what is sent first.
func (c *slowClient) begin(stream uint32, path string, first []byte, end bool) {
	c.t.Helper()
	err := c.fr.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, BlockFragment: block(path), EndHeaders: true})
	if err == nil && (end || len(first) > 0) {
		err = c.fr.WriteData(stream, end, first)
	}
	if err != nil {
		c.t.Fatal(err)
	}
}

// block is the head of a call for path, encoded without memory of another.
func block(path string) []byte {
	var out bytes.Buffer
	enc := hpack.NewEncoder(&out)
	enc.SetMaxDynamicTableSize(0)
	for _, f := range head(path) {
		_ = enc.WriteField(f)
	}
	return out.Bytes()
}

// settled waits until the server has read all that was sent.
func (c *slowClient) settled() {
	c.t.Helper()
	mark := [8]byte{'s', 'l', 'o', 'w'}
	_ = c.fr.WritePing(false, mark)
	for {
		f, err := c.fr.ReadFrame()
		if err != nil {
			c.t.Fatal(err)
		}
		if p, ok := f.(*http2.PingFrame); ok && p.IsAck() && p.Data == mark {
			return
		}
	}
}

// TestScenarioR5_slowMessage: a connection all of whose calls bring a message that does not
// go on has no handler and no policy busy, and others are served.
func TestScenarioR5_slowMessage(t *testing.T) {
	var policies, handlers atomic.Int64
	look := func(next enmesh.Next) enmesh.Next {
		return func(ctx context.Context, c *enmesh.Call) error { policies.Add(1); return next(ctx, c) }
	}
	addr := serve(t, &service{unary: func(context.Context, *testpb.SimpleRequest) (*testpb.SimpleResponse, error) {
		handlers.Add(1)
		return &testpb.SimpleResponse{}, nil
	}}, meshgrpc.NewServer(enmesh.Fixed(false, look)).Options()...)
	c := newSlowClient(t, addr)
	for n := range uint32(meshgrpc.DefaultMaxStreams) {
		c.begin(2*n+1, "/grpc.testing.TestService/UnaryCall", []byte{0, 0, 0x3f, 0, 0, 'a'}, false) // one byte of a message of 4 MiB less some
	}
	c.settled()
	cc, err := grpc.NewClient(addr, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer cc.Close()
	if _, err := testpb.NewTestServiceClient(cc).UnaryCall(testContext(t), &testpb.SimpleRequest{}); err != nil {
		t.Errorf("another client: %v", err)
	}
	if p, h := policies.Load(), handlers.Load(); p != 1 || h != 1 {
		t.Errorf("policies saw %d calls and handlers %d, want 1, that of the other client", p, h)
	}
}

// TestScenarioR5_slowRead: to a client that does not read a handler can send no more than
// its window and what grpc takes ahead; it ends with its client.
func TestScenarioR5_slowRead(t *testing.T) {
	const size, most = 16 << 10, 12 // 64 KiB of window, 64 KiB ahead, and some
	var sent atomic.Int64
	ended := make(chan error, 1)
	addr := serve(t, &service{output: func(_ *testpb.StreamingOutputCallRequest, ss testpb.TestService_StreamingOutputCallServer) error {
		answer := &testpb.StreamingOutputCallResponse{Payload: &testpb.Payload{Body: make([]byte, size)}}
		for range 1000 {
			if err := ss.Send(answer); err != nil {
				ended <- err
				return err
			}
			sent.Add(1)
		}
		ended <- errors.New("it has sent all")
		return nil
	}}, meshgrpc.NewServer(enmesh.Fixed(false)).Options()...)
	c := newSlowClient(t, addr)
	c.begin(1, "/grpc.testing.TestService/StreamingOutputCall", []byte{0, 0, 0, 0, 0}, true)
	for got := 0; got < 65535; { // all that the window holds has come, and none of it is given back
		f, err := c.fr.ReadFrame()
		if err != nil {
			t.Fatal(err)
		}
		if d, ok := f.(*http2.DataFrame); ok {
			got += len(d.Data())
		}
	}
	c.settled()
	if n := sent.Load(); n > most {
		t.Errorf("the handler has sent %d messages of %d bytes to who reads none, want at most %d", n, size, most)
	}
	_ = c.conn.Close()
	select {
	case err := <-ended:
		if n := sent.Load(); n > most || err == nil {
			t.Errorf("the handler ended with %v after %d messages, want at most %d and its client's end", err, n, most)
		}
	case <-time.After(20 * time.Second):
		t.Error("the handler outlives its client")
	}
}
