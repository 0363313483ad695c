// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package mtls_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/enmesh-go/enmesh/internal/ledger"
	"github.com/enmesh-go/enmesh/security"
	"github.com/enmesh-go/enmesh/security/ca"
	"github.com/enmesh-go/enmesh/security/mtls"
)

// listen serves HTTP behind a Listener on loopback. The answer is the protocol and the
// client's ID, "nobody" in plaintext.
func listen(t testing.TB, cfg mtls.ListenerConfig) (*mtls.Listener, string) {
	t.Helper()
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	lis, err := mtls.NewListener(inner, cfg)
	if err != nil {
		t.Fatal(err)
	}
	srv := &http.Server{
		Protocols: new(http.Protocols), ErrorLog: log.New(io.Discard, "", 0),
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			who := "nobody"
			if id, err := security.PeerID(r.TLS); err == nil {
				who = id.String()
			}
			_, _ = io.WriteString(w, r.Proto+" "+who)
		}),
	}
	srv.Protocols.SetHTTP1(true)
	srv.Protocols.SetHTTP2(true)
	srv.Protocols.SetUnencryptedHTTP2(true)
	done := make(chan struct{})
	go func() { defer close(done); _ = srv.Serve(lis) }()
	t.Cleanup(func() {
		_ = srv.Close()
		<-done
	})
	return lis, lis.Addr().String()
}

// plain is an http.Client without TLS, over HTTP/1.1 or HTTP/2 with prior knowledge.
func plain(t testing.TB, h2 bool) *http.Client {
	t.Helper()
	tr := &http.Transport{Protocols: new(http.Protocols)}
	tr.Protocols.SetHTTP1(!h2)
	tr.Protocols.SetUnencryptedHTTP2(h2)
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr, Timeout: 10 * time.Second}
}

func always(m mtls.Mode) func(uint16) mtls.Mode { return func(uint16) mtls.Mode { return m } }

func TestListener_modes(t *testing.T) {
	d := newCA(t, ca.Config{})
	server, web := source(t, d, "reviews"), source(t, d, "web")
	who := sa("web").String()
	secured := mtls.Client(web, sa("reviews"))
	for _, tt := range []struct {
		mode                       mtls.Mode
		plain1, plain2, tls1, tls2 string
	}{
		{mtls.Strict, "", "", "HTTP/1.1 " + who, "HTTP/2.0 " + who},
		{mtls.Permissive, "HTTP/1.1 nobody", "HTTP/2.0 nobody", "HTTP/1.1 " + who, "HTTP/2.0 " + who},
		{mtls.Disable, "HTTP/1.1 nobody", "HTTP/2.0 nobody", "", ""},
	} {
		t.Run(tt.mode.String(), func(t *testing.T) {
			_, addr := listen(t, mtls.ListenerConfig{Source: server, Mode: always(tt.mode)})
			for _, call := range []struct {
				name, url string
				client    *http.Client
				want      string
			}{
				{"HTTP/1.1 in plaintext", "http://" + addr, plain(t, false), tt.plain1},
				{"HTTP/2 in plaintext", "http://" + addr, plain(t, true), tt.plain2},
				{"HTTP/1.1 over TLS", "https://" + addr, client(t, secured.Clone(), false), tt.tls1},
				{"HTTP/2 over TLS", "https://" + addr, client(t, secured.Clone(), true), tt.tls2},
			} {
				got, err := get(call.client, call.url)
				if got != call.want || (err == nil) != (call.want != "") {
					t.Errorf("%s: %q, %v; want %q", call.name, got, err, call.want)
				}
			}
		})
	}
}

// kept is a connection that has made one call, and can tell when the server closes it.
type kept struct {
	conn net.Conn
	in   *bufio.Reader
}

func keep(t *testing.T, addr string, cfg *tls.Config) *kept {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if cfg != nil {
		conn = tls.Client(conn, cfg)
	}
	k := &kept{conn: conn, in: bufio.NewReader(conn)}
	if err := k.call(); err != nil {
		t.Fatal(err)
	}
	return k
}

