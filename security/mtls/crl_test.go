// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package mtls_test

import (
	"bytes"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/enmesh-go/enmesh/security"
	"github.com/enmesh-go/enmesh/security/mtls"
)

// revocations is a list of a's, in DER, until an hour from now unless edit says.
func (a *authority) revocations(t testing.TB, edit func(*x509.RevocationList), revoked ...tls.Certificate) []byte {
	t.Helper()
	list := &x509.RevocationList{Number: big.NewInt(1), ThisUpdate: time.Now().Add(-time.Hour), NextUpdate: time.Now().Add(time.Hour)}
	for _, c := range revoked {
		leaf, err := x509.ParseCertificate(c.Certificate[0])
		if err != nil {
			t.Fatal(err)
		}
		list.RevokedCertificateEntries = append(list.RevokedCertificateEntries,
			x509.RevocationListEntry{SerialNumber: leaf.SerialNumber, RevocationTime: time.Now().Add(-time.Hour)})
	}
	if edit != nil {
		edit(list)
	}
	signer := *a.cert
	signer.KeyUsage |= x509.KeyUsageCRLSign
	der, err := x509.CreateRevocationList(rand.Reader, list, &signer, a.key)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func armoured(lists ...[]byte) []byte {
	var text bytes.Buffer
	for _, der := range lists {
		text.Write(pem.EncodeToMemory(&pem.Block{Type: "X509 CRL", Bytes: der}))
	}
	return text.Bytes()
}

// issuing is an authority whose root may sign revocation lists.
func issuing(t testing.TB) *authority {
	t.Helper()
	root := newAuthority(t)
	template := *root.cert
	template.KeyUsage |= x509.KeyUsageCRLSign
	template.SubjectKeyId, template.AuthorityKeyId = nil, nil
	return &authority{parse(t, &template, &template, root.key, root.key), root.key}
}

func lay(t testing.TB, name string, data []byte) {
	t.Helper()
	tmp := name + ".new"
	if err := os.WriteFile(tmp, data, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(tmp, name); err != nil {
		t.Fatal(err)
	}
}

func newCRL(t testing.TB, cfg mtls.CRLConfig) *mtls.CRL {
	t.Helper()
	crl, err := mtls.NewCRL(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = crl.Close() })
	return crl
}

// eventually waits for something under a deadline.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(10 * time.Second); !ok(); <-tick.C {
		if time.Now().After(end) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

// TestScenarioT11_revoked: who is put on the list is refused as soon as it is read, and a
// connection that is open is closed.
func TestScenarioT11_revoked(t *testing.T) {
	t.Parallel()
	a := issuing(t)
	web, other := a.leaf(t, sa("web").String(), nil), a.leaf(t, sa("other").String(), nil)
	file := filepath.Join(t.TempDir(), "crl.pem")
	lay(t, file, armoured(a.revocations(t, nil)))
	told := make(chan error, 10)
	crl := newCRL(t, mtls.CRLConfig{Files: []string{file}, Poll: 10 * time.Millisecond, OnUpdate: func(err error) { told <- err }})
	g := newGatekeeper(t, mtls.ListenerConfig{Source: a.source(t, sa("reviews").String(), nil), CRL: crl})
	if err := g.verdict(t, web); err != nil {
		t.Fatalf("before: %v", err)
	}
	open := keep(t, g.addr, &tls.Config{InsecureSkipVerify: true, Certificates: []tls.Certificate{web}})
	lay(t, file, armoured(a.revocations(t, nil, web)))
	if err := <-told; err != nil {
		t.Fatal(err)
	}
	if err := g.verdict(t, web); !errors.Is(err, mtls.ErrRevoked) {
		t.Errorf("refused for %v, want ErrRevoked", err)
	}
	if err := g.verdict(t, other); err != nil {
		t.Errorf("another: %v", err)
	}
	open.ends(t, 5*time.Second)
}

// TestScenarioT11_undetermined: where it is not known whether a certificate is revoked, it
// is refused, unless the operator wants otherwise.
func TestScenarioT11_undetermined(t *testing.T) {
	a, stranger := issuing(t), issuing(t)
	namesake := issuing(t) // the same name, another key
	web := a.leaf(t, sa("web").String(), nil)
	below := a.intermediate(t, nil)
	for name, tt := range map[string]struct {
		lists [][]byte
		cert  tls.Certificate
		want  error
	}{
		"good":             {[][]byte{a.revocations(t, nil)}, web, nil},
		"of another":       {[][]byte{stranger.revocations(t, nil)}, web, mtls.ErrUndetermined},
		"by a namesake":    {[][]byte{namesake.revocations(t, nil)}, web, mtls.ErrUndetermined},
		"two, one is good": {[][]byte{namesake.revocations(t, nil, web), a.revocations(t, nil)}, web, nil},
		"ended": {[][]byte{a.revocations(t, func(l *x509.RevocationList) {
			l.NextUpdate = time.Now().Add(-time.Second)
		})}, web, mtls.ErrUndetermined},
		"not in force yet": {[][]byte{a.revocations(t, func(l *x509.RevocationList) {
			l.ThisUpdate = time.Now().Add(time.Minute)
		})}, web, mtls.ErrUndetermined},
		"intermediate without one": {[][]byte{a.revocations(t, nil)}, chained(t, sa("web").String(), a, below), mtls.ErrUndetermined},
		"intermediate with one":    {[][]byte{a.revocations(t, nil), below.revocations(t, nil)}, chained(t, sa("web").String(), a, below), nil},
		"intermediate revoked": {
			[][]byte{a.revocations(t, nil, tls.Certificate{Certificate: [][]byte{below.cert.Raw}}), below.revocations(t, nil)},
			chained(t, sa("web").String(), a, below), mtls.ErrRevoked,
		},
	} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "crl.pem")
			lay(t, file, armoured(tt.lists...))
			for _, allow := range []bool{false, true} {
				crl := newCRL(t, mtls.CRLConfig{Files: []string{file}, AllowUndetermined: allow})
				g := newGatekeeper(t, mtls.ListenerConfig{Source: a.source(t, sa("reviews").String(), nil), CRL: crl})
				want := tt.want
				if allow && errors.Is(want, mtls.ErrUndetermined) {
					want = nil
				}
				if err := g.verdict(t, tt.cert); !errors.Is(err, want) {
					t.Errorf("allowed %t: refused for %v, want %v", allow, err, want)
				}
			}
		})
	}
}

