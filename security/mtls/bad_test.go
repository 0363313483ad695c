// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package mtls_test

import (
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/enmesh-go/enmesh/security/mtls"
)

// intermediate is an authority below a.
func (a *authority) intermediate(t testing.TB, edit func(*x509.Certificate)) *authority {
	t.Helper()
	key := newKey(t)
	template := &x509.Certificate{
		Subject: pkix.Name{CommonName: "intermediate"}, NotBefore: a.cert.NotBefore, NotAfter: a.cert.NotAfter,
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign, BasicConstraintsValid: true, IsCA: true,
	}
	if edit != nil {
		edit(template)
	}
	return &authority{parse(t, template, a.cert, key, a.key), key}
}

// chained is a leaf below authorities, the lowest last.
func chained(t testing.TB, uri string, of ...*authority) tls.Certificate {
	t.Helper()
	cert := of[len(of)-1].leaf(t, uri, nil)
	for i := len(of) - 1; i > 0; i-- {
		cert.Certificate = append(cert.Certificate, of[i].cert.Raw)
	}
	return cert
}

// TestScenarioT10_badCertificates: none is accepted, and looking into it takes at most
// 50 ms of work.
func TestScenarioT10_badCertificates(t *testing.T) {
	a, other := newAuthority(t), newAuthority(t)
	g := newGatekeeper(t, mtls.ListenerConfig{Source: a.source(t, sa("reviews").String(), nil)})
	good := sa("web").String()
	deep := []*authority{a}
	for range 11 {
		deep = append(deep, deep[len(deep)-1].intermediate(t, nil))
	}
	certs := map[string]tls.Certificate{
		"chain of 12": chained(t, good, deep...),
		"chain of 100 KiB": func() tls.Certificate {
			cert := a.leaf(t, good, nil)
			big := other.leaf(t, good, func(c *x509.Certificate) { c.DNSNames = []string{strings.Repeat("a", 25<<10)} })
			for range 4 {
				cert.Certificate = append(cert.Certificate, big.Certificate[0])
			}
			return cert
		}(),
		"200 certificates that could have signed it": func() tls.Certificate {
			cert := other.leaf(t, good, nil)
			for range 200 {
				cert.Certificate = append(cert.Certificate, newAuthority(t).cert.Raw)
			}
			return cert
		}(),
		"a name that its authority may not give": chained(t, good, a, a.intermediate(t, func(c *x509.Certificate) {
			c.PermittedURIDomains = []string{"other.test"}
		})),
		"an RSA key of 1024 bits": rsaLeaf(t, a, good, 1024),
		"no use": a.leaf(t, good, func(c *x509.Certificate) {
			c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageCodeSigning}
		}),
		"for servers only": a.leaf(t, good, func(c *x509.Certificate) {
			c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
		}),
	}
	for name, cert := range wrongCertificates(t, a, other) {
		if name != "longer account" { // it is a right one, of another
			certs[name] = cert
		}
	}
	for name, cert := range certs {
		t.Run(name, func(t *testing.T) {
			best := time.Hour
			for try := 0; try == 0 || best > mostWork && try < 20; try++ { // others use the processor too
				begin := time.Now()
				if err := g.verdict(t, cert); err == nil {
					t.Fatal("let in")
				}
				best = min(best, time.Since(begin))
			}
			if best > mostWork {
				t.Errorf("the handshake took %v, want at most %v", best, mostWork)
			}
		})
	}
}

