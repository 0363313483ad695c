// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package ca_test

import (
	"crypto/ecdsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/enmesh-go/enmesh/security"
	"github.com/enmesh-go/enmesh/security/ca"
	"github.com/enmesh-go/enmesh/security/mtls"
)

func ExampleNewDevelopment() {
	authority, err := ca.NewDevelopment("cluster.local", ca.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	reviews, _ := authority.Source("default", "bookinfo-reviews")
	web, _ := authority.Source("default", "bookinfo-productpage")

	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Println(err)
		return
	}
	server := &http.Server{
		TLSConfig: mtls.Server(reviews),
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			peer, _ := security.PeerID(r.TLS)
			_, _ = io.WriteString(w, "hello "+peer.ServiceAccount())
		}),
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = server.ServeTLS(listener, "", "")
	}()
	defer func() {
		_ = server.Close()
		<-done
	}()

	transport := &http.Transport{TLSClientConfig: mtls.Client(web, reviews.ID())}
	defer transport.CloseIdleConnections()
	resp, err := (&http.Client{Transport: transport}).Get("https://" + listener.Addr().String())
	if err != nil {
		fmt.Println(err)
		return
	}
	body, _ := io.ReadAll(resp.Body)
	_ = resp.Body.Close()
	fmt.Printf("%s\n", body)
	// Output: hello bookinfo-productpage
}

func development(t testing.TB, cfg ca.Config) *ca.Development {
	t.Helper()
	d, err := ca.NewDevelopment("td", cfg)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func identity(t testing.TB, s security.Source) *security.Identity {
	t.Helper()
	i, err := s.Identity()
	if err != nil {
		t.Fatal(err)
	}
	return i
}

func web(t testing.TB, d *ca.Development) *ca.Source {
	t.Helper()
	s, err := d.Source("default", "web")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestIssue_makesAnSVID(t *testing.T) {
	d := development(t, ca.Config{})
	i := identity(t, web(t, d))
	leaf, root := i.Certificate().Leaf, d.Roots()[0]
	switch {
	case len(leaf.URIs) != 1 || leaf.URIs[0].String() != "spiffe://td/ns/default/sa/web":
		t.Errorf("URIs = %v", leaf.URIs)
	case leaf.Subject.String() != "" || len(leaf.DNSNames) != 0:
		t.Errorf("it has other names: %v, %v", leaf.Subject, leaf.DNSNames)
	case leaf.IsCA || !leaf.BasicConstraintsValid || leaf.KeyUsage != x509.KeyUsageDigitalSignature:
		t.Errorf("CA %t, constraints %t, key usage %v", leaf.IsCA, leaf.BasicConstraintsValid, leaf.KeyUsage)
	case len(leaf.ExtKeyUsage) != 2:
		t.Errorf("extended key usage = %v", leaf.ExtKeyUsage)
	case !root.IsCA || !root.MaxPathLenZero || !strings.Contains(root.Subject.String(), "not for production"):
		t.Errorf("root: CA %t, path length zero %t, %v", root.IsCA, root.MaxPathLenZero, root.Subject)
	}
	if life := time.Until(leaf.NotAfter); life < 59*time.Minute || life > time.Hour {
		t.Errorf("it lives %v, want 1 h", life)
	}
	if err := i.Check(time.Now()); err != nil {
		t.Error(err)
	}
}

func TestNewDevelopment_refuses(t *testing.T) {
	for _, tt := range []struct {
		td   string
		cfg  ca.Config
		want string
	}{
		{"", ca.Config{}, "trust domain"},
		{"a/b", ca.Config{}, "trust domain"},
		{"td", ca.Config{TTL: time.Millisecond}, "TTL"},
		{"td", ca.Config{TTL: -time.Hour}, "TTL"},
		{"td", ca.Config{RootTTL: time.Minute}, "RootTTL"},
		{"td", ca.Config{Overlap: -1}, "Overlap"},
		{"td", ca.Config{Lead: -1}, "Lead"},
	} {
		if _, err := ca.NewDevelopment(tt.td, tt.cfg); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("NewDevelopment(%q, %+v) = %v, want an error with %q", tt.td, tt.cfg, err, tt.want)
		}
	}
	d := development(t, ca.Config{})
	if _, err := d.Source("a/b", "c"); err == nil {
		t.Error("Source took a namespace with a slash")
	}
	if _, err := d.Issue(security.MustParseID("spiffe://td2/a")); err == nil {
		t.Error("Issue signed for another trust domain")
	}
}

func TestSource_renewsAtAboutHalfLife(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := web(t, development(t, ca.Config{}))
		first := identity(t, s)
		time.Sleep(23 * time.Minute)
		if identity(t, s) != first {
			t.Error("renewed before 0.4 of its life")
		}
		time.Sleep(14 * time.Minute)
		second := identity(t, s)
		if second == first || second.ID() != first.ID() {
			t.Error("not renewed after 0.6 of its life")
		}
		time.Sleep(10 * time.Hour) // nobody asked all that time
		if err := identity(t, s).Check(time.Now()); err != nil {
			t.Error(err)
		}
	})
}

func TestSource_renewsOnceForManyCallers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := web(t, development(t, ca.Config{}))
		time.Sleep(40 * time.Minute)
		got := make([]*security.Identity, 16)
		var wg sync.WaitGroup
		for n := range got {
			wg.Go(func() { got[n] = identity(t, s) })
		}
		wg.Wait()
		for _, i := range got {
			if i != got[0] {
				t.Fatal("callers at the same time got different identities")
			}
		}
	})
}

