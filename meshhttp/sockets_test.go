// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package meshhttp_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/balance"
	"github.com/enmesh-go/enmesh/internal/faultnet"
	"github.com/enmesh-go/enmesh/meshhttp"
	"github.com/enmesh-go/enmesh/resilience/retry"
)

// wire is a way to speak HTTP, and a server that speaks it.
type wire struct {
	name     string
	tls      bool
	protocol balance.WireProtocol
	proto    string // of answers
	streams  int    // that the server takes on a connection; 0: many
}

var wires = []wire{
	{"HTTP/1.1", false, balance.AnyHTTP, "HTTP/1.1", 0},
	{"HTTP/1.1 over TLS", true, balance.HTTP1, "HTTP/1.1", 0},
	{"HTTP/2 over TLS", true, balance.AnyHTTP, "HTTP/2.0", 0},
	{"HTTP/2 with prior knowledge", false, balance.HTTP2, "HTTP/2.0", 0},
}

// shop is a server and a client with connections as cfg says.
type shop struct {
	*world
	client *http.Client
	made   atomic.Int64 // connections
	open   atomic.Int64
}

func newShop(t *testing.T, w wire, cfg balance.ConnectionConfig, resends bool, h http.Handler) *shop {
	t.Helper()
	s := &shop{}
	srv := httptest.NewUnstartedServer(h)
	srv.Config.ErrorLog = quiet
	srv.Config.Protocols = new(http.Protocols)
	srv.Config.Protocols.SetHTTP1(true)
	srv.Config.Protocols.SetHTTP2(true)
	srv.Config.Protocols.SetUnencryptedHTTP2(true)
	srv.Config.HTTP2 = &http.HTTP2Config{MaxConcurrentStreams: w.streams}
	srv.Config.ConnState = func(_ net.Conn, st http.ConnState) {
		switch st {
		case http.StateNew:
			s.made.Add(1)
			s.open.Add(1)
		case http.StateClosed, http.StateHijacked:
			s.open.Add(-1)
		case http.StateActive, http.StateIdle:
		}
	}
	var trusted *tls.Config
	if w.tls {
		srv.EnableHTTP2 = true
		srv.StartTLS()
		trusted = srv.Client().Transport.(*http.Transport).TLSClientConfig.Clone()
		trusted.ServerName, trusted.NextProtos = "example.com", nil
	} else {
		srv.Start()
	}
	t.Cleanup(srv.Close)
	s.world = worldOf(srv)
	cfg.Protocol = w.protocol
	s.configure(cfg)
	var source balance.Source = oneCluster{s.cluster}
	if trusted != nil {
		source = secured{oneCluster{s.cluster}, trusted}
	}
	tr := meshhttp.NewTransport(nil, enmesh.Fixed(resends, enmesh.Guard(s.guard), again(3)), source)
	t.Cleanup(func() { _ = tr.Close() })
	s.client = &http.Client{Transport: tr}
	return s
}

func (s *shop) configure(cfg balance.ConnectionConfig) {
	s.cluster.Configure(balance.ClusterConfig{
		Algorithm: balance.RoundRobin(), Connection: cfg,
		Gates: func(*balance.Endpoint) []enmesh.Gate { return []enmesh.Gate{s.gate} },
	})
}

// say answers with the request's body, or "done".
var say = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
	b, _ := io.ReadAll(r.Body)
	if len(b) == 0 {
		b = []byte("done")
	}
	_, _ = w.Write(b)
})

func TestSockets_speakWhatTheyAreTold(t *testing.T) {
	for _, w := range wires {
		for name, cfg := range map[string]balance.ConnectionConfig{"free": {}, "bounded": {MaxConnections: 1}} {
			t.Run(w.name+" "+name, func(t *testing.T) {
				s := newShop(t, w, cfg, false, say)
				once := func() {
					resp, text := get(t, s.client, "http://svc/")
					if resp.Proto != w.proto || text != "done" {
						t.Fatalf("got %q over %s, want it over %s", text, resp.Proto, w.proto)
					}
				}
				once()
				once()
				once()
				resp, err := s.client.Post("http://svc/", "text/plain", strings.NewReader("said"))
				if err != nil {
					t.Fatal(err)
				}
				if got := body(t, resp); got != "said" {
					t.Errorf("got %q back", got)
				}
				if got := s.made.Load(); got != 1 {
					t.Errorf("connections: got %d, want 1", got)
				}
			})
		}
	}
}

