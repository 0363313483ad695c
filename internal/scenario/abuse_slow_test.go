// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package scenario_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/http2"

	"github.com/enmesh-go/enmesh/internal/ledger"
	"github.com/enmesh-go/enmesh/meshhttp"
)

// crowdSize is how many connections do nothing useful.
func crowdSize(full, short int) int {
	if ledger.Full() {
		return full
	}
	return short
}

// handshakeTimeout is the default of both kinds of servers, and slack what a busy machine
// adds.
const (
	handshakeTimeout = 5 * time.Second
	slack            = 3 * time.Second
)

// throng is connections that an attacker holds.
type throng []net.Conn

// newThrong connects so many times.
func newThrong(t *testing.T, n int, connect func(context.Context) (net.Conn, error)) throng {
	t.Helper()
	var h throng
	t.Cleanup(func() {
		for _, c := range h {
			_ = c.Close()
		}
	})
	for range n {
		c, err := connect(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		h = append(h, c)
	}
	return h
}

// wait waits until the server has ended all of them, and says how many and when. It reads
// one after the other: goroutines would weigh more than what is weighed.
func (h throng) wait(began time.Time, limit time.Duration) (closed int, last time.Duration) {
	buf := make([]byte, 1024)
	for _, c := range h {
		_ = c.SetReadDeadline(began.Add(limit))
		for {
			if _, err := c.Read(buf); err != nil {
				if hungUp(err) {
					closed++
				}
				break
			}
		}
	}
	return closed, time.Since(began)
}

// TestScenarioT13_silentHandshakes: thousands of connections that never say a word are
// ended by the handshake's timeout, cost at most 20 KiB each, and honest clients do not
// notice.
func TestScenarioT13_silentHandshakes(t *testing.T) {
	ledger.Baseline(t)
	for _, g := range allTargets(t) {
		t.Run(g.name, func(t *testing.T) {
			n := crowdSize(5000, 1000)
			g.beside(t, bearableWait, func() []string {
				began := time.Now()
				var closed int
				var last time.Duration
				grown := weighEvery(t, time.Second, func() {
					h := newThrong(t, n, (&fortress{addr: g.addr}).connect) // by TCP alone
					closed, last = h.wait(began, handshakeTimeout+slack)
				})
				each := grown * 1024 / float64(n)
				t.Logf("%d of %d connections ended, the last after %v; %.1f KiB each", closed, n, last, each)
				if closed != n {
					t.Errorf("%d of %d silent connections were ended within %v, want all", closed, n, handshakeTimeout+slack)
				}
				if each > 20*raceWeighs {
					t.Errorf("%.1f KiB for a silent connection, want 20 at most", each)
				}
				return nil
			})
		})
	}
}

// TestScenarioR5_slowHeaders: connections that send a byte of a header a second, in plaintext
// or after the handshake of TLS, are ended by the header's timeout, and honest clients do not
// notice.
func TestScenarioR5_slowHeaders(t *testing.T) {
	ledger.Baseline(t)
	n := crowdSize(2000, 500)
	for _, g := range []*fortress{webTarget(t, false), webTarget(t, true)} {
		t.Run(g.name, func(t *testing.T) {
			first := &fortress{addr: g.addr, secure: g.secure.Clone()}
			if first.secure != nil {
				first.secure.NextProtos = []string{"http/1.1"}
			}
			g.beside(t, bearableWait, func() []string {
				h := newThrong(t, n, first.connect)
				began, stop := time.Now(), h.drip(t)
				closed, last := h.wait(began, meshhttp.DefaultHeaderTimeout+slack)
				stop()
				t.Logf("%d of %d connections ended, the last after %v", closed, n, last)
				if closed != n {
					t.Errorf("%d of %d slow connections were ended within %v, want all", closed, n, meshhttp.DefaultHeaderTimeout+slack)
				}
				return nil
			})
		})
	}
}

// drip sends a byte of a header over each connection a second, until it is stopped.
func (h throng) drip(t *testing.T) (stop func()) {
	ctx, cancel := context.WithCancel(t.Context())
	var sending sync.WaitGroup
	sending.Go(func() {
		const text = "GET / HTTP/1.1\r\nHost: a\r\nX-A: aaaaaaaaaaaaaaaaaaaaaaaaaa"
		tick := time.NewTicker(time.Second)
		defer tick.Stop()
		for i := range len(text) {
			for _, c := range h {
				_, _ = io.WriteString(c, text[i:i+1])
			}
			select {
			case <-tick.C:
			case <-ctx.Done():
				return
			}
		}
	})
	return func() { cancel(); sending.Wait() }
}

// TestScenarioR5_slowBody: a body that stops coming ends its handler, over HTTP/1.1 and
// HTTP/2, whether the handler still reads or has returned.
func TestScenarioR5_slowBody(t *testing.T) {
	ledger.Baseline(t)
	const patience = 500 * time.Millisecond
	g := webTarget(t, false, meshhttp.BodyTimeout(patience))
	t.Run("HTTP/1.1", func(t *testing.T) {
		conn := g.dial(t)
		_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
		began := time.Now()
		if _, err := io.WriteString(conn, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nabc"); err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, conn); !hungUp(err) && err != nil {
			t.Fatalf("the connection is still open: %v", err)
		}
		within(t, time.Since(began), patience, 3*time.Second)
	})
	t.Run("HTTP/2", func(t *testing.T) {
		c := rawTo(t, g)
		began := time.Now()
		if _, err := c.open(false); err != nil {
			t.Fatal(err)
		}
		_ = c.out.Flush()
		for c.status.Load()+c.resets.Load() == 0 && time.Since(began) < 5*time.Second {
			pause(t, 5*time.Millisecond)
		}
		within(t, time.Since(began), patience, 3*time.Second)
	})
}

// TestScenarioR5_patience: a body that keeps coming, if slowly, is read to its end.
func TestScenarioR5_patience(t *testing.T) {
	ledger.Baseline(t)
	g := webTarget(t, false, meshhttp.BodyTimeout(500*time.Millisecond))
	conn := g.dial(t)
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	if _, err := io.WriteString(conn, "POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 20\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	for range 20 {
		pause(t, 100*time.Millisecond)
		if _, err := io.WriteString(conn, "a"); err != nil {
			t.Fatal(err)
		}
	}
	text, err := io.ReadAll(conn)
	if err != nil || string(text[:15]) != "HTTP/1.1 200 OK" {
		t.Errorf("got %.40q, %v; want 200", text, err)
	}
}

// TestScenarioR5_slowRead: a client that does not read its answer holds its handler no
// longer than the write timeout, over HTTP/1.1 and HTTP/2.
func TestScenarioR5_slowRead(t *testing.T) {
	ledger.Baseline(t)
	for _, two := range []bool{false, true} {
		name := map[bool]string{false: "HTTP/1.1", true: "HTTP/2"}[two]
		t.Run(name, func(t *testing.T) {
			ended := make(chan time.Duration, 1)
			h := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				began := time.Now()
				for piece := make([]byte, 1<<20); ; {
					if _, err := w.Write(piece); err != nil {
						break
					}
				}
				ended <- time.Since(began)
			})
			server := meshhttp.NewServer(h, meshhttp.WriteTimeout(time.Second))
			listener, done := loopback(t), make(chan struct{})
			go func() { defer close(done); _ = server.Serve(listener) }()
			t.Cleanup(func() { _ = server.Close(); <-done })
			g := &fortress{name: name, addr: listener.Addr().String()}
			if two {
				c := rawTo(t, g)
				_ = c.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, EndHeaders: true, EndStream: true, BlockFragment: c.head()})
				_ = c.out.Flush()
			} else if _, err := io.WriteString(g.dial(t), "GET / HTTP/1.1\r\nHost: a\r\n\r\n"); err != nil {
				t.Fatal(err)
			}
			select {
			case took := <-ended:
				within(t, took, time.Second/2, 4*time.Second)
			case <-time.After(10 * time.Second):
				t.Error("the handler still writes")
			}
		})
	}
}

func within(t *testing.T, took, least, most time.Duration) {
	t.Helper()
	t.Logf("after %v", took)
	if took < least || took > most {
		t.Errorf("it took %v, want between %v and %v", took, least, most)
	}
}
