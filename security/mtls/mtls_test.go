// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package mtls_test

import (
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/enmesh-go/enmesh/security"
	"github.com/enmesh-go/enmesh/security/ca"
	"github.com/enmesh-go/enmesh/security/mtls"
)

func TestHandshake_rightPeersAccepted(t *testing.T) {
	d := newCA(t, ca.Config{})
	server, web := source(t, d, "reviews"), source(t, d, "web")
	url := serve(t, mtls.Server(server))
	tests := []struct {
		name   string
		expect security.Matcher
		h2     bool
		want   string
	}{
		{"HTTP/1.1, one ID", sa("reviews"), false, "HTTP/1.1 " + sa("web").String()},
		{"HTTP/2, one ID", sa("reviews"), true, "HTTP/2.0 " + sa("web").String()},
		{"any of two", security.AnyOf(sa("ratings"), sa("reviews")), false, "HTTP/1.1 " + sa("web").String()},
		{"trust domain", security.InTrustDomain(domain), false, "HTTP/1.1 " + sa("web").String()},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := get(client(t, mtls.Client(web, tt.expect), tt.h2), url)
			if err != nil || got != tt.want {
				t.Errorf("got %q, %v; want %q", got, err, tt.want)
			}
		})
	}
}

func TestClient_refusesUnexpectedServers(t *testing.T) {
	d := newCA(t, ca.Config{})
	web := source(t, d, "web")
	url := serve(t, mtls.Server(source(t, d, "bc")))
	tests := []struct {
		name   string
		expect security.Matcher
		want   error
	}{
		{"another account", sa("reviews"), mtls.ErrUnexpectedPeer},
		{"an account that is a prefix", sa("b"), mtls.ErrUnexpectedPeer},
		{"an account that is longer", sa("bcd"), mtls.ErrUnexpectedPeer},
		{"same path, other domain", security.MustParseID("spiffe://other.test/ns/default/sa/bc"), mtls.ErrUnexpectedPeer},
		{"any of none", security.AnyOf(), mtls.ErrUnexpectedPeer},
		{"other trust domain", security.InTrustDomain("mesh"), mtls.ErrUnexpectedPeer},
		{"nobody known", nil, mtls.ErrNoExpectation},
		{"zero ID", security.ID{}, mtls.ErrNoExpectation},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := get(client(t, mtls.Client(web, tt.expect), false), url)
			if !errors.Is(err, tt.want) {
				t.Errorf("err = %v, want %v", err, tt.want)
			}
		})
	}
}

func TestServer_allowNarrowsClients(t *testing.T) {
	d := newCA(t, ca.Config{})
	url := serve(t, mtls.Server(source(t, d, "reviews"), mtls.Allow(sa("web"))))
	if _, err := get(client(t, mtls.Client(source(t, d, "web"), sa("reviews")), false), url); err != nil {
		t.Errorf("the allowed client: %v", err)
	}
	if _, err := get(client(t, mtls.Client(source(t, d, "web2"), sa("reviews")), false), url); err == nil {
		t.Error("another client was served")
	}
}