func TestSource_anIdentityThatIsKeptCostsNothing(t *testing.T) {
	s := web(t, development(t, ca.Config{}))
	if n := testing.AllocsPerRun(100, func() { _, _ = s.Identity() }); n > 0 {
		t.Errorf("allocations = %v, want 0", n)
	}
}

func TestRotateRoot_leadsAndOverlaps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := development(t, ca.Config{})
		s := web(t, d)
		old := d.Roots()[0]
		signedByOld := func() bool { return identity(t, s).Certificate().Leaf.CheckSignatureFrom(old) == nil }
		trusts := func(n int) {
			t.Helper()
			if got := len(d.Roots()); got != n {
				t.Errorf("%d roots are trusted, want %d", got, n)
			}
		}
		for range 2 { // the second does nothing
			if err := d.RotateRoot(); err != nil {
				t.Fatal(err)
			}
		}
		trusts(2)
		if !signedByOld() {
			t.Error("the new root signs before everybody trusts it")
		}
		last := identity(t, s)
		time.Sleep(10 * time.Second)
		trusts(2)
		if signedByOld() {
			t.Error("the old root still signs")
		}
		if _, err := identity(t, s).Verify([]*x509.Certificate{last.Certificate().Leaf}, time.Now(), x509.ExtKeyUsageServerAuth); err != nil {
			t.Errorf("what the old root signed is refused during the overlap: %v", err)
		}
		time.Sleep(time.Hour)
		trusts(1)
		if err := identity(t, s).Check(time.Now()); err != nil {
			t.Error(err)
		}
	})
}

func TestSource_saysWhyItCannotRenew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := web(t, development(t, ca.Config{TTL: time.Hour, RootTTL: 90 * time.Minute}))
		if err := s.Err(); err != nil {
			t.Errorf("while all is well: %v", err)
		}
		time.Sleep(91 * time.Minute)
		_, err := s.Identity()
		if err == nil || !errors.Is(s.Err(), err) {
			t.Errorf("after the root's end: %v, Err %v; want the same", err, s.Err())
		}
	})
}

func TestIssue_afterTheRootHasEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := development(t, ca.Config{TTL: time.Hour, RootTTL: 90 * time.Minute})
		s := web(t, d)
		time.Sleep(80 * time.Minute)
		i := identity(t, s)
		if end := d.Roots()[0].NotAfter; i.NotAfter().After(end) {
			t.Errorf("the certificate ends at %v, after its root, %v", i.NotAfter(), end)
		}
		time.Sleep(time.Hour)
		if _, err := s.Identity(); err == nil || !strings.Contains(err.Error(), "RotateRoot") {
			t.Errorf("err = %v, want that the root has ended", err)
		}
		if err := d.RotateRoot(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Second)
		if err := identity(t, s).Check(time.Now()); err != nil {
			t.Error(err)
		}
	})
}

func TestWriteFiles(t *testing.T) {
	d := development(t, ca.Config{})
	dir := filepath.Join(t.TempDir(), "new", "identity")
	id := security.MustParseID("spiffe://td/ns/default/sa/web")
	for range 2 {
		if err := d.WriteFiles(dir, id); err != nil {
			t.Fatal(err)
		}
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 3 {
		t.Errorf("the directory holds %v, %v; want three files", entries, err)
	}
	info, err := os.Stat(filepath.Join(dir, ca.KeyFile))
	if err != nil {
		t.Fatal(err)
	}
	if runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
		t.Errorf("the key's mode is %#o, want 0600", info.Mode().Perm())
	}
	f, err := mtls.NewFiles(mtls.FilesConfig{
		Cert: filepath.Join(dir, ca.CertFile), Key: filepath.Join(dir, ca.KeyFile), CA: filepath.Join(dir, ca.CAFile),
	})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	if got := identity(t, f).ID(); got != id {
		t.Errorf("the files are of %v, want %v", got, id)
	}
	if err := d.WriteFiles(dir, security.MustParseID("spiffe://td2/a")); err == nil {
		t.Error("files were written for another trust domain")
	}
}

// The only key on disk is the leaf's, and no printing shows the root's.
func TestDevelopment_keepsItsRootKey(t *testing.T) {
	d := development(t, ca.Config{})
	dir := t.TempDir()
	if err := d.WriteFiles(dir, security.MustParseID("spiffe://td/a")); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(filepath.Join(dir, ca.KeyFile))
	if err != nil {
		t.Fatal(err)
	}
	block, rest := pem.Decode(data)
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil || len(rest) != 0 {
		t.Fatalf("the key file: %v, %d bytes more", err, len(rest))
	}
	leaf, ok := key.(*ecdsa.PrivateKey)
	if !ok || leaf.PublicKey.Equal(d.Roots()[0].PublicKey) {
		t.Errorf("the key written is a %T, and perhaps the root's", key)
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
		if got, want := fmt.Sprintf(verb, d), "development authority of td"; got != want {
			t.Errorf("%s = %q, want %q", verb, got, want)
		}
	}
}

func BenchmarkSource_Identity(b *testing.B) {
	s := web(b, development(b, ca.Config{}))
	b.ReportAllocs()
	for b.Loop() {
		_, _ = s.Identity()
	}
}

func BenchmarkIssue(b *testing.B) {
	d := development(b, ca.Config{})
	id := security.MustParseID("spiffe://td/ns/default/sa/web")
	b.ReportAllocs()
	for b.Loop() {
		if _, err := d.Issue(id); err != nil {
			b.Fatal(err)
		}
	}
}
