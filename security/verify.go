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
	maxChain      = 10
	maxChainBytes = 64 << 10
	minRSABit     = 2048
	maxRSABit     = 8192
)

// Verify checks a peer's chain, leaf first, at a time and for a use, and answers
// with the peer's ID. The roots are those of the peer's own trust domain: a root
// of one domain never vouches for a name in another. Errors wrap [ErrNoPeer],
// [ErrInvalidSVID] or [ErrUntrusted]. A chain of over 10 certificates or 64 KiB, an RSA
// key under 2048 bits or over 8192 and signatures by SHA-1 or MD5 are refused.
//
// A leaf that may sign certificates or revocation lists, or is an authority, is no workload's
// ([CertificateID]). Its extended key usage is optional, as SPIFFE has it; where it is there
// it must include the use.
//
// Signatures are checked once for a chain; while the Identity is in use the same chain
// is then known, and only dates are compared.
//
// Source: SPIFFE X509-SVID, sections 4.4 and 5.
func (i *Identity) Verify(chain []*x509.Certificate, now time.Time, use x509.ExtKeyUsage) (ID, error) {
	id, _, err := i.VerifyChains(chain, now, use)
	return id, err
}

// VerifyChains is [Identity.Verify] that answers also with the ways in which the leaf
// leads to a root, each leaf first and root last, for whoever looks for revocations. They
// are not to be written.
func (i *Identity) VerifyChains(chain []*x509.Certificate, now time.Time, use x509.ExtKeyUsage) (ID, [][]*x509.Certificate, error) {
	if err := bounded(chain); err != nil {
		return ID{}, nil, err
	}
	id, err := CertificateID(chain[0])
	if err != nil {
		return ID{}, nil, err
	}
	roots := i.pools[id.TrustDomain()]
	if roots == nil {
		return ID{}, nil, fmt.Errorf("%w: %s: no roots for its trust domain", ErrUntrusted, id)
	}
	ways, err := i.known.Verify(chain, x509.VerifyOptions{Roots: roots, CurrentTime: now, KeyUsages: []x509.ExtKeyUsage{use}})
	if err != nil {
		return ID{}, nil, fmt.Errorf("%w: %s: %w", ErrUntrusted, id, err)
	}
	return id, ways, nil
}

// bounded refuses what is not worth the work of looking into it.
func bounded(chain []*x509.Certificate) error {
	switch {
	case len(chain) == 0:
		return ErrNoPeer
	case len(chain) > maxChain:
		return fmt.Errorf("%w: the chain has %d certificates, at most %d are allowed", ErrUntrusted, len(chain), maxChain)
	}
	size := 0
	for _, c := range chain {
		size += len(c.Raw)
		if key, ok := c.PublicKey.(*rsa.PublicKey); ok && (key.N.BitLen() < minRSABit || key.N.BitLen() > maxRSABit) {
			return fmt.Errorf("%w: an RSA key in its chain has %d bits, %d to %d are allowed",
				ErrUntrusted, key.N.BitLen(), minRSABit, maxRSABit)
		}
	}
	if size > maxChainBytes {
		return fmt.Errorf("%w: the chain has %d bytes, at most %d are allowed", ErrUntrusted, size, maxChainBytes)
	}
	return nil
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
