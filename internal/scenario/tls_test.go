// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package scenario_test

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/enmesh-go/enmesh/internal/ledger"
	"github.com/enmesh-go/enmesh/security"
	"github.com/enmesh-go/enmesh/security/ca"
	"github.com/enmesh-go/enmesh/security/mtls"
)

// yardRate is how many calls a second a yard has.
func yardRate() int {
	if ledger.Full() {
		return 1000
	}
	return yardCalls
}

// yardCall is how long a call of a load takes: some are under way at every moment, and break
// if their connection is closed under them.
const yardCall = 50 * time.Millisecond

// lostNone wants every call to succeed.
func lostNone(t *testing.T, r ledger.Report) {
	t.Helper()
	t.Log(r)
	if r.Sent == 0 || r.Lost != 0 {
		t.Errorf("of %d calls %d failed, want none: %v", r.Sent, r.Lost, r.Errors)
	}
}

// onDisk keeps an identity of an authority in files, and is a Source of them.
func onDisk(t *testing.T, d *ca.Development, id security.ID) (dir string, files *mtls.Files) {
	t.Helper()
	dir = t.TempDir()
	if err := d.WriteFiles(dir, id); err != nil {
		t.Fatal(err)
	}
	files, err := mtls.NewFiles(mtls.FilesConfig{
		Cert: filepath.Join(dir, ca.CertFile), Key: filepath.Join(dir, ca.KeyFile), CA: filepath.Join(dir, ca.CAFile),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = files.Close() })
	return dir, files
}

// TestScenarioT1_rotationUnderLoad: both sides' certificates are written anew every 5 s for
// 5 min under load. No call fails, a new connection shows the new certificate within 1 s,
// and what is open stays: a rotation makes nobody connect again.
func TestScenarioT1_rotationUnderLoad(t *testing.T) {
	ledger.Baseline(t)
	d := yardAuthority(t, ca.Config{})
	serverDir, server := onDisk(t, d, yardServer)
	clientDir, client := onDisk(t, d, yardClient)
	y := newYard(t, server, client, yardCall)
	length := ledger.Short(5 * time.Minute)
	load := y.load(t, yardRate(), length)
	var slowest time.Duration
	rotations, looks, before := 0, 0, 0
	for tick := time.NewTicker(5 * time.Second); time.Since(load.Begin()) < length-2*time.Second; <-tick.C {
		for dir, id := range map[string]security.ID{serverDir: yardServer, clientDir: yardClient} {
			if err := d.WriteFiles(dir, id); err != nil {
				t.Fatal(err)
			}
		}
		written, err := tls.LoadX509KeyPair(filepath.Join(serverDir, ca.CertFile), filepath.Join(serverDir, ca.KeyFile))
		if err != nil {
			t.Fatal(err)
		}
		cfg := mtls.Client(client, yardServer, mtls.Protocols("http/1.1"))
		slowest = max(slowest, poll(t, 5*time.Second, "the new certificate", func() bool {
			looks++
			conn, err := tls.Dial("tcp", y.web.Addr().String(), cfg)
			if err != nil {
				t.Errorf("a handshake failed: %v", err)
				return false
			}
			defer func() { _ = conn.Close() }()
			return bytes.Equal(conn.ConnectionState().PeerCertificates[0].Raw, written.Certificate[0])
		}))
		rotations++
		if rotations == 1 {
			before = y.connections() - looks
		}
	}
	lostNone(t, load.Wait())
	web, rpc := y.web.Stats(), y.rpc.Stats()
	t.Logf("%d rotations, the slowest seen after %v; handshakes of HTTP %+v, of gRPC %+v", rotations, slowest, web, rpc)
	if slowest > time.Second {
		t.Errorf("a new certificate was shown after %v, want at most 1s", slowest)
	}
	if web.Refused+rpc.Refused+web.Closed+rpc.Closed != 0 {
		t.Errorf("connections were refused or closed: %+v, %+v", web, rpc)
	}
	if more := y.connections() - looks - before; more > rotations {
		t.Errorf("%d connections were made anew in %d rotations, want none", more, rotations)
	}
}