// TestSockets_boundConnectionsAndTheQueue: two calls are served, one waits, and one more
// is refused with UO, which counts against nobody.
func TestSockets_boundConnectionsAndTheQueue(t *testing.T) {
	for _, w := range wires {
		t.Run(w.name, func(t *testing.T) {
			release, held := make(chan struct{}), make(chan struct{}, 10)
			s := newShop(t, w, balance.ConnectionConfig{MaxConnections: 2, MaxPending: 1, MaxStreams: 1}, false,
				http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
					held <- struct{}{}
					<-release
					_, _ = io.WriteString(w, "done")
				}))
			ends := make(chan error, 4)
			call := func() {
				go func() {
					resp, err := s.client.Get("http://svc/")
					if err == nil {
						if got := body(t, resp); got != "done" {
							t.Errorf("got %q", got)
						}
					}
					ends <- err
				}()
			}
			call()
			<-held
			call()
			<-held
			call() // of these two one waits, whichever comes first,
			call()
			err := <-ends // and the other is refused
			e := enmesh.ErrorOf(err)
			if !errors.Is(err, balance.ErrOverflow) || e.Status != 503 || e.Flag != enmesh.FlagOverflow || !e.Unsent || e.Outcome != enmesh.Neutral {
				t.Errorf("got %#v, want UO, unsent, neutral", e)
			}
			close(release)
			for range 3 {
				if err := <-ends; err != nil {
					t.Error(err)
				}
			}
			if got := s.made.Load(); got != 2 {
				t.Errorf("connections: got %d, want 2", got)
			}
			s.gate.settled(t, 6) // the refused one was tried three times
		})
	}
}

