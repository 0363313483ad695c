// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package mtls_test

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/enmesh-go/enmesh/security"
	"github.com/enmesh-go/enmesh/security/ca"
	"github.com/enmesh-go/enmesh/security/mtls"
)

// both trusts two authorities.
func both(a, b *authority) map[string][]*x509.Certificate {
	return map[string][]*x509.Certificate{domain: {a.cert, b.cert}}
}

// TestScenarioT4_plainServer: a configuration that a program gives to net/http itself closes
// what is open when trust is withdrawn, however much rubbish was collected meanwhile.
func TestScenarioT4_plainServer(t *testing.T) {
	t.Parallel()
	a, b := newAuthority(t), newAuthority(t)
	var server switching
	server.Store(mustIdentity(t, a.source(t, sa("reviews").String(), both(a, b))))
	url := serve(t, mtls.Server(&server))
	open := keep(t, mustURL(t, url).Host, mtls.Client(b.source(t, sa("web").String(), both(a, b)), sa("reviews")))
	runtime.GC()
	runtime.GC()
	if err := open.call(); err != nil {
		t.Fatalf("before: %v", err)
	}
	server.Store(mustIdentity(t, a.source(t, sa("reviews").String(), nil)))
	open.ends(t, 5*time.Second)
}

// TestScenarioT12_lesserConnections: what is less than mutual TLS 1.3 is refused.
func TestScenarioT12_lesserConnections(t *testing.T) {
	a := newAuthority(t)
	src := a.source(t, sa("reviews").String(), nil)
	g := newGatekeeper(t, mtls.ListenerConfig{Source: src})
	web := a.leaf(t, sa("web").String(), nil)
	for _, version := range []uint16{tls.VersionTLS10, tls.VersionTLS11, tls.VersionTLS12} {
		conn, err := tls.Dial("tcp", g.addr, &tls.Config{
			InsecureSkipVerify: true, Certificates: []tls.Certificate{web}, MinVersion: version, MaxVersion: version,
		})
		if err == nil {
			_ = conn.Close()
			t.Errorf("%s was taken", tls.VersionName(version))
		}
		<-g.refused
	}
	if err := g.verdict(t, tls.Certificate{}); err == nil {
		t.Error("no certificate was taken")
	}
	if got, err := get(plain(t, false), "http://"+g.addr); err == nil {
		t.Errorf("plaintext was answered with %q", got)
	}
	<-g.refused
	_, open := listen(t, mtls.ListenerConfig{Mode: always(mtls.Disable)})
	if got, err := get(client(t, mtls.Client(src, sa("reviews")), false), "https://"+open); err == nil {
		t.Errorf("TLS to a plaintext port was answered with %q", got)
	}
}

// ticketKey is shared by servers that should not share one.
func ticketKey(t testing.TB) (key [32]byte) {
	t.Helper()
	_, _ = rand.Read(key[:])
	return key
}

// resuming is a client's configuration that keeps sessions under one name.
func resuming(src security.Source) *tls.Config {
	cfg := mtls.Client(src, sa("reviews"))
	cfg.ClientSessionCache = tls.NewLRUClientSessionCache(8)
	cfg.ServerName = "reviews"
	return cfg
}

// TestScenarioT14_sessionOfAnotherServer: two servers that believe different authorities
// share their ticket keys. The session that one of them gave is worth nothing at the other.
func TestScenarioT14_sessionOfAnotherServer(t *testing.T) {
	a, b := newAuthority(t), newAuthority(t)
	key := ticketKey(t)
	url := func(of *authority) string {
		cfg := mtls.Server(of.source(t, sa("reviews").String(), nil), mtls.Tickets())
		cfg.SetSessionTicketKeys([][32]byte{key})
		return serve(t, cfg)
	}
	atA, atB := url(a), url(b)
	cfg := resuming(a.source(t, sa("web").String(), both(a, b)))
	for _, resumed := range []bool{false, true} {
		if cs, err := state(t, atA, cfg); err != nil || cs.DidResume != resumed {
			t.Fatalf("at its own server: resumed %t, %v; want %t", cs.DidResume, err, resumed)
		}
	}
	if cs, err := state(t, atB, cfg); err == nil {
		t.Errorf("at the other server it was let in; resumed %t", cs.DidResume)
	}
}

