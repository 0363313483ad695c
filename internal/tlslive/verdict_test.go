// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package tlslive_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	mathrand "math/rand/v2"
	"testing"
	"time"

	"github.com/enmesh-go/enmesh/internal/tlslive"
)

// signer is an authority or a leaf.
type signer struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

// signed is a certificate by s, or by itself if s is nil, good from one hour to another.
func (s *signer) signed(t testing.TB, name string, from, to int, edit func(*x509.Certificate)) *signer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		Subject: pkix.Name{CommonName: name}, NotBefore: hour(from), NotAfter: hour(to),
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature, BasicConstraintsValid: true, IsCA: true,
	}
	if edit != nil {
		edit(template)
	}
	if s == nil {
		s = &signer{template, key}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, s.cert, key.Public(), s.key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &signer{cert, key}
}

func hour(n int) time.Time { return time.Date(2026, 1, 1, n, 0, 0, 0, time.UTC) }

func leafFor(uses ...x509.ExtKeyUsage) func(*x509.Certificate) {
	return func(c *x509.Certificate) {
		c.IsCA, c.KeyUsage, c.ExtKeyUsage = false, x509.KeyUsageDigitalSignature, uses
	}
}

// TestVerdicts_agreeWithX509: in whatever order chains, times and uses come, the answer is
// that of a verification from the beginning.
func TestVerdicts_agreeWithX509(t *testing.T) {
	root := (*signer)(nil).signed(t, "root", 0, 100, nil)
	old := (*signer)(nil).signed(t, "old root", 0, 20, nil)
	stranger := (*signer)(nil).signed(t, "root", 0, 100, nil)
	middle := root.signed(t, "middle", 10, 50, nil)
	// The same name and key, by the old root.
	crossed, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: middle.cert.SerialNumber, Subject: middle.cert.Subject, NotBefore: hour(0), NotAfter: hour(30),
		KeyUsage: x509.KeyUsageCertSign, BasicConstraintsValid: true, IsCA: true,
	}, old.cert, middle.key.Public(), old.key)
	if err != nil {
		t.Fatal(err)
	}
	cross, err := x509.ParseCertificate(crossed)
	if err != nil {
		t.Fatal(err)
	}
	both := leafFor(x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth)
	short := root.signed(t, "short", 5, 8, both)
	server := root.signed(t, "server", 0, 60, leafFor(x509.ExtKeyUsageServerAuth))
	below := middle.signed(t, "below", 0, 60, both)
	bad := stranger.signed(t, "bad", 0, 60, both)
	chains := [][]*x509.Certificate{
		{short.cert}, {server.cert}, {below.cert}, {below.cert, middle.cert}, {below.cert, cross},
		{below.cert, middle.cert, cross}, {bad.cert}, {bad.cert, stranger.cert}, {short.cert, middle.cert},
	}
	roots := x509.NewCertPool()
	roots.AddCert(root.cert)
	roots.AddCert(old.cert)
	var verdicts tlslive.Verdicts
	random := mathrand.New(mathrand.NewPCG(1, 2))
	accepted := 0
	for range 3000 {
		chain := chains[random.IntN(len(chains))]
		use := []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}[random.IntN(2)]
		at := hour(random.IntN(70) - 2).Add(time.Duration(random.IntN(3)-1) * time.Second)
		opts := x509.VerifyOptions{Roots: roots, CurrentTime: at, KeyUsages: []x509.ExtKeyUsage{use}}
		_, got := verdicts.Verify(chain, opts)
		opts.Intermediates = x509.NewCertPool()
		for _, c := range chain[1:] {
			opts.Intermediates.AddCert(c)
		}
		_, want := chain[0].Verify(opts)
		if (got == nil) != (want == nil) {
			t.Fatalf("%s of %d, use %v at %v: %v, from the beginning %v", chain[0].Subject, len(chain), use, at, got, want)
		}
		if got == nil {
			accepted++
		}
	}
	if accepted < 300 || accepted > 2700 {
		t.Errorf("%d of 3000 were accepted, which shows little", accepted)
	}
}

func TestVerdicts_knowWhatTheyHaveVerified(t *testing.T) {
	root := (*signer)(nil).signed(t, "root", 0, 100, nil)
	leaf := root.signed(t, "leaf", 0, 60, leafFor(x509.ExtKeyUsageClientAuth))
	roots := x509.NewCertPool()
	roots.AddCert(root.cert)
	opts := x509.VerifyOptions{Roots: roots, CurrentTime: hour(1), KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}
	var verdicts tlslive.Verdicts
	chain := []*x509.Certificate{leaf.cert}
	first, err := verdicts.Verify(chain, opts)
	if err != nil || len(first) != 1 || len(first[0]) != 2 {
		t.Fatalf("%v, %v; want the leaf and the root", first, err)
	}
	if n := testing.AllocsPerRun(100, func() { _, _ = verdicts.Verify(chain, opts) }); n > 0 {
		t.Errorf("a chain that is known takes %v allocations, want none", n)
	}
}

func TestEnds(t *testing.T) {
	root := (*signer)(nil).signed(t, "root", 0, 100, nil)
	own, far := root.signed(t, "own", 0, 10, nil), root.signed(t, "far", 0, 20, nil)
	state := &tls.ConnectionState{PeerCertificates: []*x509.Certificate{far.cert}}
	for name, tt := range map[string]struct {
		get       func(*tls.CertificateRequestInfo) (*tls.Certificate, error)
		state     *tls.ConnectionState
		own, peer time.Time
	}{
		"both": {func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			return &tls.Certificate{Leaf: own.cert}, nil
		}, state, hour(10), hour(20)},
		"no certificate of our own": {nil, state, time.Time{}, hour(20)},
		"an error": {func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			return nil, errors.New("none")
		}, new(tls.ConnectionState), time.Time{}, time.Time{}},
	} {
		mine, theirs := tlslive.Ends(&tls.Config{GetClientCertificate: tt.get}, tt.state)
		if !mine.Equal(tt.own) || !theirs.Equal(tt.peer) {
			t.Errorf("%s: %v and %v, want %v and %v", name, mine, theirs, tt.own, tt.peer)
		}
	}
}
