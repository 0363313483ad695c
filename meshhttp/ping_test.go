// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package meshhttp_test

import (
	"bytes"
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/balance"
	"github.com/enmesh-go/enmesh/meshhttp"
)

// hanging is a server of HTTP/2 in plaintext that begins an answer to each request and says
// nothing from then on, not even to pings; it tells of these.
func hanging(t *testing.T) (addr string, pings <-chan struct{}) {
	t.Helper()
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	asked, done := make(chan struct{}, 100), make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := lis.Accept()
			if err != nil {
				return
			}
			hang(conn, asked)
			_ = conn.Close()
		}
	}()
	t.Cleanup(func() { _ = lis.Close(); <-done })
	return lis.Addr().String(), asked
}

// hang serves one connection until the client closes it.
func hang(conn net.Conn, asked chan<- struct{}) {
	if _, err := io.ReadFull(conn, make([]byte, len(http2.ClientPreface))); err != nil {
		return
	}
	fr := http2.NewFramer(conn, conn)
	if fr.WriteSettings() != nil {
		return
	}
	for {
		f, err := fr.ReadFrame()
		if err != nil {
			return
		}
		switch f := f.(type) {
		case *http2.HeadersFrame:
			var block bytes.Buffer
			_ = hpack.NewEncoder(&block).WriteField(hpack.HeaderField{Name: ":status", Value: "200"})
			_ = fr.WriteHeaders(http2.HeadersFrameParam{StreamID: f.StreamID, BlockFragment: block.Bytes(), EndHeaders: true})
		case *http2.PingFrame:
			asked <- struct{}{}
		}
	}
}

// TestTransport_pingsAsItIsTold: policy says when a silent connection of HTTP/2 is asked, and
// how long the answer may take, before the base and the program do.
func TestTransport_pingsAsItIsTold(t *testing.T) {
	pings := func(interval, timeout time.Duration) balance.ConnectionConfig {
		return balance.ConnectionConfig{PingInterval: interval, PingTimeout: timeout, Protocol: balance.HTTP2}
	}
	const soon, late = 20 * time.Millisecond, time.Hour
	for name, tt := range map[string]struct {
		policy, program balance.ConnectionConfig
		asked, ended    bool
	}{
		"policy says":               {pings(soon, soon), pings(late, late), true, true},
		"policy has time":           {pings(soon, late), pings(late, soon), true, false},
		"policy has it never asked": {pings(-1, soon), pings(soon, soon), false, false},
		"the program says":          {pings(0, 0), pings(soon, soon), true, true},
	} {
		t.Run(name, func(t *testing.T) {
			addr, asked := hanging(t)
			cluster := newCluster(&recorder{}, addr)
			cluster.Configure(balance.ClusterConfig{Algorithm: balance.RoundRobin(), Connection: tt.policy})
			base := &http.Transport{HTTP2: &http.HTTP2Config{SendPingTimeout: late, PingTimeout: late}}
			tr := meshhttp.NewTransport(base, enmesh.Fixed(false), oneCluster{cluster}, meshhttp.Connection(tt.program))
			defer tr.Close()
			resp, err := (&http.Client{Transport: tr}).Get("http://svc/")
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			ended := make(chan error, 1)
			go func() {
				_, err := io.ReadAll(resp.Body)
				ended <- err
			}()
			if got := comes(asked, tt.asked); got != tt.asked {
				t.Errorf("asked by a ping: %t, want %t", got, tt.asked)
			}
			if got := comes(ended, tt.ended); got != tt.ended {
				t.Errorf("given up: %t, want %t", got, tt.ended)
			}
		})
	}
}

// comes reports whether something comes: soon, if that is expected, and else for a moment.
func comes[T any](ch <-chan T, expected bool) bool {
	wait := 200 * time.Millisecond
	if expected {
		wait = 8 * time.Second // less than the default
	}
	select {
	case <-ch:
		return true
	case <-time.After(wait):
		return false
	}
}
