// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package agent_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	xdscreds "google.golang.org/grpc/credentials/xds"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/xds"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/enmesh-go/enmesh/agent"
	"github.com/enmesh-go/enmesh/discovery"
	"github.com/enmesh-go/enmesh/internal/ledger"
	"github.com/enmesh-go/enmesh/security"
	"github.com/enmesh-go/enmesh/security/ca"
)

func development(t testing.TB, cfg ca.Config) *ca.Development {
	t.Helper()
	d, err := ca.NewDevelopment("cluster.local", cfg)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func account(name string) security.ID {
	return security.MustParseID("spiffe://cluster.local/ns/default/sa/" + name)
}

// certificate waits for the only one of an agent to satisfy f.
func certificate(t testing.TB, a *agent.Agent, what string, f func(agent.CertificateStatus) bool) agent.CertificateStatus {
	t.Helper()
	eventually(t, what, func() bool { return f(a.Status().Certificates[0]) })
	return a.Status().Certificates[0]
}

func TestIssue_writesWhatBelongsTogether(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "web")
	authority := development(t, ca.Config{TTL: time.Second})
	a := start(t, agent.Config{Resolver: discovery.NewMemory(), Issue: []agent.Issue{
		{Dir: dir, Identity: account("web"), From: agent.FromAuthority(authority)},
	}})
	certificate(t, a, "the certificate is there", func(s agent.CertificateStatus) bool { return s.Left > 0 })
	torn := 0
	var last string
	seen := map[string]bool{}
	eventually(t, "three generations were read", func() bool {
		cert, err := os.ReadFile(filepath.Join(dir, agent.CertFile))
		key, err2 := os.ReadFile(filepath.Join(dir, agent.KeyFile))
		if err := errors.Join(err, err2); err != nil {
			t.Fatalf("a file is missing: %v", err)
		}
		if _, err := tls.X509KeyPair(cert, key); err != nil {
			torn++ // read on both sides of a change; the next time it fits
		} else if last = string(cert); !seen[last] {
			seen[last] = true
		}
		return len(seen) >= 3
	})
	if torn > len(seen) {
		t.Errorf("%d times key and certificate did not belong together over %d generations", torn, len(seen))
	}
	if info, err := os.Stat(filepath.Join(dir, agent.KeyFile)); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the key's mode: got %v, %v, want 0600", info.Mode(), err)
	}
	if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("the directory's mode: got %v, %v, want 0700", info.Mode(), err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) > 7 {
		t.Errorf("got %v, %v, want three links, ..data, and at most two generations (one more while it is made)", entries, err)
	}
}

func TestIssue_keepsWhatThereIsWhileTheIssuerIsDown(t *testing.T) {
	dir := t.TempDir()
	authority := development(t, ca.Config{})
	var down atomic.Bool
	var asked atomic.Int64
	from := func(ctx context.Context, id security.ID) (security.Source, error) {
		asked.Add(1)
		if down.Load() {
			return nil, errors.New("nobody is there")
		}
		one, err := authority.Issue(id)
		if err != nil {
			return nil, err
		}
		return security.Fixed(one), nil
	}
	cfg := agent.Config{Resolver: discovery.NewMemory(), Issue: []agent.Issue{{Dir: dir, Identity: account("web"), From: from}}}
	var before agent.CertificateStatus
	t.Run("up", func(t *testing.T) {
		a := start(t, cfg)
		before = certificate(t, a, "the certificate is there", func(s agent.CertificateStatus) bool { return s.Left > 0 })
		if asked.Load() != 1 || before.Identity != account("web") || before.Error != "" {
			t.Errorf("asked %d times, got %+v", asked.Load(), before)
		}
	})
	down.Store(true)
	t.Run("down", func(t *testing.T) {
		a := start(t, cfg)
		s := certificate(t, a, "the failure is known", func(s agent.CertificateStatus) bool { return s.Error != "" })
		if !strings.Contains(s.Error, "nobody is there") || !s.NotAfter.Equal(before.NotAfter) || s.Identity != before.Identity {
			t.Errorf("got %+v, want the certificate of before, and why there is no other", s)
		}
		down.Store(false)
		s = certificate(t, a, "the issuer is back", func(s agent.CertificateStatus) bool { return s.Error == "" })
		if s.Written.IsZero() || s.Failures != 1 {
			t.Errorf("got %+v, want a new certificate after one failure", s)
		}
	})
}

