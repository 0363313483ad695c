// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package scenario_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/keepalive"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/balance"
	"github.com/enmesh-go/enmesh/internal/ledger"
	"github.com/enmesh-go/enmesh/resilience/retry"
)

// TestScenarioN11_goAwayAllTheTime: servers say goodbye to each connection every 100 ms, at
// 1,000 calls a second. No call fails, and each is served once, though none is idempotent
// and no policy retries.
func TestScenarioN11_goAwayAllTheTime(t *testing.T) {
	t.Run("gRPC", func(t *testing.T) {
		ledger.Baseline(t)
		var receipts ledger.Receipts
		server := grpc.NewServer(grpc.ChainUnaryInterceptor(receiptsOf(&receipts, "a")), grpc.KeepaliveParams(keepalive.ServerParameters{
			MaxConnectionAge: 100 * time.Millisecond, MaxConnectionAgeGrace: 10 * time.Second,
		}))
		grpc_health_v1.RegisterHealthServer(server, health.NewServer())
		listener, done := loopback(t), make(chan struct{})
		go func() { defer close(done); _ = server.Serve(listener) }()
		t.Cleanup(func() { server.Stop(); <-done })
		w := newTown(t, balance.ConnectionConfig{}, listener.Addr().String())
		once(t, ledger.Start(t.Context(), ledger.Config{
			Rate: 1000, For: ledger.Short(60*time.Second) / 3, Call: check(w.stub()),
		}), &receipts)
	})
	t.Run("HTTP/2", func(t *testing.T) {
		ledger.Baseline(t)
		var receipts ledger.Receipts
		var last atomic.Int64
		handler := receipts.Handler("a", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			now := time.Now().UnixNano()
			if at := last.Load(); now-at > int64(100*time.Millisecond) && last.CompareAndSwap(at, now) {
				w.Header().Set("Connection", "close") // over HTTP/2 a graceful GOAWAY
			}
			_, _ = io.WriteString(w, "done")
		}))
		server := &http.Server{Handler: handler, Protocols: new(http.Protocols), ReadHeaderTimeout: time.Minute}
		server.Protocols.SetUnencryptedHTTP2(true)
		listener, done := loopback(t), make(chan struct{})
		go func() { defer close(done); _ = server.Serve(listener) }()
		t.Cleanup(func() { _ = server.Close(); <-done })
		w := newTown(t, balance.ConnectionConfig{}, listener.Addr().String())
		once(t, ledger.Start(t.Context(), ledger.Config{
			Rate: 1000, For: ledger.Short(60*time.Second) / 3, Call: post(w.client(true)),
		}), &receipts)
	})
}

// rough is a server of HTTP/2 and gRPC that refuses one stream in ten, and with every
// fortieth says that it has gone away before the streams it has just got. What it answers
// it has written a receipt for.
type rough struct {
	receipts *ledger.Receipts
	n        atomic.Int64
	internal atomic.Bool // break what was served with INTERNAL_ERROR
}

func (s *rough) serve(conn net.Conn) {
	defer func() { _ = conn.Close() }()
	if _, err := io.ReadFull(conn, make([]byte, len(http2.ClientPreface))); err != nil {
		return
	}
	fr := http2.NewFramer(conn, conn)
	fr.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	if fr.WriteSettings() != nil {
		return
	}
	gone := uint32(0)                               // the last stream that is served, once GOAWAY was sent
	reading := map[uint32]*http2.MetaHeadersFrame{} // requests whose body is still to come
	for {
		f, err := fr.ReadFrame()
		if err != nil {
			return
		}
		switch f := f.(type) {
		case *http2.SettingsFrame:
			if !f.IsAck() {
				_ = fr.WriteSettingsAck()
			}
		case *http2.PingFrame:
			if !f.IsAck() {
				_ = fr.WritePing(true, f.Data)
			}
		case *http2.MetaHeadersFrame:
			n := s.n.Add(1)
			switch {
			case gone != 0 && f.StreamID > gone:
			case n%40 == 0 && f.StreamID > 2:
				gone = f.StreamID - 2
				_ = fr.WriteGoAway(gone, http2.ErrCodeNo, nil)
			case n%10 == 0:
				_ = fr.WriteRSTStream(f.StreamID, http2.ErrCodeRefusedStream)
			case f.StreamEnded():
				s.answer(fr, f)
			default:
				reading[f.StreamID] = f
			}
		case *http2.DataFrame:
			if head := reading[f.StreamID]; head != nil && f.StreamEnded() {
				delete(reading, f.StreamID)
				s.answer(fr, head)
			}
		}
	}
}