func (k *kept) call() error {
	if _, err := io.WriteString(k.conn, "GET / HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
		return err
	}
	resp, err := http.ReadResponse(k.in, nil)
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, resp.Body)
	return err
}

// ends waits until the server closes the connection, and tells how long that took.
func (k *kept) ends(t *testing.T, within time.Duration) time.Duration {
	t.Helper()
	begin := time.Now()
	_ = k.conn.SetReadDeadline(begin.Add(within))
	_, err := k.in.ReadByte()
	if ne := net.Error(nil); err == nil || errors.As(err, &ne) && ne.Timeout() {
		t.Errorf("the connection is still open after %v: %v", within, err)
	}
	return time.Since(begin)
}

func TestListener_modeThatTurnsStrictClosesPlaintext(t *testing.T) {
	t.Parallel()
	d := newCA(t, ca.Config{})
	var mode atomic.Uint32
	mode.Store(uint32(mtls.Permissive))
	closed := make(chan error, 1)
	lis, addr := listen(t, mtls.ListenerConfig{
		Source: source(t, d, "reviews"),
		Mode:   func(uint16) mtls.Mode { return mtls.Mode(mode.Load()) },
		Closed: func(_ net.Addr, err error) { closed <- err },
	})
	open := keep(t, addr, nil)
	secured := keep(t, addr, mtls.Client(source(t, d, "web"), sa("reviews"), mtls.Protocols("http/1.1")))
	mode.Store(uint32(mtls.Strict))
	if _, err := get(plain(t, false), "http://"+addr); err == nil {
		t.Error("a new connection in plaintext is taken")
	}
	open.ends(t, 5*time.Second)
	if err := <-closed; !errors.Is(err, mtls.ErrPlaintext) {
		t.Errorf("closed for %v, want ErrPlaintext", err)
	}
	if err := secured.call(); err != nil {
		t.Errorf("the connection over TLS: %v", err)
	}
	if s := lis.Stats(); s.Secured != 1 || s.Plaintext != 1 || s.Refused != 1 || s.Closed != 1 {
		t.Errorf("stats %+v", s)
	}
}

func TestListener_boundsTheAge(t *testing.T) {
	t.Parallel()
	d := newCA(t, ca.Config{})
	closed := make(chan error, 1)
	_, addr := listen(t, mtls.ListenerConfig{
		Source: source(t, d, "reviews"), MaxAge: 100 * time.Millisecond,
		Closed: func(_ net.Addr, err error) { closed <- err },
	})
	keep(t, addr, mtls.Client(source(t, d, "web"), sa("reviews"))).ends(t, 5*time.Second)
	if err := <-closed; !errors.Is(err, mtls.ErrOld) {
		t.Errorf("closed for %v, want ErrOld", err)
	}
}

// TestScenarioT13_silentClientsAreLetGo: connections that never say anything are closed in
// time, and meanwhile others are served.
func TestScenarioT13_silentClientsAreLetGo(t *testing.T) {
	d := newCA(t, ca.Config{})
	silent, limit := 200, 500*time.Millisecond
	if ledger.Full() {
		silent, limit = 5000, 5*time.Second
	}
	for _, mode := range []mtls.Mode{mtls.Strict, mtls.Permissive} {
		refused := make(chan error, silent)
		_, addr := listen(t, mtls.ListenerConfig{
			Source: source(t, d, "reviews"), Mode: always(mode), HandshakeTimeout: limit,
			Refused: func(_ net.Addr, err error) { refused <- err },
		})
		before := memory()
		for range silent {
			conn, err := net.Dial("tcp", addr)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = conn.Close() })
		}
		each := (memory() - before) / silent
		t.Logf("%v: %d bytes for a connection that says nothing", mode, each)
		if each > 20<<10 {
			t.Errorf("%v: %d bytes for a connection that says nothing, want at most 20 KiB", mode, each)
		}
		c := client(t, mtls.Client(source(t, d, "web"), sa("reviews")), false)
		if _, err := get(c, "https://"+addr); err != nil {
			t.Errorf("%v: %v", mode, err)
		}
		for range silent {
			if err := <-refused; !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("%v: refused for %v, want the deadline", mode, err)
			}
		}
	}
}