func TestSockets_overflowGoesElsewhere(t *testing.T) {
	release, held := make(chan struct{}), make(chan struct{}, 10)
	hold := http.HandlerFunc(func(http.ResponseWriter, *http.Request) { held <- struct{}{}; <-release })
	s := newShop(t, wires[0], balance.ConnectionConfig{MaxConnections: 1, MaxPending: 1, MaxRequests: 1}, true, hold)
	other := httptest.NewServer(hold)
	t.Cleanup(other.Close)
	s.cluster.Apply(endpoints(s.srv.Listener.Addr().String(), other.Listener.Addr().String()))
	policy, err := retry.New(retry.Config{MaxAttempts: 3, BaseBackoff: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	tr := meshhttp.NewTransport(nil, enmesh.Fixed(true, policy), oneCluster{s.cluster})
	t.Cleanup(func() { _ = tr.Close() })
	s.client = &http.Client{Transport: tr}
	var all sync.WaitGroup
	for range 2 {
		all.Go(func() {
			resp, err := s.client.Post("http://svc/", "text/plain", strings.NewReader("x"))
			if err != nil {
				t.Errorf("with room at the other endpoint: %v", err)
				return
			}
			_ = resp.Body.Close()
		})
	}
	<-held
	<-held
	if _, err := s.client.Post("http://svc/", "text/plain", strings.NewReader("x")); !errors.Is(err, balance.ErrOverflow) {
		t.Errorf("both full: got %v, want ErrOverflow", err)
	}
	close(release)
	all.Wait()
}

func TestSockets_waitersLeaveWithTheirContext(t *testing.T) {
	release, held := make(chan struct{}), make(chan struct{}, 10)
	s := newShop(t, wires[0], balance.ConnectionConfig{MaxConnections: 1}, false,
		http.HandlerFunc(func(http.ResponseWriter, *http.Request) { held <- struct{}{}; <-release }))
	done := make(chan struct{})
	go func() { defer close(done); _, _ = get(t, s.client, "http://svc/") }()
	<-held
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	req, _ := http.NewRequestWithContext(ctx, http.MethodGet, "http://svc/", http.NoBody)
	if _, err := s.client.Do(req); enmesh.CodeOf(err) != enmesh.DeadlineExceeded {
		t.Errorf("got %v, want the caller's deadline", err)
	}
	close(release)
	<-done
	_, _ = get(t, s.client, "http://svc/")
	if got := s.made.Load(); got != 1 {
		t.Errorf("connections: got %d, want 1", got)
	}
}

func TestSockets_serveTheirNumberOfCalls(t *testing.T) {
	for _, w := range wires {
		t.Run(w.name, func(t *testing.T) {
			s := newShop(t, w, balance.ConnectionConfig{MaxRequestsPerConnection: 3}, false, say)
			for range 10 {
				_, _ = get(t, s.client, "http://svc/")
			}
			if got := s.made.Load(); got != 4 {
				t.Errorf("connections for 10 calls: got %d, want 4", got)
			}
			eventually(t, "those used up are closed", func() bool { return s.open.Load() == 1 })
		})
	}
}

// TestSockets_serverBoundsStreams: who waits is served, though the server takes one call at
// a time and net/http forgets a stream a moment after its end.
func TestSockets_serverBoundsStreams(t *testing.T) {
	for _, streams := range []int{1, 2, 5} {
		s := newShop(t, wire{"few streams", false, balance.HTTP2, "HTTP/2.0", streams}, balance.ConnectionConfig{MaxConnections: 1}, false, say)
		began := time.Now()
		var all sync.WaitGroup
		for range 30 {
			all.Go(func() {
				for range 10 {
					_, _ = get(t, s.client, "http://svc/")
				}
			})
		}
		all.Wait()
		if took := time.Since(began); took > 3*time.Second || s.made.Load() > 2 { // the first may be asked for too much before the server has said how much it takes
			t.Errorf("%d streams: took %v over %d connections, want no waits over one", streams, took, s.made.Load())
		}
	}
}

func TestSockets_boundStreams(t *testing.T) {
	release, held := make(chan struct{}), make(chan struct{}, 10)
	s := newShop(t, wires[3], balance.ConnectionConfig{MaxStreams: 2}, false,
		http.HandlerFunc(func(http.ResponseWriter, *http.Request) { held <- struct{}{}; <-release }))
	var all sync.WaitGroup
	for range 6 {
		all.Go(func() { _, _ = get(t, s.client, "http://svc/") })
		<-held
	}
	if got := s.made.Load(); got != 3 {
		t.Errorf("connections for 6 calls at once: got %d, want 3", got)
	}
	close(release)
	all.Wait()
}

// TestSockets_ageUnderLoad: connections that live for a moment carry a load of which no
// call fails and none is served twice, POST and all.
func TestSockets_ageUnderLoad(t *testing.T) {
	for _, w := range wires {
		t.Run(w.name, func(t *testing.T) {
			var served sync.Map
			s := newShop(t, w, balance.ConnectionConfig{MaxAge: 15 * time.Millisecond, MaxConnections: 20, Prewarm: 2}, false,
				http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					b, _ := io.ReadAll(r.Body)
					if _, twice := served.LoadOrStore(string(b), true); twice {
						t.Errorf("%s was served twice", b)
					}
					_, _ = w.Write(b)
				}))
			var sent atomic.Int64
			var all sync.WaitGroup
			stop := time.Now().Add(700 * time.Millisecond)
			for range 6 {
				all.Go(func() {
					for time.Now().Before(stop) {
						id := fmt.Sprint(sent.Add(1))
						resp, err := s.client.Post("http://svc/", "text/plain", io.MultiReader(strings.NewReader(id)))
						if err != nil {
							t.Errorf("a call failed: %v", err)
							return
						}
						if got := body(t, resp); got != id {
							t.Errorf("got %q, want %q", got, id)
						}
					}
				})
			}
			all.Wait()
			t.Logf("%d calls over %d connections", sent.Load(), s.made.Load())
			if got := s.made.Load(); got < 20 {
				t.Errorf("connections: got %d, want at least 20 in 700 ms", got)
			}
			s.gate.settled(t, sent.Load())
		})
	}
}

func TestSockets_areWarmBeforeTheFirstCall(t *testing.T) {
	for _, w := range wires {
		t.Run(w.name, func(t *testing.T) {
			s := newShop(t, w, balance.ConnectionConfig{Prewarm: 3, IdleTimeout: 20 * time.Millisecond}, false, say)
			_, _ = get(t, s.client, "http://svc/")
			eventually(t, "three connections are open", func() bool { return s.open.Load() == 3 })
			other := newShop(t, w, balance.ConnectionConfig{}, false, say)
			if w.tls { // one certificate for both
				return
			}
			s.cluster.Apply(endpoints(s.srv.Listener.Addr().String(), other.srv.Listener.Addr().String()))
			eventually(t, "three to a new endpoint", func() bool { return other.open.Load() == 3 })
			other.srv.CloseClientConnections()
			eventually(t, "they are made again", func() bool { return other.made.Load() >= 6 && other.open.Load() == 3 })
			eventually(t, "those that were idle for too long are made anew", func() bool { return s.made.Load() > 9 && s.open.Load() == 3 })
			s.cluster.Apply(nil)
			eventually(t, "all are closed when the endpoints leave", func() bool { return s.open.Load()+other.open.Load() == 0 })
		})
	}
}

