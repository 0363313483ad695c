// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package scenario_test

import (
	"bufio"
	"bytes"
	"io"
	"log"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// sockets serves h over HTTP/1.1 and, in plaintext too, HTTP/2, and gives the address.
func sockets(t *testing.T, h http.Handler) string {
	t.Helper()
	srv := &http.Server{
		Handler: h, ErrorLog: log.New(io.Discard, "", 0), ReadHeaderTimeout: 5 * time.Second,
		Protocols: new(http.Protocols), DisableGeneralOptionsHandler: true,
	}
	srv.Protocols.SetHTTP1(true)
	srv.Protocols.SetUnencryptedHTTP2(true)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() { defer close(done); _ = srv.Serve(l) }()
	t.Cleanup(func() { _ = srv.Close(); <-done })
	return l.Addr().String()
}

// lineClient sends requests as they are written, over one connection as long as it lasts.
type lineClient struct {
	t    *testing.T
	addr string
	conn net.Conn
	r    *bufio.Reader
}

func dialRaw(t *testing.T, addr string) *lineClient {
	t.Helper()
	c := &lineClient{t: t, addr: addr}
	t.Cleanup(c.hangUp)
	return c
}

func (c *lineClient) hangUp() {
	if c.conn != nil {
		_ = c.conn.Close()
		c.conn = nil
	}
}

// send sends a request of a line, without the protocol, and more lines.
func (c *lineClient) send(line string, lines ...string) (status int, body string) {
	c.t.Helper()
	if c.conn == nil {
		conn, err := net.Dial("tcp", c.addr)
		if err != nil {
			c.t.Fatal(err)
		}
		c.conn, c.r = conn, bufio.NewReader(conn)
	}
	_ = c.conn.SetDeadline(time.Now().Add(10 * time.Second))
	text := line + " HTTP/1.1\r\nHost: shop\r\n" + strings.Join(append(lines, "\r\n"), "\r\n")
	if len(lines) == 0 {
		text = line + " HTTP/1.1\r\nHost: shop\r\n\r\n"
	}
	if _, err := io.WriteString(c.conn, text); err != nil {
		c.t.Fatal(err)
	}
	method, _, _ := strings.Cut(line, " ")
	resp, err := http.ReadResponse(c.r, &http.Request{Method: method})
	if err != nil {
		c.t.Fatalf("%q: %v", line, err)
	}
	b, err := io.ReadAll(resp.Body)
	_ = resp.Body.Close()
	if err != nil || resp.Close {
		c.hangUp()
	}
	return resp.StatusCode, string(b)
}

// sendRaw2 sends a request over HTTP/2, on a connection of its own. The status is 0 when
// the stream or the connection ends without one.
func sendRaw2(t *testing.T, addr, method, target string, lines ...string) (status int, body string) {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
	var block bytes.Buffer
	enc := hpack.NewEncoder(&block)
	fields := [][2]string{{":method", method}, {":scheme", "http"}, {":path", target}, {":authority", "shop"}}
	for _, line := range lines {
		key, value, _ := strings.Cut(line, ": ")
		fields = append(fields, [2]string{strings.ToLower(key), value})
	}
	for _, f := range fields {
		_ = enc.WriteField(hpack.HeaderField{Name: f[0], Value: f[1]})
	}
	if _, err := io.WriteString(conn, http2.ClientPreface); err != nil {
		t.Fatal(err)
	}
	fr := http2.NewFramer(conn, conn)
	fr.AllowIllegalWrites = true
	fr.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	_ = fr.WriteSettings()
	_ = fr.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: block.Bytes(), EndHeaders: true, EndStream: true})
	return readRaw2(fr)
}

func readRaw2(fr *http2.Framer) (status int, body string) {
	for {
		f, err := fr.ReadFrame()
		if err != nil {
			return status, body
		}
		ended := false
		switch f := f.(type) {
		case *http2.SettingsFrame:
			if !f.IsAck() {
				_ = fr.WriteSettingsAck()
			}
		case *http2.MetaHeadersFrame:
			for _, c := range f.PseudoValue("status") {
				status = 10*status + int(c-'0')
			}
			ended = f.StreamEnded()
		case *http2.DataFrame:
			body += string(f.Data())
			ended = f.StreamEnded()
		case *http2.RSTStreamFrame, *http2.GoAwayFrame:
			return status, body
		}
		if ended {
			return status, body
		}
	}
}
