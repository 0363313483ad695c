// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package meshhttp_test

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	"golang.org/x/net/http2"

	"github.com/enmesh-go/enmesh/meshhttp"
)

// TestScenarioR5_idle: a connection without a request is closed after the time that the
// server is given for it, over HTTP/1.1 and HTTP/2.
func TestScenarioR5_idle(t *testing.T) {
	b := newBounded(t, meshhttp.IdleTimeout(100*time.Millisecond))
	one, err := net.Dial("tcp", b.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer one.Close()
	_ = one.SetDeadline(time.Now().Add(20 * time.Second))
	_, _ = io.WriteString(one, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
	r := bufio.NewReader(one)
	resp, err := http.ReadResponse(r, nil)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, resp.Body)
	_ = resp.Body.Close()
	if n, err := io.Copy(io.Discard, r); err != nil || n != 0 {
		t.Errorf("HTTP/1.1: got %d more bytes, %v; want the connection closed", n, err)
	}

	two, fr := dial2(t, b.addr, [][2]string{{":method", "GET"}, {":scheme", "http"}, {":path", "/"}, {":authority", "a"}})
	defer two.Close()
	_ = two.SetDeadline(time.Now().Add(20 * time.Second))
	served, asked := false, false
	for {
		f, err := fr.ReadFrame()
		var late net.Error
		if errors.As(err, &late) && late.Timeout() {
			t.Fatal("HTTP/2: the connection is still open")
		}
		if err != nil {
			break
		}
		switch f := f.(type) {
		case *http2.DataFrame:
			served = served || f.StreamEnded()
		case *http2.GoAwayFrame:
			asked = asked || f.ErrCode == http2.ErrCodeNo
		}
	}
	if !served || !asked {
		t.Errorf("HTTP/2: served %v, told to go %v; want both, and the end", served, asked)
	}
}