// TestScenarioT11_badFiles: a list that is missing, corrupt, partial or too large is never
// begun with; when it becomes so later, the last good one counts until its own end, and then
// everybody is refused.
func TestScenarioT11_badFiles(t *testing.T) {
	a := issuing(t)
	good := armoured(a.revocations(t, nil))
	extension := func(oid asn1.ObjectIdentifier, critical bool) []byte {
		return a.revocations(t, func(l *x509.RevocationList) {
			l.ExtraExtensions = []pkix.Extension{{Id: oid, Critical: critical, Value: []byte{2, 1, 1}}}
		})
	}
	dir := t.TempDir()
	huge := filepath.Join(dir, "huge.pem")
	lay(t, huge, nil)
	if err := os.Truncate(huge, 100<<20); err != nil {
		t.Fatal(err)
	}
	bad := map[string][]byte{
		"empty": nil, "garbage": []byte("garbage"), "half": good[:len(good)/2], "another block": armouredAs("CERTIFICATE", a.cert.Raw),
		"text after": append(bytes.Clone(good), "more"...), "PEM of garbage": armoured([]byte("garbage")),
		"delta":     extension(asn1.ObjectIdentifier{2, 5, 29, 27}, true),
		"partial":   extension(asn1.ObjectIdentifier{2, 5, 29, 28}, false),
		"unknown":   extension(asn1.ObjectIdentifier{1, 2, 3}, true),
		"no number": {0x30, 0},
	}
	file := filepath.Join(dir, "crl.pem")
	for name, data := range bad {
		lay(t, file, data)
		if _, err := mtls.NewCRL(mtls.CRLConfig{Files: []string{file}}); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	for _, missing := range []string{filepath.Join(dir, "missing.pem"), huge} {
		begin := time.Now()
		if _, err := mtls.NewCRL(mtls.CRLConfig{Files: []string{missing}}); err == nil || time.Since(begin) > time.Second {
			t.Errorf("%s: %v after %v", missing, err, time.Since(begin))
		}
	}

	web := a.leaf(t, sa("web").String(), nil)
	chains := [][]*x509.Certificate{{web.Leaf, a.cert}}
	lay(t, file, armoured(a.revocations(t, nil, web)))
	crl := newCRL(t, mtls.CRLConfig{Files: []string{file}, Poll: 10 * time.Millisecond})
	lay(t, file, []byte("garbage"))
	eventually(t, "the garbage to be noticed", func() bool { return crl.Err() != nil })
	if err := crl.CheckAt(chains, time.Now()); !errors.Is(err, mtls.ErrRevoked) {
		t.Errorf("while the last good list counts: %v, want ErrRevoked", err)
	}
	if err := crl.CheckAt(chains, time.Now().Add(2*time.Hour)); !errors.Is(err, mtls.ErrUndetermined) {
		t.Errorf("after its end: %v, want ErrUndetermined", err)
	}
	lay(t, file, a.revocations(t, nil)) // DER, this time
	eventually(t, "the good list", func() bool { return crl.Err() == nil && crl.CheckAt(chains, time.Now()) == nil })
}

func armouredAs(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}

func TestCRL_ofAClient(t *testing.T) {
	a := issuing(t)
	file := filepath.Join(t.TempDir(), "crl.pem")
	reviews := a.leaf(t, sa("reviews").String(), nil)
	lay(t, file, armoured(a.revocations(t, nil, reviews)))
	crl := newCRL(t, mtls.CRLConfig{Files: []string{file}})
	own, err := security.NewIdentity(reviews, map[string][]*x509.Certificate{domain: {a.cert}})
	if err != nil {
		t.Fatal(err)
	}
	url := serve(t, mtls.Server(security.Fixed(own)))
	cfg := mtls.Client(a.source(t, sa("web").String(), nil), sa("reviews"), mtls.Revocations(crl))
	if _, err := get(client(t, cfg, false), url); !errors.Is(err, mtls.ErrRevoked) {
		t.Errorf("a revoked server: %v, want ErrRevoked", err)
	}
}

func TestNewCRL_refuses(t *testing.T) {
	for want, cfg := range map[string]mtls.CRLConfig{
		"Files": {}, "MaxSize": {Files: []string{"x"}, MaxSize: -1}, "Poll": {Files: []string{"x"}, Poll: -1},
	} {
		if _, err := mtls.NewCRL(cfg); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
}
