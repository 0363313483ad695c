// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package ca

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"net/url"
	"time"
)

// skew is how far before the present a certificate begins, for clocks that are
// behind.
const skew = 30 * time.Second

// root is one signing certificate with its key.
type root struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	// signs is when it begins to sign, for one that is on its way; retired is when
	// it stops being trusted, for one that signs no more.
	signs, retired time.Time
}

// newRoot makes a P-256 root for a trust domain.
func newRoot(trustDomain string, now time.Time, ttl time.Duration) (*root, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("ca: root key: %w", err)
	}
	template := &x509.Certificate{
		Subject: pkix.Name{
			Organization: []string{"enmesh development, not for production"},
			CommonName:   "development root of " + trustDomain,
		},
		URIs:                  []*url.URL{{Scheme: "spiffe", Host: trustDomain}},
		NotBefore:             now.Add(-skew),
		NotAfter:              now.Add(ttl),
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		BasicConstraintsValid: true,
		IsCA:                  true,
		MaxPathLenZero:        true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, fmt.Errorf("ca: root certificate: %w", err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("ca: root certificate: %w", err)
	}
	return &root{cert: cert, key: key}, nil
}

// sign makes a leaf for a workload's URI.
func (r *root) sign(uri *url.URL, key *ecdsa.PrivateKey, now time.Time, ttl time.Duration) ([]byte, error) {
	end := now.Add(ttl)
	if end.After(r.cert.NotAfter) {
		end = r.cert.NotAfter
	}
	template := &x509.Certificate{
		URIs:                  []*url.URL{uri},
		NotBefore:             now.Add(-skew),
		NotAfter:              end,
		KeyUsage:              x509.KeyUsageDigitalSignature,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, r.cert, key.Public(), r.key)
	if err != nil {
		return nil, fmt.Errorf("ca: certificate of %s: %w", uri, err)
	}
	return der, nil
}
