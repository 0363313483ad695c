// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package security

import (
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/enmesh-go/enmesh/internal/tlslive"
)

// Source gives the present identity of this process. It is asked at every
// handshake, so a source that renews its certificate needs to do nothing more
// than to answer with the new one. It must be quick and safe for concurrent use,
// and says why when there is none.
type Source interface {
	Identity() (*Identity, error)
}

// Identity is who a process is and whom it believes: a certificate with its key,
// and the roots of each trust domain it knows. It is immutable. Printed in any
// way it shows its ID and its end, never its key.
type Identity struct {
	id    ID
	cert  tls.Certificate
	pools map[string]*x509.CertPool // by trust domain
	union *x509.CertPool
	roots []*x509.Certificate // of all trust domains
	known *tlslive.Verdicts   // of chains that pools vouch for
}

// NewIdentity makes an Identity of a certificate, leaf first, with its key, and of
// the root certificates of each trust domain. Errors wrap [ErrInvalidSVID] when
// the leaf is not an SVID; it is an error too when the key is not the leaf's,
// when there are no roots for the leaf's own trust domain, or when a root is
// not a certificate authority. Dates are not looked at: see [Identity.Check].
func NewIdentity(cert tls.Certificate, roots map[string][]*x509.Certificate) (*Identity, error) {
	if len(cert.Certificate) == 0 {
		return nil, errors.New("security: identity has no certificate")
	}
	leaf, err := x509.ParseCertificate(cert.Certificate[0])
	if err != nil {
		return nil, fmt.Errorf("security: identity's certificate: %w", err)
	}
	id, err := CertificateID(leaf)
	if err != nil {
		return nil, err
	}
	if err := checkPair(leaf, cert.PrivateKey); err != nil {
		return nil, fmt.Errorf("%w of %s", err, id)
	}
	cert.Leaf = leaf
	i := &Identity{id: id, cert: cert, pools: make(map[string]*x509.CertPool, len(roots)), union: x509.NewCertPool(), known: new(tlslive.Verdicts)}
	for _, td := range slices.Sorted(maps.Keys(roots)) {
		if err := i.trust(td, roots[td]); err != nil {
			return nil, err
		}
	}
	if i.pools[id.TrustDomain()] == nil {
		return nil, fmt.Errorf("security: no root certificates for trust domain %q of %s", id.TrustDomain(), id)
	}
	return i, nil
}

// trust adds the roots of one trust domain.
func (i *Identity) trust(trustDomain string, certs []*x509.Certificate) error {
	if len(certs) == 0 {
		return nil
	}
	pool := x509.NewCertPool()
	for _, c := range certs {
		if !c.BasicConstraintsValid || !c.IsCA {
			return fmt.Errorf("security: root %q of trust domain %q is not a certificate authority", c.Subject, trustDomain)
		}
		pool.AddCert(c)
		i.union.AddCert(c)
		i.roots = append(i.roots, c)
	}
	i.pools[trustDomain] = pool
	return nil
}

// checkPair tells whether key is the private half of the leaf's key.
func checkPair(leaf *x509.Certificate, key crypto.PrivateKey) error {
	signer, ok := key.(crypto.Signer)
	if !ok {
		return errors.New("security: there is no private key that can sign, for the certificate")
	}
	public, ok := signer.Public().(interface{ Equal(crypto.PublicKey) bool })
	if !ok || !public.Equal(leaf.PublicKey) {
		return errors.New("security: the private key is not that of the certificate")
	}
	return nil
}

// ID is the name in the certificate.
func (i *Identity) ID() ID { return i.id }

// Certificate is the certificate with its private key and its Leaf. It is not to
// be written.
func (i *Identity) Certificate() *tls.Certificate { return &i.cert }

// NotBefore is when the certificate begins.
func (i *Identity) NotBefore() time.Time { return i.cert.Leaf.NotBefore }

// NotAfter is when the certificate ends.
func (i *Identity) NotAfter() time.Time { return i.cert.Leaf.NotAfter }

// Roots are the roots that vouch for a trust domain, nil when none do. The pool is
// not to be written.
func (i *Identity) Roots(trustDomain string) *x509.CertPool { return i.pools[trustDomain] }

// AllRoots are the roots of all trust domains together. The pool is not to be
// written. A chain that leads to it is not yet verified: its root must be one of
// the peer's own trust domain, which [Identity.Verify] sees to.
func (i *Identity) AllRoots() *x509.CertPool { return i.union }

// RootCertificates are the certificates of AllRoots, by trust domain, for those who write
// them to files.
func (i *Identity) RootCertificates() []*x509.Certificate { return slices.Clone(i.roots) }

// Format writes the ID and the end of the certificate, whatever the verb.
func (i Identity) Format(f fmt.State, _ rune) {
	if i.cert.Leaf == nil {
		_, _ = fmt.Fprint(f, "no identity")
		return
	}
	_, _ = fmt.Fprintf(f, "%s until %s", i.id, i.cert.Leaf.NotAfter.Format(time.RFC3339))
}

// Fixed is a Source that always answers with i.
func Fixed(i *Identity) Source { return fixed{i} }

type fixed struct{ i *Identity }

func (f fixed) Identity() (*Identity, error) { return f.i, nil }