// wrongCertificates are chains that neither side may accept as
// spiffe://mesh.test/ns/default/sa/peer; other is a root nobody trusts.
func wrongCertificates(t *testing.T, a, other *authority) map[string]tls.Certificate {
	t.Helper()
	good := sa("peer").String()
	self := func() tls.Certificate {
		own := newAuthority(t)
		template := &x509.Certificate{
			URIs:      []*url.URL{mustURL(t, good)},
			NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
			KeyUsage:    x509.KeyUsageDigitalSignature,
			ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth},
		}
		cert := parse(t, template, template, own.key, own.key)
		return tls.Certificate{Certificate: [][]byte{cert.Raw}, PrivateKey: own.key}
	}
	edited := func(edit func(*x509.Certificate)) tls.Certificate { return a.leaf(t, good, edit) }
	long := edited(nil)
	for range 10 {
		long.Certificate = append(long.Certificate, a.cert.Raw)
	}
	return map[string]tls.Certificate{
		"unknown root": other.leaf(t, good, nil),
		"self-signed":  self(),
		"two URI names": edited(func(c *x509.Certificate) {
			c.URIs = append(c.URIs, mustURL(t, sa("other").String()))
		}),
		"common name only": edited(func(c *x509.Certificate) {
			c.URIs, c.Subject = nil, pkix.Name{CommonName: good}
		}),
		"DNS name only": edited(func(c *x509.Certificate) {
			c.URIs, c.DNSNames = nil, []string{"peer.default.svc.cluster.local"}
		}),
		"not a SPIFFE ID": edited(func(c *x509.Certificate) { c.URIs = []*url.URL{mustURL(t, "https://"+domain+"/ns/default/sa/peer")} }),
		"root path":       a.leaf(t, "spiffe://"+domain, nil),
		"query":           a.leaf(t, good+"?x", nil),
		"encoded":         a.leaf(t, "spiffe://"+domain+"/ns/default/sa/p%65er", nil),
		"expired":         edited(func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Second) }),
		"not yet valid":   edited(func(c *x509.Certificate) { c.NotBefore = time.Now().Add(time.Hour / 2) }),
		"an authority":    edited(func(c *x509.Certificate) { c.IsCA, c.KeyUsage = true, x509.KeyUsageCertSign }),
		"an authority that signs as well": edited(func(c *x509.Certificate) {
			c.KeyUsage |= x509.KeyUsageCertSign
			c.IsCA = true
		}),
		"a key that signs certificates":     edited(func(c *x509.Certificate) { c.KeyUsage |= x509.KeyUsageCertSign }),
		"a key that signs revocation lists": edited(func(c *x509.Certificate) { c.KeyUsage |= x509.KeyUsageCRLSign }),
		"another use":                       edited(func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageCodeSigning} }),
		"other trust domain":                a.leaf(t, "spiffe://other.test/ns/default/sa/peer", nil),
		"longer account":                    a.leaf(t, good+"x", nil),
		"a chain too long":                  long,
	}
}

func TestClient_refusesWrongCertificates(t *testing.T) {
	a, other := newAuthority(t), newAuthority(t)
	cfg := mtls.Client(a.source(t, sa("web").String(), nil), sa("peer"))
	if err := meet(t, cfg, a.leaf(t, sa("peer").String(), nil)); err != nil {
		t.Fatalf("the right certificate: %v", err)
	}
	for name, cert := range wrongCertificates(t, a, other) {
		t.Run(name, func(t *testing.T) {
			if err := meet(t, cfg, cert); err == nil {
				t.Error("accepted")
			}
		})
	}
}

func TestServer_refusesWrongCertificates(t *testing.T) {
	a, other := newAuthority(t), newAuthority(t)
	url := serve(t, mtls.Server(a.source(t, sa("reviews").String(), nil), mtls.Allow(sa("peer"))))
	try := func(t *testing.T, certs ...tls.Certificate) (string, error) {
		return get(client(t, &tls.Config{InsecureSkipVerify: true, Certificates: certs}, false), url)
	}
	if _, err := try(t, a.leaf(t, sa("peer").String(), nil)); err != nil {
		t.Fatalf("the right certificate: %v", err)
	}
	for name, cert := range wrongCertificates(t, a, other) {
		t.Run(name, func(t *testing.T) {
			if got, err := try(t, cert); err == nil {
				t.Errorf("accepted; body %q", got)
			}
		})
	}
	t.Run("none", func(t *testing.T) {
		if got, err := try(t); err == nil {
			t.Errorf("accepted; body %q", got)
		}
	})
	t.Run("a plain HTTP request", func(t *testing.T) {
		if got, err := get(client(t, nil, false), "http"+strings.TrimPrefix(url, "https")); err == nil {
			t.Errorf("accepted; body %q", got)
		}
	})
}