// CVE-2025-23419: nginx let a session of one virtual host be resumed at another on the same
// port that asked for other client certificates.
func TestCVE_2025_23419_sessionOfAnotherVirtualHost(t *testing.T) {
	a, b := newAuthority(t), newAuthority(t)
	hosts := map[string]*tls.Config{
		"a.test": mtls.Server(a.source(t, sa("reviews").String(), nil), mtls.Tickets()),
		"b.test": mtls.Server(b.source(t, sa("reviews").String(), nil), mtls.Tickets()),
	}
	cfg := &tls.Config{GetConfigForClient: func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		return hosts[hello.ServerName].GetConfigForClient(hello)
	}}
	cfg.SetSessionTicketKeys([][32]byte{ticketKey(t)})
	url := serve(t, cfg)
	sessions := tls.NewLRUClientSessionCache(8)
	at := func(host string) (tls.ConnectionState, error) {
		cfg := resuming(a.source(t, sa("web").String(), both(a, b)))
		cfg.ServerName, cfg.ClientSessionCache = host, oneName{sessions}
		return state(t, url, cfg)
	}
	if _, err := at("a.test"); err != nil {
		t.Fatal(err)
	}
	if cs, err := at("a.test"); err != nil || !cs.DidResume {
		t.Fatalf("at its own host: resumed %t, %v", cs.DidResume, err)
	}
	if cs, err := at("b.test"); err == nil {
		t.Errorf("at the other host it was let in; resumed %t", cs.DidResume)
	}
}

// oneName keeps the sessions of all servers together.
type oneName struct{ tls.ClientSessionCache }

func (o oneName) Get(string) (*tls.ClientSessionState, bool) { return o.ClientSessionCache.Get("x") }
func (o oneName) Put(_ string, session *tls.ClientSessionState) {
	o.ClientSessionCache.Put("x", session)
}

// CVE-2025-68121: crypto/tls resumed sessions without a look at roots that were withdrawn
// since, when a configuration was cloned or came from GetConfigForClient.
func TestCVE_2025_68121_sessionFromBeforeTrustWasWithdrawn(t *testing.T) {
	a, b := newAuthority(t), newAuthority(t)
	for name, clone := range map[string]bool{"the same configuration": false, "its clone": true} {
		t.Run(name, func(t *testing.T) {
			var server switching
			server.Store(mustIdentity(t, b.source(t, sa("reviews").String(), both(a, b))))
			served := mtls.Server(&server, mtls.Tickets())
			served.SetSessionTicketKeys([][32]byte{ticketKey(t)})
			url := serve(t, served)
			cfg := resuming(a.source(t, sa("web").String(), both(a, b)))
			for _, resumed := range []bool{false, true} {
				if cs, err := state(t, url, cfg); err != nil || cs.DidResume != resumed {
					t.Fatalf("resumed %t, %v; want %t", cs.DidResume, err, resumed)
				}
			}
			if clone {
				url = serve(t, served.Clone())
			}
			server.Store(mustIdentity(t, b.source(t, sa("reviews").String(), map[string][]*x509.Certificate{domain: {b.cert}})))
			if cs, err := state(t, url, cfg); err == nil {
				t.Errorf("a session outlived the root; resumed %t", cs.DidResume)
			}
		})
	}
}

// TestScenarioT16_clocks: wherever a clock stands, nothing panics, and a certificate is good
// within its dates only, without a tolerance at its end.
func TestScenarioT16_clocks(t *testing.T) {
	d := newCA(t, ca.Config{})
	reviews, web := mustIdentity(t, source(t, d, "reviews")), mustIdentity(t, source(t, d, "web"))
	left := time.Until(web.NotAfter())
	if until := time.Until(reviews.NotAfter()); until < left {
		left = until
	}
	const year = 365 * 24 * time.Hour
	for offset, good := range map[time.Duration]bool{
		0: true, left - 10*time.Second: true, left + 2*time.Second: false,
		-time.Hour: false, time.Hour + time.Second: false, -10 * year: false, 10 * year: false, 250 * year: false,
	} {
		at := mtls.Clock(func() time.Time { return time.Now().Add(offset) })
		late := serve(t, mtls.Server(security.Fixed(reviews), at))
		if _, err := get(client(t, mtls.Client(security.Fixed(web), sa("reviews")), false), late); (err == nil) != good {
			t.Errorf("the server's clock at %v: %v", offset, err)
		}
		url := serve(t, mtls.Server(security.Fixed(reviews)))
		if _, err := get(client(t, mtls.Client(security.Fixed(web), sa("reviews"), at), false), url); (err == nil) != good {
			t.Errorf("the client's clock at %v: %v", offset, err)
		}
		m, err := security.NewMonitor(security.Fixed(web), security.MonitorConfig{Now: func() time.Time { return time.Now().Add(offset) }})
		if err != nil {
			t.Fatal(err)
		}
		if share := m.Status().Share(time.Now().Add(offset)); share < 0 || share > 1 {
			t.Errorf("at %v: %v of its life is left", offset, share)
		}
	}
}