func rsaLeaf(t testing.TB, a *authority, uri string, bits int) tls.Certificate {
	t.Helper()
	t.Setenv("GODEBUG", "rsa1024min=0")
	key, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		URIs: []*url.URL{mustURL(t, uri)}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, key.Public(), a.key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// TestScenarioT10_keyUsages: a leaf's extended key usage is optional in SPIFFE; where it is
// there it must include the use at hand, on both sides.
func TestScenarioT10_keyUsages(t *testing.T) {
	a := newAuthority(t)
	good := sa("peer").String()
	g := newGatekeeper(t, mtls.ListenerConfig{Source: a.source(t, sa("reviews").String(), nil)})
	cfg := mtls.Client(a.source(t, sa("web").String(), nil), sa("peer"))
	const forClients, forServers = x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth
	for _, tc := range []struct {
		name             string
		uses             []x509.ExtKeyUsage
		asClient, asHost bool
	}{
		{"none named", nil, true, true},
		{"both", []x509.ExtKeyUsage{forClients, forServers}, true, true},
		{"clients only", []x509.ExtKeyUsage{forClients}, true, false},
		{"servers only", []x509.ExtKeyUsage{forServers}, false, true},
		{"any", []x509.ExtKeyUsage{x509.ExtKeyUsageAny}, true, true},
		{"another", []x509.ExtKeyUsage{x509.ExtKeyUsageCodeSigning}, false, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			cert := a.leaf(t, good, func(c *x509.Certificate) { c.ExtKeyUsage = tc.uses })
			if err := g.verdict(t, cert); (err == nil) != tc.asClient {
				t.Errorf("as a client: got %v, want it let in: %t", err, tc.asClient)
			}
			if err := meet(t, cfg, cert); (err == nil) != tc.asHost {
				t.Errorf("as a server: got %v, want it accepted: %t", err, tc.asHost)
			}
		})
	}
}

// SHA-1 signatures cannot be made with crypto/x509 any more, so that a certificate is signed
// by hand.
func TestScenarioT10_sha1Signature(t *testing.T) {
	a := newAuthority(t)
	g := newGatekeeper(t, mtls.ListenerConfig{Source: a.source(t, sa("reviews").String(), nil)})
	if err := g.verdict(t, sha1Signed(t, a, a.leaf(t, sa("web").String(), nil))); err == nil || !strings.Contains(err.Error(), "insecure algorithm ECDSA-SHA1") {
		t.Errorf("refused for %v", err)
	}
}

// sha1Signed is a certificate signed anew with ECDSA and SHA-1.
func sha1Signed(t testing.TB, a *authority, cert tls.Certificate) tls.Certificate {
	t.Helper()
	var parts struct {
		TBS       asn1.RawValue
		Algorithm pkix.AlgorithmIdentifier
		Signature asn1.BitString
	}
	if _, err := asn1.Unmarshal(cert.Certificate[0], &parts); err != nil {
		t.Fatal(err)
	}
	sha256OID, sha1OID := []byte{0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2}, asn1.ObjectIdentifier{1, 2, 840, 10045, 4, 1}
	// Within what is signed the algorithm stands too, one byte longer than SHA-1's.
	tbs := string(parts.TBS.FullBytes)
	at := strings.Index(tbs, string(sha256OID))
	if at < 0 {
		t.Fatal("no algorithm in the certificate")
	}
	short := tbs[:at-4] + "\x30\x09\x06\x07" + string([]byte{0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 1}) + tbs[at+len(sha256OID):]
	body := []byte(short)
	n := (int(body[2])<<8 | int(body[3])) - 1
	body[2], body[3] = byte(n>>8), byte(n)
	digest := sha1.Sum(body)
	sig, err := ecdsa.SignASN1(rand.Reader, a.key, digest[:])
	if err != nil {
		t.Fatal(err)
	}
	parts.TBS = asn1.RawValue{FullBytes: body}
	parts.Algorithm = pkix.AlgorithmIdentifier{Algorithm: sha1OID}
	parts.Signature = asn1.BitString{Bytes: sig, BitLength: 8 * len(sig)}
	der, err := asn1.Marshal(parts)
	if err != nil {
		t.Fatal(err)
	}
	if c, err := x509.ParseCertificate(der); err != nil || c.SignatureAlgorithm != x509.ECDSAWithSHA1 {
		t.Fatalf("the certificate: %v, %v", c, err)
	}
	cert.Certificate = [][]byte{der}
	cert.Leaf = nil
	return cert
}