// A root of one domain must not vouch for names in another, though both are
// trusted for their own.
func TestHandshake_rootsArePerTrustDomain(t *testing.T) {
	ours, theirs := newAuthority(t), newAuthority(t)
	roots := map[string][]*x509.Certificate{domain: {ours.cert}, "other.test": {theirs.cert}}
	url := serve(t, mtls.Server(ours.source(t, sa("reviews").String(), roots)))
	try := func(cert tls.Certificate) error {
		_, err := get(client(t, &tls.Config{InsecureSkipVerify: true, Certificates: []tls.Certificate{cert}}, false), url)
		return err
	}
	if err := try(theirs.leaf(t, "spiffe://other.test/ns/default/sa/web", nil)); err != nil {
		t.Errorf("their root for their name: %v", err)
	}
	if err := try(theirs.leaf(t, sa("web").String(), nil)); err == nil {
		t.Error("their root vouched for our name")
	}
	if err := try(ours.leaf(t, "spiffe://other.test/ns/default/sa/web", nil)); err == nil {
		t.Error("our root vouched for their name")
	}
}

func TestHandshake_version(t *testing.T) {
	d := newCA(t, ca.Config{})
	web, reviews := source(t, d, "web"), source(t, d, "reviews")
	strict, lax := serve(t, mtls.Server(reviews)), serve(t, mtls.Server(reviews, mtls.AllowTLS12()))
	old := mtls.Client(web, sa("reviews"), mtls.AllowTLS12())
	old.MaxVersion = tls.VersionTLS12
	if _, err := get(client(t, old, false), strict); err == nil {
		t.Error("TLS 1.2 was accepted without the option")
	}
	if _, err := get(client(t, old, false), lax); err != nil {
		t.Errorf("TLS 1.2 with the option: %v", err)
	}
	old.MinVersion, old.MaxVersion = tls.VersionTLS10, tls.VersionTLS11
	if _, err := get(client(t, old, false), lax); err == nil {
		t.Error("TLS 1.1 was accepted")
	}
}

func TestProtocols(t *testing.T) {
	d := newCA(t, ca.Config{})
	url := serve(t, mtls.Server(source(t, d, "reviews"), mtls.Protocols("http/1.1")))
	got, err := get(client(t, mtls.Client(source(t, d, "web"), sa("reviews"), mtls.Protocols("h2", "http/1.1")), true), url)
	if err != nil || !strings.HasPrefix(got, "HTTP/1.1 ") {
		t.Errorf("got %q, %v; want HTTP/1.1", got, err)
	}
}

type failing struct{ err error }

func (f failing) Identity() (*security.Identity, error) { return nil, f.err }

func TestHandshake_withoutOwnIdentityIsRefused(t *testing.T) {
	d := newCA(t, ca.Config{})
	reviews := source(t, d, "reviews")
	url := serve(t, mtls.Server(reviews))
	for name, src := range map[string]security.Source{
		"none":    nil,
		"failing": failing{errors.New("no socket")},
		"nothing": security.Fixed(nil),
	} {
		if _, err := get(client(t, mtls.Client(src, sa("reviews")), false), url); !errors.Is(err, mtls.ErrNoIdentity) {
			t.Errorf("client, %s: err = %v, want ErrNoIdentity", name, err)
		}
		bad := serve(t, mtls.Server(src))
		if _, err := get(client(t, mtls.Client(reviews, sa("reviews")), false), bad); err == nil {
			t.Errorf("server, %s: served", name)
		}
	}
	later := mtls.Clock(func() time.Time { return time.Now().Add(2 * time.Hour) })
	_, err := get(client(t, mtls.Client(security.Fixed(mustIdentity(t, reviews)), sa("reviews"), later), false), url)
	if !errors.Is(err, mtls.ErrNoIdentity) {
		t.Errorf("ended certificate: err = %v, want ErrNoIdentity", err)
	}
}

func mustIdentity(t testing.TB, s security.Source) *security.Identity {
	t.Helper()
	id, err := s.Identity()
	if err != nil {
		t.Fatal(err)
	}
	return id
}