func TestIssue_renewsWhatDoesNotRenewItself(t *testing.T) {
	authority := development(t, ca.Config{TTL: time.Second}) // it began half a minute ago: more than half is over
	var asked atomic.Int64
	a := start(t, agent.Config{Resolver: discovery.NewMemory(), Issue: []agent.Issue{{
		Dir: t.TempDir(), Identity: account("web"), From: func(_ context.Context, id security.ID) (security.Source, error) {
			asked.Add(1)
			one, err := authority.Issue(id)
			return security.Fixed(one), err
		},
	}}})
	certificate(t, a, "it was renewed", func(s agent.CertificateStatus) bool { return s.Rotations >= 1 && s.Left > 0 })
}

// TestIssue_renewsAtHalfLife follows an issuer for a day: each certificate is asked for when between
// 50 % and 60 % of the one before are over, and in the directory at once.
func TestIssue_renewsAtHalfLife(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const life, look = time.Hour, time.Minute // an issuer looks more often than that
		authority := development(t, ca.Config{TTL: life})
		var last *security.Identity
		var over []float64 // of the life of each, when the next was asked for
		dir := t.TempDir()
		a := start(t, agent.Config{Resolver: discovery.NewMemory(), Issue: []agent.Issue{{
			Dir: dir, Identity: account("web"), From: func(_ context.Context, id security.ID) (security.Source, error) {
				if last != nil {
					over = append(over, float64(time.Since(last.NotBefore()))/float64(last.NotAfter().Sub(last.NotBefore())))
				}
				one, err := authority.Issue(id)
				last = one
				return security.Fixed(one), err
			},
		}}})
		time.Sleep(24 * time.Hour)
		synctest.Wait()
		if len(over) < 24*10/6-1 || len(over) > 24*2 {
			t.Errorf("renewed %d times in a day, want each half hour, about", len(over))
		}
		for i, part := range over {
			if part < 0.5 || part > 0.6+float64(look)/float64(life) {
				t.Errorf("renewal %d came after %.3f of the life, want 0.5 to 0.6", i, part)
			}
		}
		s := a.Status().Certificates[0]
		if !s.NotAfter.Equal(last.NotAfter()) || int(s.Rotations) != len(over) || s.Failures > 0 {
			t.Errorf("got %+v after %d renewals, want the last one in the directory", s, len(over))
		}
	})
}

func TestIssue_refusesTheCertificateOfAnother(t *testing.T) {
	one, err := development(t, ca.Config{}).Issue(account("admin"))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	a := start(t, agent.Config{Resolver: discovery.NewMemory(), Issue: []agent.Issue{
		{Dir: dir, Identity: account("web"), From: agent.FromSource(security.Fixed(one))},
	}})
	certificate(t, a, "it is refused", func(s agent.CertificateStatus) bool { return strings.Contains(s.Error, "sa/admin") })
	if _, err := os.Stat(filepath.Join(dir, agent.CertFile)); err == nil {
		t.Error("it was written")
	}
}

// watcher is the part of a bootstrap file for a directory of certificates.
func watcher(dir string) string {
	at := func(name string) string { return filepath.Join(dir, name) }
	return fmt.Sprintf(`,"certificate_providers":{%q:{"plugin_name":"file_watcher","config":{
		"certificate_file":%q,"private_key_file":%q,"ca_certificate_file":%q,"refresh_interval":"0.1s"}}}`,
		agent.DefaultProvider, at(agent.CertFile), at(agent.KeyFile), at(agent.CAFile))
}