// memory is what goroutines and objects take.
func memory() int {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int(m.HeapInuse + m.StackInuse)
}

func TestListener_boundsHandshakes(t *testing.T) {
	t.Parallel()
	d := newCA(t, ca.Config{})
	refused := make(chan error, 1)
	_, addr := listen(t, mtls.ListenerConfig{
		Source: source(t, d, "reviews"), MaxHandshakes: 1,
		Refused: func(_ net.Addr, err error) {
			select {
			case refused <- err:
			default:
			}
		},
	})
	for range 2 {
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
	}
	if err := <-refused; !errors.Is(err, mtls.ErrBusy) {
		t.Errorf("refused for %v, want ErrBusy", err)
	}
}

func TestListener_closeLeavesNothing(t *testing.T) {
	t.Parallel()
	d := newCA(t, ca.Config{})
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	lis, err := mtls.NewListener(inner, mtls.ListenerConfig{Source: source(t, d, "reviews"), Mode: always(mtls.Permissive)})
	if err != nil {
		t.Fatal(err)
	}
	ready, err := net.Dial("tcp", lis.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = ready.Close() }()
	if _, err := io.WriteString(ready, "GET"); err != nil { // nobody accepts it
		t.Fatal(err)
	}
	silent, err := net.Dial("tcp", lis.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = silent.Close() }()
	for range 2 {
		if err := lis.Close(); err != nil {
			t.Error(err)
		}
	}
	if _, err := lis.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("Accept: %v, want net.ErrClosed", err)
	}
	_ = ready.SetReadDeadline(time.Now().Add(5 * time.Second))
	if _, err := ready.Read(make([]byte, 1)); err == nil {
		t.Error("a connection that nobody accepted was answered")
	}
}

func TestNewListener_refuses(t *testing.T) {
	d := newCA(t, ca.Config{})
	src := source(t, d, "reviews")
	for want, cfg := range map[string]mtls.ListenerConfig{
		"Source":           {},
		"HandshakeTimeout": {Source: src, HandshakeTimeout: -1},
		"MaxHandshakes":    {Source: src, MaxHandshakes: -1},
	} {
		if _, err := mtls.NewListener(nil, cfg); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
	if got := mtls.Mode(9).String(); got != "Mode(9)" {
		t.Errorf("an unknown mode prints %q", got)
	}
}

// TestScenarioT6_serverWithoutCertificateRefuses: a server that has no certificate, or whose has ended,
// never serves in plaintext instead.
func TestScenarioT6_serverWithoutCertificateRefuses(t *testing.T) {
	clk := new(clock)
	d := newCA(t, ca.Config{Now: clk.now})
	own, err := d.Issue(sa("reviews"))
	if err != nil {
		t.Fatal(err)
	}
	for name, src := range map[string]security.Source{"none": security.Fixed(nil), "ended": security.Fixed(own)} {
		refused := make(chan error, 10)
		_, addr := listen(t, mtls.ListenerConfig{
			Source: src, Options: []mtls.ServerOption{mtls.Clock(func() time.Time { return time.Now().Add(2 * time.Hour) })},
			Refused: func(_ net.Addr, err error) { refused <- err },
		})
		if got, err := get(plain(t, false), "http://"+addr); err == nil {
			t.Errorf("%s: plaintext is answered with %q", name, got)
		}
		if got, err := get(client(t, mtls.Client(source(t, d, "web"), sa("reviews")), false), "https://"+addr); err == nil {
			t.Errorf("%s: answered with %q", name, got)
		}
		for err := range refused { // the one in plaintext was no handshake
			if errors.Is(err, mtls.ErrNoIdentity) {
				break
			}
		}
	}
}
