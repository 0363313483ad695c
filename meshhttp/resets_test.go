// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package meshhttp_test

import (
	"bytes"
	"net"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/meshhttp"
)

// CVE-2023-39325: handlers of requests that were reset did not count against the limit on
// streams, so that one connection had any number of them running.
func TestCVE_2023_39325_handlersOfResetRequests(t *testing.T) {
	const most, requests = 10, 500
	var now, peak, ran atomic.Int64
	leave := make(chan struct{})
	h := http.HandlerFunc(func(http.ResponseWriter, *http.Request) { // it does not heed that its caller has left
		n := now.Add(1)
		was := peak.Load()
		for n > was && !peak.CompareAndSwap(was, n) {
			was = peak.Load()
		}
		ran.Add(1)
		<-leave
		now.Add(-1)
	})
	srv := meshhttp.NewServer(meshhttp.NewHandler(h, enmesh.Fixed(false)), meshhttp.MaxStreams(most), meshhttp.FloodLimit(0, -1))
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() { defer close(done); _ = srv.Serve(l) }()
	t.Cleanup(func() { _ = srv.Close(); <-done })
	get2 := [][2]string{{":method", "GET"}, {":scheme", "http"}, {":path", "/"}, {":authority", "a"}}
	conn, fr := dial2(t, l.Addr().String(), get2)
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(30 * time.Second))
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	runs := func(want int64) {
		for end := time.Now().Add(20 * time.Second); now.Load() < want; <-tick.C {
			if time.Now().After(end) {
				t.Fatalf("%d handlers run, want %d", now.Load(), want)
			}
		}
	}
	runs(1)
	_ = fr.WriteRSTStream(1, http2.ErrCodeCancel)
	for n := range uint32(requests) {
		id := 2*n + 3
		var block bytes.Buffer
		enc := hpack.NewEncoder(&block)
		enc.SetMaxDynamicTableSize(0)
		for _, line := range get2 {
			_ = enc.WriteField(hpack.HeaderField{Name: line[0], Value: line[1]})
		}
		if fr.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: block.Bytes(), EndHeaders: true, EndStream: true}) != nil {
			break // it was thrown out, which is fine
		}
		runs(min(int64(n)+2, most)) // a handler that has begun is what its caller leaves behind
		if fr.WriteRSTStream(id, http2.ErrCodeCancel) != nil {
			break
		}
	}
	_ = fr.WritePing(false, [8]byte{1})
	for { // until all was read, or the connection ends
		f, err := fr.ReadFrame()
		if p, ok := f.(*http2.PingFrame); err != nil || ok && p.IsAck() {
			break
		}
	}
	close(leave)
	for end := time.Now().Add(20 * time.Second); ran.Load() < most || now.Load() > 0; <-tick.C {
		if time.Now().After(end) {
			t.Fatalf("%d handlers ran, %d still do", ran.Load(), now.Load())
		}
	}
	if got := peak.Load(); got > most {
		t.Errorf("%d handlers ran at once, want at most %d", got, most)
	}
	t.Logf("of %d requests that were reset %d had their handler run", requests, ran.Load())
}
