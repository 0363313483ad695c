// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package mtls_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/enmesh-go/enmesh/security"
	"github.com/enmesh-go/enmesh/security/ca"
	"github.com/enmesh-go/enmesh/security/mtls"
)

// switching is a Source whose identity the test replaces.
type switching struct {
	atomic.Pointer[security.Identity]
}

func (s *switching) Identity() (*security.Identity, error) { return s.Load(), nil }

// clock is a time that the test moves.
type clock struct{ offset atomic.Int64 }

func (c *clock) now() time.Time          { return time.Now().Add(time.Duration(c.offset.Load())) }
func (c *clock) forward(d time.Duration) { c.offset.Add(int64(d)) }

// state makes one connection and tells what came of it.
func state(t *testing.T, url string, cfg *tls.Config) (tls.ConnectionState, error) {
	t.Helper()
	conn, err := net.Dial("tcp", mustURL(t, url).Host)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	c := tls.Client(conn, cfg)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := c.HandshakeContext(ctx); err != nil {
		return tls.ConnectionState{}, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Close = true
	if err := req.Write(c); err != nil {
		return tls.ConnectionState{}, err
	}
	// The answer brings the server's verdict on our certificate, and its tickets.
	if n, err := c.Read(make([]byte, 1024)); n == 0 {
		return tls.ConnectionState{}, err
	}
	return c.ConnectionState(), nil
}

func TestRotation_losesNoRequestAndShowsTheNewCertificate(t *testing.T) {
	clk := new(clock)
	d := newCA(t, ca.Config{Now: clk.now})
	reviews, web := source(t, d, "reviews"), source(t, d, "web")
	url := serve(t, mtls.Server(reviews, mtls.Clock(clk.now)))
	cfg := mtls.Client(web, sa("reviews"), mtls.Clock(clk.now), mtls.Protocols("http/1.1"))
	before, err := state(t, url, cfg)
	if err != nil {
		t.Fatal(err)
	}
	c := client(t, cfg, false)
	const requests, workers = 200, 4
	var sent atomic.Int64
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			for n := sent.Add(1); n <= requests; n = sent.Add(1) {
				if n%20 == 0 { // each second step renews certificates; twice the root changes
					clk.forward(20 * time.Minute)
				}
				if n%100 == 50 {
					if err := d.RotateRoot(); err != nil {
						t.Error(err)
					}
				}
				if _, err := get(c, url); err != nil {
					t.Errorf("request %d: %v", n, err)
				}
			}
		})
	}
	wg.Wait()
	after, err := state(t, url, cfg)
	if err != nil {
		t.Fatal(err)
	}
	if before.PeerCertificates[0].Equal(after.PeerCertificates[0]) {
		t.Error("a new handshake shows the old certificate")
	}
}

func TestScenarioT3_rootsInOrderAndNot(t *testing.T) {
	a, b := newAuthority(t), newAuthority(t)
	both := map[string][]*x509.Certificate{domain: {a.cert, b.cert}}
	onlyA, onlyB := map[string][]*x509.Certificate{domain: {a.cert}}, map[string][]*x509.Certificate{domain: {b.cert}}
	identity := func(signer *authority, account string, roots map[string][]*x509.Certificate) *security.Identity {
		return mustIdentity(t, signer.source(t, sa(account).String(), roots))
	}
	var server, web switching
	url := serve(t, mtls.Server(&server))
	c := client(t, mtls.Client(&web, sa("reviews")), false)
	steps := []struct {
		name        string
		server, web *security.Identity
		wantErr     bool
	}{
		{"old", identity(a, "reviews", onlyA), identity(a, "web", onlyA), false},
		{"server trusts both", identity(a, "reviews", both), identity(a, "web", onlyA), false},
		{"client trusts both", identity(a, "reviews", both), identity(a, "web", both), false},
		{"server signed by new", identity(b, "reviews", both), identity(a, "web", both), false},
		{"client signed by new", identity(b, "reviews", both), identity(b, "web", both), false},
		{"new only", identity(b, "reviews", onlyB), identity(b, "web", onlyB), false},
		{"a client left behind", identity(b, "reviews", onlyB), identity(a, "web", both), true},
		{"a server left behind", identity(a, "reviews", both), identity(b, "web", onlyB), true},
	}
	for _, s := range steps {
		server.Store(s.server)
		web.Store(s.web)
		if _, err := get(c, url); (err != nil) != s.wantErr {
			t.Errorf("%s: err = %v, want error %t", s.name, err, s.wantErr)
		}
	}
}

func TestScenarioT4_resumedSessions(t *testing.T) {
	a, b := newAuthority(t), newAuthority(t)
	both := map[string][]*x509.Certificate{domain: {a.cert, b.cert}}
	onlyB := map[string][]*x509.Certificate{domain: {b.cert}}
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		t.Run(tls.VersionName(version), func(t *testing.T) {
			var server, web switching
			server.Store(mustIdentity(t, a.source(t, sa("reviews").String(), both)))
			web.Store(mustIdentity(t, a.source(t, sa("web").String(), both)))
			url := serve(t, mtls.Server(&server, mtls.Tickets(), mtls.AllowTLS12(), mtls.Protocols("http/1.1")))
			cfg := mtls.Client(&web, sa("reviews"), mtls.AllowTLS12())
			cfg.MaxVersion = version
			cfg.ClientSessionCache = tls.NewLRUClientSessionCache(8)
			cfg.ServerName = "reviews" // the key of the client's cache
			resumes := func(want bool) {
				t.Helper()
				cs, err := state(t, url, cfg)
				if err != nil || cs.DidResume != want {
					t.Errorf("resumed = %t, %v; want %t", cs.DidResume, err, want)
				}
			}
			resumes(false)
			resumes(true)

			// The server withdraws the root that the client's session was built on.
			server.Store(mustIdentity(t, b.source(t, sa("reviews").String(), onlyB)))
			if cs, err := state(t, url, cfg); err == nil {
				t.Errorf("server: a session outlived withdrawn trust; resumed = %t", cs.DidResume)
			}

			// With a certificate that is trusted again it works, in full.
			web.Store(mustIdentity(t, b.source(t, sa("web").String(), both)))
			resumes(false)
			resumes(true)

			// The client withdraws the root of the server it has a session with.
			onlyA := map[string][]*x509.Certificate{domain: {a.cert}}
			web.Store(mustIdentity(t, a.source(t, sa("web").String(), onlyA)))
			if cs, err := state(t, url, cfg); err == nil {
				t.Errorf("client: a session outlived withdrawn trust; resumed = %t", cs.DidResume)
			}
		})
	}
}

func TestServer_givesNoTicketsUnlessAsked(t *testing.T) {
	d := newCA(t, ca.Config{})
	url := serve(t, mtls.Server(source(t, d, "reviews")))
	cfg := mtls.Client(source(t, d, "web"), sa("reviews"))
	cfg.ClientSessionCache = tls.NewLRUClientSessionCache(8)
	for range 2 {
		if cs, err := state(t, url, cfg); err != nil || cs.DidResume {
			t.Errorf("resumed = %t, %v; want a full handshake", cs.DidResume, err)
		}
	}
}
