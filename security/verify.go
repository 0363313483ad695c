// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package security

import (
	"crypto/rsa"
	"crypto/x509"
	"fmt"
	"time"
)

// Bounds on what a peer may show.
const (
	maxChain  = 10
	minRSABit = 2048
)

// Verify checks a peer's chain, leaf first, at a time and for a use, and answers
// with the peer's ID. The roots are those of the peer's own trust domain: a root
// of one domain never vouches for a name in another. Errors wrap [ErrNoPeer],
// [ErrInvalidSVID] or [ErrUntrusted]. A chain of over 10 certificates and an RSA
// key under 2048 bits are refused.
//
// Source: SPIFFE X509-SVID, section 5.
func (i *Identity) Verify(chain []*x509.Certificate, now time.Time, use x509.ExtKeyUsage) (ID, error) {
	switch {
	case len(chain) == 0:
		return ID{}, ErrNoPeer
	case len(chain) > maxChain:
		return ID{}, fmt.Errorf("%w: the chain has %d certificates, at most %d are allowed", ErrUntrusted, len(chain), maxChain)
	}
	id, err := CertificateID(chain[0])
	if err != nil {
		return ID{}, err
	}
	roots := i.pools[id.TrustDomain()]
	if roots == nil {
		return ID{}, fmt.Errorf("%w: %s: no roots for its trust domain", ErrUntrusted, id)
	}
	intermediates := x509.NewCertPool()
	for n, c := range chain {
		if key, ok := c.PublicKey.(*rsa.PublicKey); ok && key.N.BitLen() < minRSABit {
			return ID{}, fmt.Errorf("%w: %s: an RSA key in its chain has %d bits, at least %d are required",
				ErrUntrusted, id, key.N.BitLen(), minRSABit)
		}
		if n > 0 {
			intermediates.AddCert(c)
		}
	}
	_, err = chain[0].Verify(x509.VerifyOptions{
		Roots:         roots,
		Intermediates: intermediates,
		CurrentTime:   now,
		KeyUsages:     []x509.ExtKeyUsage{use},
	})
	if err != nil {
		return ID{}, fmt.Errorf("%w: %s: %w", ErrUntrusted, id, err)
	}
	return id, nil
}

// Check says why the identity cannot be used at a time, or nil: its certificate
// must be in its dates and lead to the roots of its own trust domain, else no
// peer that believes the same roots would accept it.
func (i *Identity) Check(now time.Time) error {
	chain := []*x509.Certificate{i.cert.Leaf}
	for _, der := range i.cert.Certificate[1:] {
		c, err := x509.ParseCertificate(der)
		if err != nil {
			return fmt.Errorf("security: intermediate certificate of %s: %w", i.id, err)
		}
		chain = append(chain, c)
	}
	if _, err := i.Verify(chain, now, x509.ExtKeyUsageAny); err != nil {
		return fmt.Errorf("security: own certificate cannot be used: %w", err)
	}
	return nil
}