func TestSockets_idleOnesAreClosed(t *testing.T) {
	for _, w := range wires {
		for name, cfg := range map[string]balance.ConnectionConfig{"free": {}, "bounded": {MaxConnections: 4}} {
			t.Run(w.name+" "+name, func(t *testing.T) {
				cfg.IdleTimeout = 30 * time.Millisecond
				s := newShop(t, w, cfg, false, say)
				_, _ = get(t, s.client, "http://svc/")
				eventually(t, "the idle connection is closed", func() bool { return s.open.Load() == 0 })
			})
		}
	}
}

// TestSockets_followPolicy: a change makes connections anew, and cuts no call.
func TestSockets_followPolicy(t *testing.T) {
	release, held := make(chan struct{}), make(chan struct{}, 10)
	s := newShop(t, wires[0], balance.ConnectionConfig{}, false, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/long" {
			held <- struct{}{}
			<-release
		}
		_, _ = io.WriteString(w, r.Proto)
	}))
	long := make(chan string)
	go func() { _, text := get(t, s.client, "http://svc/long"); long <- text }()
	<-held
	s.configure(balance.ConnectionConfig{Protocol: balance.HTTP2, MaxConnections: 1})
	if _, got := get(t, s.client, "http://svc/"); got != "HTTP/2.0" {
		t.Errorf("got %s, want HTTP/2.0", got)
	}
	s.configure(balance.ConnectionConfig{Protocol: balance.HTTP1, MaxConnections: 1})
	if _, got := get(t, s.client, "http://svc/"); got != "HTTP/1.1" {
		t.Errorf("got %s, want HTTP/1.1", got)
	}
	close(release)
	if got := <-long; got != "HTTP/1.1" {
		t.Errorf("the call in flight: got %q", got)
	}
	eventually(t, "one connection is left", func() bool { return s.open.Load() == 1 })
}

func TestSockets_bodiesThatDoNotEnd(t *testing.T) {
	for _, w := range wires {
		t.Run(w.name, func(t *testing.T) {
			s := newShop(t, w, balance.ConnectionConfig{MaxConnections: 1}, false, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				_, _ = w.Write(bytes.Repeat([]byte("x"), 1<<20))
			}))
			for range 3 { // closed before its end, it frees its place
				resp, err := s.client.Get("http://svc/")
				if err != nil {
					t.Fatal(err)
				}
				_, _ = io.ReadFull(resp.Body, make([]byte, 10))
				_ = resp.Body.Close()
			}
			resp, err := s.client.Head("http://svc/")
			if err != nil {
				t.Fatal(err)
			}
			_ = resp.Body.Close()
			_, _ = get(t, s.client, "http://svc/")
			s.gate.settled(t, 5)
		})
	}
}

func TestSockets_upgradedConnections(t *testing.T) {
	s := newShop(t, wires[0], balance.ConnectionConfig{MaxConnections: 1}, false, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Upgrade") == "" {
			return
		}
		conn, rw, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		_, _ = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
		_, _ = io.CopyN(conn, rw, 5)
	}))
	req, _ := http.NewRequest(http.MethodGet, "http://svc/", http.NoBody)
	req.Header.Set("Connection", "Upgrade")
	req.Header.Set("Upgrade", "echo")
	resp, err := s.client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	rw, ok := resp.Body.(io.ReadWriteCloser)
	if !ok {
		t.Fatalf("the body is a %T", resp.Body)
	}
	_, _ = io.WriteString(rw, "hello")
	if got, _ := io.ReadAll(rw); string(got) != "hello" {
		t.Errorf("got %q back", got)
	}
	_ = rw.Close()
	_, _ = get(t, s.client, "http://svc/") // it has its place
	s.gate.settled(t, 2)
}

// TestSockets_connectFailureReachesAllWhoWait: nobody waits for a connection that nobody
// makes any more.
func TestSockets_connectFailureReachesAllWhoWait(t *testing.T) {
	s := newShop(t, wires[0], balance.ConnectionConfig{MaxConnections: 1, ConnectTimeout: 100 * time.Millisecond}, false, say)
	s.cluster.Apply(endpoints(faultnet.Blackhole(t)))
	began := time.Now()
	var all sync.WaitGroup
	for range 5 {
		all.Go(func() {
			_, err := s.client.Get("http://svc/")
			if e := enmesh.ErrorOf(err); e == nil || e.Flag != enmesh.FlagConnectFailure && e.Flag != enmesh.FlagNoHealthy || !e.Unsent {
				t.Errorf("got %v, want UF, or UH of an attempt that came later, unsent", err)
			}
		})
	}
	all.Wait()
	if took := time.Since(began); took > 2*time.Second {
		t.Errorf("took %v, want about 100 ms", took)
	}
}