// secured is an unmodified server of gRPC that gets its listener and its certificates from an
// agent.
func secured(t testing.TB, config []byte) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	creds, err := xdscreds.NewServerCredentials(xdscreds.ServerOptions{FallbackCreds: insecure.NewCredentials()})
	if err != nil {
		t.Fatal(err)
	}
	s, err := xds.NewGRPCServer(xds.BootstrapContentsForTesting(config), grpc.Creds(creds),
		grpc.UnknownServiceHandler(func(_ any, st grpc.ServerStream) error {
			if err := st.RecvMsg(&emptypb.Empty{}); err != nil {
				return err
			}
			_ = st.SetHeader(metadata.Pairs("who", "secured")) // the call is open
			return st.SendMsg(&emptypb.Empty{})
		}))
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() { defer close(done); _ = s.Serve(l) }()
	t.Cleanup(func() { s.Stop(); <-done })
	return l.Addr().String()
}

// TestScenario_certificatesRotateUnderLoad: short-lived certificates of client and server, and the
// root of both, change again and again, while calls go on over a connection that stays and over new ones.
func TestScenario_certificatesRotateUnderLoad(t *testing.T) {
	ledger.Baseline(t)
	authority := development(t, ca.Config{TTL: 8 * time.Second, Lead: 2 * time.Second})
	registry := discovery.NewMemory()
	server, web := t.TempDir(), t.TempDir()
	a := start(t, agent.Config{Resolver: registry, Listen: "127.0.0.1:0", Issue: []agent.Issue{
		{Dir: server, Identity: account("reviews"), From: agent.FromAuthority(authority)},
		{Dir: web, Identity: account("web"), From: agent.FromAuthority(authority)},
	}})
	eventually(t, "the certificates are there", func() bool {
		s := a.Status().Certificates
		return s[0].Left > 0 && s[1].Left > 0
	})
	addr := secured(t, bootstrap(a.Addr().String(), watcher(server)))
	registry.Set("reviews", discovery.Endpoint{Addrs: []string{addr}, Namespace: "default", ServiceAccount: "reviews"})
	config := bootstrap(a.Addr().String(), watcher(web))
	secure := func() grpc.DialOption {
		creds, err := xdscreds.NewClientCredentials(xdscreds.ClientOptions{FallbackCreds: insecure.NewCredentials()})
		if err != nil {
			t.Fatal(err)
		}
		return grpc.WithTransportCredentials(creds)
	}
	kept := dial(t, config, "reviews:80", secure())
	reaches(t, kept, "secured")
	stays := ledger.Start(t.Context(), ledger.Config{Call: rpc(kept), Rate: paced})
	end := time.Now().Add(ledger.Short(2 * time.Minute))
	fresh := 0
	for i := 0; time.Now().Before(end); i++ {
		if i == 3 {
			if err := authority.RotateRoot(); err != nil {
				t.Fatal(err)
			}
		}
		cc := dial(t, config, "reviews:80", secure())
		if who, err := call(t, cc); err != nil || who != "secured" {
			t.Errorf("over a new connection: %q, %v", who, err)
		}
		_ = cc.Close()
		fresh++
		pause(t, 200*time.Millisecond)
	}
	none(t, "certificates changed", stays)
	s := a.Status().Certificates
	t.Logf("%d new connections; the server's certificate changed %d times, the client's %d times", fresh, s[0].Rotations, s[1].Rotations)
	if s[0].Rotations < 2 || s[1].Rotations < 2 || s[0].Error != "" || s[1].Error != "" {
		t.Errorf("got %+v, want at least two rotations of each and no error", s)
	}
}

// nobody is a source without an identity.
type nobody struct{}

func (nobody) Identity() (*security.Identity, error) { return nil, errors.New("not today") }