// TestScenarioT3_newRootUnderLoad: the authority gets a new root, which is trusted before it
// signs, and the old one is dropped when nothing it signed is in use. No call fails.
func TestScenarioT3_newRootUnderLoad(t *testing.T) {
	ledger.Baseline(t)
	d := yardAuthority(t, ca.Config{TTL: 6 * time.Second, Lead: time.Second, Overlap: 6 * time.Second})
	server, err := d.Source("default", "server")
	if err != nil {
		t.Fatal(err)
	}
	client, err := d.Source("default", "client")
	if err != nil {
		t.Fatal(err)
	}
	y := newYard(t, server, client, yardCall)
	length := ledger.Short(time.Minute)
	load := y.load(t, yardRate(), length)
	first := d.Roots()[0]
	for time.Since(load.Begin()) < length-6*time.Second {
		old := d.Roots()[0]
		if err := d.RotateRoot(); err != nil {
			t.Fatal(err)
		}
		poll(t, 10*time.Second, "the old root to be dropped", func() bool {
			roots := d.Roots()
			return len(roots) == 1 && !roots[0].Equal(old)
		})
	}
	lostNone(t, load.Wait())
	if d.Roots()[0].Equal(first) {
		t.Error("the root is still the first")
	}
}

// TestScenarioT5_renewalsUnderLoad: certificates live for 8 s and are renewed in time.
// Connections are replaced before a certificate of theirs ends, not at every renewal, and no
// call fails.
func TestScenarioT5_renewalsUnderLoad(t *testing.T) {
	ledger.Baseline(t)
	d := yardAuthority(t, ca.Config{TTL: 8 * time.Second})
	server, err := d.Source("default", "server")
	if err != nil {
		t.Fatal(err)
	}
	client, err := d.Source("default", "client")
	if err != nil {
		t.Fatal(err)
	}
	y := newYard(t, server, client, yardCall)
	length := ledger.Short(time.Minute)
	lostNone(t, y.load(t, yardRate(), length).Wait())
	if n := y.connections(); n < 4 {
		t.Errorf("%d connections, want them replaced", n)
	}
	// With half of its life left a certificate is renewed, and a connection used for half of that.
	y.noStorm(t, length, 1900*time.Millisecond)
}

// TestScenarioT4_trustIsWithdrawn: the root that vouches for the far side is withdrawn. What
// is open ends within 5 s and every new call fails, whether it is the server that withdraws
// or the client.
func TestScenarioT4_trustIsWithdrawn(t *testing.T) {
	a, b := yardAuthority(t, ca.Config{}), yardAuthority(t, ca.Config{})
	for name, withdraw := range map[string]func(server, client *turned){
		"by the server": func(server, _ *turned) { server.Store(signed(t, b, yardServer, b)) },
		"by the client": func(_, client *turned) { client.Store(signed(t, a, yardClient, a)) },
	} {
		t.Run(name, func(t *testing.T) {
			ledger.Baseline(t)
			var server, client turned
			server.Store(signed(t, b, yardServer, a, b))
			client.Store(signed(t, a, yardClient, a, b))
			y := newYard(t, &server, &client, 0)
			open := y.begin(t)
			at := time.Now()
			withdraw(&server, &client)
			closed(t, open, at, at.Add(5*time.Second))
			y.refused(t)
		})
	}
}

// TestScenarioT5_certificateEnds: a certificate ends and nobody has renewed it. What is open
// ends within 5 s, every new call fails, and nothing is sent in plaintext, whether it is the
// client's certificate or the server's.
func TestScenarioT5_certificateEnds(t *testing.T) {
	for _, side := range []string{"client", "server"} {
		t.Run(side, func(t *testing.T) {
			ledger.Baseline(t)
			long, short := yardAuthority(t, ca.Config{}), yardAuthority(t, ca.Config{TTL: 3 * time.Second})
			server, client := signed(t, long, yardServer, long, short), signed(t, long, yardClient, long, short)
			ends := &client
			if side == "server" {
				ends = &server
			}
			*ends = signed(t, short, (*ends).ID(), long, short)
			y := newYard(t, security.Fixed(server), security.Fixed(client), 0)
			open := y.begin(t)
			end := (*ends).NotAfter()
			closed(t, open, end, end.Add(5*time.Second))
			y.refused(t)
			if s := y.web.Stats(); s.Plaintext != 0 {
				t.Errorf("%d connections in plaintext", s.Plaintext)
			}
		})
	}
}