// answer serves a stream.
func (s *rough) answer(fr *http2.Framer, f *http2.MetaHeadersFrame) {
	var id, kind string
	for _, h := range f.Fields {
		switch h.Name {
		case ledger.IDKey:
			id = h.Value
		case "content-type":
			kind = h.Value
		}
	}
	s.receipts.Begin(id, "rough")()
	if s.internal.Load() {
		_ = fr.WriteRSTStream(f.StreamID, http2.ErrCodeInternal)
		return
	}
	if strings.HasPrefix(kind, "application/grpc") {
		_ = fr.WriteHeaders(http2.HeadersFrameParam{StreamID: f.StreamID, EndHeaders: true, BlockFragment: block(":status", "200", "content-type", "application/grpc", ledger.ServerKey, "rough")})
		_ = fr.WriteData(f.StreamID, false, make([]byte, 5)) // an empty message
		_ = fr.WriteHeaders(http2.HeadersFrameParam{StreamID: f.StreamID, EndHeaders: true, EndStream: true, BlockFragment: block("grpc-status", "0")})
		return
	}
	_ = fr.WriteHeaders(http2.HeadersFrameParam{StreamID: f.StreamID, EndHeaders: true, EndStream: true, BlockFragment: block(":status", "200", ledger.ServerKey, "rough")})
}

func block(fields ...string) []byte {
	var b strings.Builder
	e := hpack.NewEncoder(&b)
	e.SetMaxDynamicTableSize(0)
	for i := 0; i < len(fields); i += 2 {
		_ = e.WriteField(hpack.HeaderField{Name: fields[i], Value: fields[i+1]})
	}
	return []byte(b.String())
}

func (s *rough) start(t *testing.T) string {
	t.Helper()
	listener := loopback(t)
	var running sync.WaitGroup
	var mu sync.Mutex
	conns := map[net.Conn]bool{}
	running.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			conns[conn] = true
			mu.Unlock()
			running.Go(func() { s.serve(conn) })
		}
	})
	t.Cleanup(func() {
		_ = listener.Close()
		mu.Lock()
		for c := range conns {
			_ = c.Close()
		}
		mu.Unlock()
		running.Wait()
	})
	return listener.Addr().String()
}

// TestScenarioN12_refusedStreams: what a server provably did not process is sent again,
// though it is not idempotent, and is served once. What it may have processed is not.
func TestScenarioN12_refusedStreams(t *testing.T) {
	again, err := retry.New(retry.Config{MaxAttempts: 4})
	if err != nil {
		t.Fatal(err)
	}
	for name, call := range map[string]func(*town) ledger.Call{
		"HTTP/2": func(w *town) ledger.Call { return post(w.client(true)) },
		"gRPC":   func(w *town) ledger.Call { return check(w.stub()) },
	} {
		for kind, cfg := range map[string]balance.ConnectionConfig{"": {}, ", bounded": {MaxConnections: 8}} {
			if name == "gRPC" && kind != "" {
				continue
			}
			t.Run(name+kind, func(t *testing.T) {
				ledger.Baseline(t)
				var receipts ledger.Receipts
				a, b := &rough{receipts: &receipts}, &rough{receipts: &receipts}
				w := newTown(t, cfg, a.start(t), b.start(t))
				w.chain, w.resends = []enmesh.Middleware{again}, true
				send := call(w)
				once(t, ledger.Start(t.Context(), ledger.Config{Rate: 200, For: ledger.Short(30*time.Second) / 5, Call: send}), &receipts)
				a.internal.Store(true)
				b.internal.Store(true)
				failed := 0
				for i := range 50 {
					id := "broken" + string(rune('0'+i%10)) + string(rune('0'+i/10))
					ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
					if _, err := send(ctx, id); err != nil {
						failed++
						if errors.Is(err, context.DeadlineExceeded) {
							t.Errorf("call %s: %v", id, err)
						}
					}
					cancel()
					if got := receipts.Servers(id); len(got) > 1 {
						t.Errorf("call %s was served %d times after INTERNAL_ERROR", id, len(got))
					}
				}
				if failed != 50 {
					t.Errorf("%d of 50 calls failed that were broken with INTERNAL_ERROR, want all", failed)
				}
			})
		}
	}
}
