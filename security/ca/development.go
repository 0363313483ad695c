// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package ca

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"sync"
	"time"

	"github.com/enmesh-go/enmesh/security"
)

// Development is a certificate authority for one trust domain, never for
// production. Its root keys are made in memory, are not written but by [OpenKept],
// and are not shown in any form of printing. It is safe for concurrent use.
type Development struct {
	trustDomain string
	cfg         Config

	mu     sync.Mutex // guards what follows; nothing is called out to under it
	active *root
	next   *root   // trusted, does not sign yet; nil when none is on its way
	old    []*root // trusted until they retire
	bundle *bundle // of the roots above; replaced, never written
}

// bundle is the set of roots that are trusted. Its address tells one from another.
type bundle struct{ certs []*x509.Certificate }

// NewDevelopment makes an authority with a fresh root. It is an error when
// trustDomain is not the name of one, or cfg makes no sense.
func NewDevelopment(trustDomain string, cfg Config) (*Development, error) {
	if err := cfg.complete(); err != nil {
		return nil, err
	}
	if _, err := security.IDFor(trustDomain, "default", "default"); err != nil {
		return nil, fmt.Errorf("ca: %w", err)
	}
	first, err := newRoot(trustDomain, cfg.Now(), cfg.RootTTL)
	if err != nil {
		return nil, err
	}
	d := &Development{trustDomain: trustDomain, cfg: cfg, active: first}
	d.rebundle()
	return d, nil
}

// TrustDomain is the domain the authority names workloads in.
func (d *Development) TrustDomain() string { return d.trustDomain }

// Roots are the root certificates that are trusted now, the signing one first.
func (d *Development) Roots() []*x509.Certificate {
	_, b := d.present(d.cfg.Now())
	return slices.Clone(b.certs)
}

// Issue makes a new key and certificate for id, which must be of the authority's
// trust domain. The identity does not renew itself; see [Development.Source].
func (d *Development) Issue(id security.ID) (*security.Identity, error) {
	identity, _, err := d.issue(id, d.cfg.Now())
	return identity, err
}

// issue is Issue, and tells which bundle the identity has.
func (d *Development) issue(id security.ID, now time.Time) (*security.Identity, *bundle, error) {
	if id.TrustDomain() != d.trustDomain {
		return nil, nil, fmt.Errorf("ca: %q is not of trust domain %q", id, d.trustDomain)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, fmt.Errorf("ca: key of %s: %w", id, err)
	}
	signer, trusted := d.present(now)
	if !now.Before(signer.cert.NotAfter) {
		return nil, nil, errors.New("ca: the root has ended; call RotateRoot")
	}
	uri := &url.URL{Scheme: "spiffe", Host: id.TrustDomain(), Path: id.Path()}
	der, err := signer.sign(uri, key, now, d.cfg.TTL)
	if err != nil {
		return nil, nil, err
	}
	identity, err := d.identity(tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, trusted)
	return identity, trusted, err
}

// identity joins a certificate and a bundle.
func (d *Development) identity(cert tls.Certificate, b *bundle) (*security.Identity, error) {
	return security.NewIdentity(cert, map[string][]*x509.Certificate{d.trustDomain: b.certs})
}

// RotateRoot makes a new root. It is trusted at once, begins to sign after
// Config.Lead, and from then on the old one is trusted for another Config.Overlap.
// Sources follow by themselves. While a new root is on its way already, RotateRoot
// does nothing.
func (d *Development) RotateRoot() error {
	now := d.cfg.Now()
	fresh, err := newRoot(d.trustDomain, now, d.cfg.RootTTL)
	if err != nil {
		return err
	}
	fresh.signs = now.Add(d.cfg.Lead)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.advance(now)
	if d.next == nil {
		d.next = fresh
		d.rebundle()
	}
	return nil
}

// present is the signing root and the bundle at a time.
func (d *Development) present(now time.Time) (*root, *bundle) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.advance(now)
	return d.active, d.bundle
}

// advance lets the next root sign and drops old ones, when their time has come.
// d.mu is held.
func (d *Development) advance(now time.Time) {
	changed := false
	if d.next != nil && !now.Before(d.next.signs) {
		d.active.retired = d.next.signs.Add(d.cfg.Overlap)
		d.old = append(d.old, d.active)
		d.active, d.next = d.next, nil
		changed = true
	}
	before := len(d.old)
	d.old = slices.DeleteFunc(d.old, func(r *root) bool { return !now.Before(r.retired) })
	if changed || len(d.old) != before {
		d.rebundle()
	}
}

// rebundle builds the bundle of the present roots. d.mu is held, or d is new.
func (d *Development) rebundle() {
	certs := []*x509.Certificate{d.active.cert}
	if d.next != nil {
		certs = append(certs, d.next.cert)
	}
	for _, r := range d.old {
		certs = append(certs, r.cert)
	}
	d.bundle = &bundle{certs}
}

// Format names the authority, whatever the verb; it never shows a key.
func (d *Development) Format(f fmt.State, _ rune) {
	_, _ = fmt.Fprintf(f, "development authority of %s", d.trustDomain)
}