// TestScenarioT2_filesThatDoNotBelongTogether: under load, half a file, another's key and an
// empty file come to lie where the certificates are. The last good ones stay in force, and
// no call fails.
func TestScenarioT2_filesThatDoNotBelongTogether(t *testing.T) {
	ledger.Baseline(t)
	d := yardAuthority(t, ca.Config{})
	dir, server := onDisk(t, d, yardServer)
	other, client := onDisk(t, d, yardClient)
	y := newYard(t, server, client, yardCall)
	load := y.load(t, yardRate(), ledger.Short(10*time.Second))
	cert, err := os.ReadFile(filepath.Join(dir, ca.CertFile))
	if err != nil {
		t.Fatal(err)
	}
	key, err := os.ReadFile(filepath.Join(other, ca.KeyFile))
	if err != nil {
		t.Fatal(err)
	}
	good, err := server.Identity()
	if err != nil {
		t.Fatal(err)
	}
	for _, spoil := range []struct {
		file string
		data []byte
	}{{ca.CertFile, cert[:len(cert)/2]}, {ca.CertFile, nil}, {ca.KeyFile, key}} {
		if err := os.WriteFile(filepath.Join(dir, spoil.file), spoil.data, 0o600); err != nil {
			t.Fatal(err)
		}
		poll(t, 5*time.Second, "the mismatch to be noticed", func() bool { return server.Err() != nil })
		if now, err := server.Identity(); err != nil || now != good {
			t.Errorf("%s: the identity is %v, %v; want the last good one", spoil.file, now, err)
		}
	}
	if err := d.WriteFiles(dir, yardServer); err != nil {
		t.Fatal(err)
	}
	poll(t, 5*time.Second, "the good pair to be taken", func() bool { return server.Err() == nil })
	lostNone(t, load.Wait())
}

// TestScenarioT5_clientsOfOthers: clients that know nothing of the mesh renew certificates
// that live for 8 s. The server ends their connections softly, over HTTP/1.1 and HTTP/2, and
// no call fails.
func TestScenarioT5_clientsOfOthers(t *testing.T) {
	ledger.Baseline(t)
	d := yardAuthority(t, ca.Config{TTL: 8 * time.Second})
	long := yardAuthority(t, ca.Config{})
	client, err := d.Source("default", "client")
	if err != nil {
		t.Fatal(err)
	}
	y := yard{takes: yardCall, caller: yardClient}
	y.serve(t, mtls.ListenerConfig{Source: security.Fixed(signed(t, long, yardServer, long, d))})
	trusting := &trusts{source: client, roots: long.Roots()}
	var calls []ledger.Call
	for _, h2 := range []bool{false, true} {
		// Without a bound a plain Transport dials for every call that waits, and under the race
		// detector a handshake costs as much as the call: one pause becomes a storm of them.
		transport := &http.Transport{
			TLSClientConfig: mtls.Client(trusting, yardServer), ForceAttemptHTTP2: h2, MaxIdleConnsPerHost: 100, MaxConnsPerHost: 100,
		}
		t.Cleanup(transport.CloseIdleConnections)
		calls = append(calls, ledger.HTTP(&http.Client{Transport: transport}, http.MethodGet, "https://"+y.web.Addr().String()+"/"))
	}
	r := ledger.Start(t.Context(), ledger.Config{Call: alternate(calls...), Rate: yardRate(), For: ledger.Short(time.Minute)}).Wait()
	lostNone(t, r)
	if s := y.web.Stats(); s.Secured < 6 {
		t.Errorf("%d connections, want them replaced", s.Secured)
	}
}

// trusts is a Source that believes other roots.
type trusts struct {
	source security.Source
	roots  []*x509.Certificate

	mu       sync.Mutex // guards what follows
	of, made *security.Identity
}

func (s *trusts) Identity() (*security.Identity, error) {
	own, err := s.source.Identity()
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if own != s.of {
		s.of = own
		s.made, err = security.NewIdentity(*own.Certificate(), map[string][]*x509.Certificate{yardDomain: s.roots})
	}
	return s.made, err
}
