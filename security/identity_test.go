// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package security_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"math/big"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/enmesh-go/enmesh/security"
	"github.com/enmesh-go/enmesh/security/ca"
)

func issue(t testing.TB, d *ca.Development, account string) *security.Identity {
	t.Helper()
	id, err := security.IDFor(d.TrustDomain(), "default", account)
	if err != nil {
		t.Fatal(err)
	}
	i, err := d.Issue(id)
	if err != nil {
		t.Fatal(err)
	}
	return i
}

func development(t testing.TB, trustDomain string) *ca.Development {
	t.Helper()
	d, err := ca.NewDevelopment(trustDomain, ca.Config{})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func ExampleNewIdentity() {
	authority, err := ca.NewDevelopment("cluster.local", ca.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	issued, err := authority.Issue(security.MustParseID("spiffe://cluster.local/ns/default/sa/web"))
	if err != nil {
		fmt.Println(err)
		return
	}
	// A certificate and roots from anywhere make an identity.
	identity, err := security.NewIdentity(*issued.Certificate(), map[string][]*x509.Certificate{
		"cluster.local": authority.Roots(),
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(identity.ID(), identity.Check(time.Now()))
	// Output: spiffe://cluster.local/ns/default/sa/web <nil>
}

func TestNewIdentity_refuses(t *testing.T) {
	d := development(t, "td")
	web, other := issue(t, d, "web"), issue(t, d, "other")
	roots := map[string][]*x509.Certificate{"td": d.Roots()}
	foreignKey := *web.Certificate()
	foreignKey.PrivateKey = other.Certificate().PrivateKey
	noKey := *web.Certificate()
	noKey.PrivateKey = nil
	tests := []struct {
		name  string
		cert  tls.Certificate
		roots map[string][]*x509.Certificate
		want  string
	}{
		{"no certificate", tls.Certificate{}, roots, "no certificate"},
		{"no DER", tls.Certificate{Certificate: [][]byte{[]byte("x")}}, roots, "malformed"},
		{"an authority", tls.Certificate{Certificate: [][]byte{d.Roots()[0].Raw}}, roots, "certificate authority"},
		{"no key", noKey, roots, "no private key"},
		{"another's key", foreignKey, roots, "not that of the certificate of spiffe://td/ns/default/sa/web"},
		{"no roots", *web.Certificate(), nil, `no root certificates for trust domain "td"`},
		{"no roots of its own", *web.Certificate(), map[string][]*x509.Certificate{"td2": d.Roots(), "td": {}}, `"td"`},
		{"a leaf as root", *web.Certificate(), map[string][]*x509.Certificate{"td": {web.Certificate().Leaf}}, "not a certificate authority"},
	}
	for _, tt := range tests {
		if _, err := security.NewIdentity(tt.cert, tt.roots); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: err = %v, want it to tell %q", tt.name, err, tt.want)
		}
	}
}

func TestIdentity_Verify(t *testing.T) {
	d, stranger, namesake := development(t, "td"), development(t, "td2"), development(t, "td")
	own := issue(t, d, "web")
	leaf := func(i *security.Identity) []*x509.Certificate { return []*x509.Certificate{i.Certificate().Leaf} }
	peer := issue(t, d, "peer")
	now := time.Now()
	tests := []struct {
		name  string
		chain []*x509.Certificate
		now   time.Time
		want  error
	}{
		{"good", leaf(peer), now, nil},
		{"good, with its root shown", append(leaf(peer), d.Roots()...), now, nil},
		{"nothing", nil, now, security.ErrNoPeer},
		{"another domain", leaf(issue(t, stranger, "peer")), now, security.ErrUntrusted},
		{"another root of the same name", leaf(issue(t, namesake, "peer")), now, security.ErrUntrusted},
		{"ended", leaf(peer), peer.NotAfter().Add(time.Second), security.ErrUntrusted},
		{"not begun", leaf(peer), now.Add(-time.Hour), security.ErrUntrusted},
		{"the root itself", d.Roots(), now, security.ErrInvalidSVID},
		{"too long", slicesRepeat(leaf(peer)[0], 11), now, security.ErrUntrusted},
	}
	for _, tt := range tests {
		id, err := own.Verify(tt.chain, tt.now, x509.ExtKeyUsageClientAuth)
		if !errors.Is(err, tt.want) || (err == nil) != (id == peer.ID()) {
			t.Errorf("%s: %v, %v; want %v", tt.name, id, err, tt.want)
		}
	}
}

func slicesRepeat(c *x509.Certificate, n int) []*x509.Certificate {
	chain := make([]*x509.Certificate, n)
	for i := range chain {
		chain[i] = c
	}
	return chain
}

func TestIdentity_Verify_refusesSmallRSAKeys(t *testing.T) {
	own := issue(t, development(t, "td"), "web")
	small := &x509.Certificate{
		URIs:      []*url.URL{{Scheme: "spiffe", Host: "td", Path: "/a"}},
		PublicKey: &rsa.PublicKey{N: new(big.Int).Lsh(big.NewInt(1), 1023), E: 65537},
	}
	_, err := own.Verify([]*x509.Certificate{small}, time.Now(), x509.ExtKeyUsageClientAuth)
	if !errors.Is(err, security.ErrUntrusted) || !strings.Contains(err.Error(), "1024 bits") {
		t.Errorf("err = %v, want ErrUntrusted for 1024 bits", err)
	}
}

func TestIdentity_neverShowsItsKey(t *testing.T) {
	i := issue(t, development(t, "td"), "web")
	key, ok := i.Certificate().PrivateKey.(*ecdsa.PrivateKey)
	if !ok {
		t.Fatalf("the key is a %T", i.Certificate().PrivateKey)
	}
	secret, err := key.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	number := new(big.Int).SetBytes(secret)
	for _, v := range []any{i, *i, struct{ I security.Identity }{*i}} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
			text := fmt.Sprintf(verb, v)
			if strings.Contains(text, number.String()) || strings.Contains(text, fmt.Sprintf("%x", secret)) {
				t.Errorf("%s of %T shows the key", verb, v)
			}
			if !strings.Contains(text, "spiffe://td/ns/default/sa/web") {
				t.Errorf("%s of %T = %q, want its ID", verb, v, text)
			}
		}
	}
	if got := fmt.Sprint(security.Identity{}); got != "no identity" {
		t.Errorf("the zero Identity prints as %q", got)
	}
}

func TestPeerID(t *testing.T) {
	leaf := issue(t, development(t, "td"), "web").Certificate().Leaf
	chain := []*x509.Certificate{leaf}
	two := *leaf
	two.URIs = append(two.URIs, &url.URL{Scheme: "spiffe", Host: "td", Path: "/x"})
	tests := []struct {
		name string
		cs   *tls.ConnectionState
		want error
	}{
		{"good", &tls.ConnectionState{HandshakeComplete: true, PeerCertificates: chain, VerifiedChains: [][]*x509.Certificate{chain}}, nil},
		{"no TLS", nil, security.ErrNoPeer},
		{"unfinished", &tls.ConnectionState{PeerCertificates: chain, VerifiedChains: [][]*x509.Certificate{chain}}, security.ErrNoPeer},
		{"no certificate", &tls.ConnectionState{HandshakeComplete: true}, security.ErrNoPeer},
		{"not verified", &tls.ConnectionState{HandshakeComplete: true, PeerCertificates: chain}, security.ErrUnverified},
		{
			"two names",
			&tls.ConnectionState{HandshakeComplete: true, PeerCertificates: []*x509.Certificate{&two}, VerifiedChains: [][]*x509.Certificate{chain}},
			security.ErrInvalidSVID,
		},
	}
	for _, tt := range tests {
		id, err := security.PeerID(tt.cs)
		if !errors.Is(err, tt.want) || (err == nil) != (id.ServiceAccount() == "web") {
			t.Errorf("%s: %v, %v; want %v", tt.name, id, err, tt.want)
		}
	}
}

// FuzzCertificateID reads certificates that arrive as bytes.
func FuzzCertificateID(f *testing.F) {
	i := issue(f, development(f, "td"), "web")
	f.Add(i.Certificate().Certificate[0])
	f.Fuzz(func(t *testing.T, der []byte) {
		cert, err := x509.ParseCertificate(der)
		if err != nil {
			return
		}
		id, err := security.CertificateID(cert)
		if err == nil && (len(cert.URIs) != 1 || cert.IsCA || id.String() != cert.URIs[0].String() || !bytes.Contains(der, []byte(id.String()))) {
			t.Fatalf("%v was read from %v", id, cert.URIs)
		}
		if _, err := i.Verify([]*x509.Certificate{cert}, time.Now(), x509.ExtKeyUsageClientAuth); err == nil && !cert.Equal(i.Certificate().Leaf) {
			t.Fatal("a certificate that was not issued is trusted")
		}
	})
}