// TestScenarioT17_rotationDuringHandshakes: certificates and roots change while a hundred
// handshakes are in progress, and the files are closed in the end. None fails.
func TestScenarioT17_rotationDuringHandshakes(t *testing.T) {
	a, b := newAuthority(t), newAuthority(t)
	var server, web switching
	turn := func(by *authority) {
		server.Store(mustIdentity(t, by.source(t, sa("reviews").String(), both(a, b))))
		web.Store(mustIdentity(t, by.source(t, sa("web").String(), both(a, b))))
	}
	turn(a)
	_, addr := listen(t, mtls.ListenerConfig{Source: &server})
	cfg := mtls.Client(&web, sa("reviews"))
	done := make(chan struct{})
	var handshakes sync.WaitGroup
	for range 100 {
		handshakes.Go(func() {
			for range 5 {
				conn, err := tls.Dial("tcp", addr, cfg)
				if err != nil {
					t.Error(err)
					return
				}
				_ = conn.Close()
			}
		})
	}
	go func() { handshakes.Wait(); close(done) }()
	for turned := 0; ; turned++ {
		select {
		case <-done:
			if turned < 10 {
				t.Errorf("%d rotations, want some", turned)
			}
			return
		default:
			turn([]*authority{a, b}[turned%2])
		}
	}
}

// A source that is closed while handshakes use it gives the last identity to them: grpc-go's
// certificate provider did not (a620350f3).
func TestScenarioT17_filesClosedDuringHandshakes(t *testing.T) {
	d := newCA(t, ca.Config{})
	dir := t.TempDir()
	write(t, d, dir, "reviews")
	files := openFiles(t, filesConfig(dir))
	crlFree := mtls.Server(files)
	url := serve(t, crlFree)
	cfg := mtls.Client(source(t, d, "web"), sa("reviews"))
	var handshakes sync.WaitGroup
	for range 50 {
		handshakes.Go(func() {
			conn, err := (&tls.Dialer{Config: cfg}).DialContext(context.Background(), "tcp", mustURL(t, url).Host)
			if err != nil {
				t.Error(err)
				return
			}
			_ = conn.Close()
		})
	}
	for range 2 {
		if err := files.Close(); err != nil {
			t.Error(err)
		}
	}
	handshakes.Wait()
	if _, err := files.Identity(); err != nil {
		t.Error(err)
	}
	if _, err := mtls.NewFiles(filesConfig(filepath.Join(dir, "missing"))); err == nil || !strings.Contains(err.Error(), "missing") {
		t.Errorf("files that are not there: %v", err)
	}
}

// TestListener_readsWhatWasSniffed: not a byte is lost or repeated, however they come.
func TestListener_readsWhatWasSniffed(t *testing.T) {
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	lis, err := mtls.NewListener(inner, mtls.ListenerConfig{Mode: always(mtls.Permissive)})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = lis.Close() }()
	for _, text := range []string{"x", "GET / HTTP/1.1\r\n\r\n", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "\x15\x03\x01"} {
		conn, err := net.Dial("tcp", lis.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(conn, text); err != nil {
			t.Fatal(err)
		}
		_ = conn.Close()
		got, err := lis.Accept()
		if err != nil {
			t.Fatal(err)
		}
		all, err := io.ReadAll(got)
		if err != nil || string(all) != text {
			t.Errorf("read %q, %v; want %q", all, err, text)
		}
		if err := got.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
			t.Error(err)
		}
	}
}
