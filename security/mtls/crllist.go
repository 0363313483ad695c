// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package mtls

import (
	"bytes"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"fmt"
	"sync/atomic"
	"time"
)

// Why a list says nothing about a certificate.
var (
	errNoList   = errors.New("there is no list of its")
	errEarly    = errors.New("its list is not in force yet")
	errLate     = errors.New("its list has ended")
	errUnsigned = errors.New("its list is signed by another")
)

// list is one revocation list.
type list struct {
	signed  *x509.RevocationList // without its entries
	serials map[string]struct{}
	signer  atomic.Pointer[x509.Certificate] // the issuer whose signature was found good
}

// newList parses a list and refuses those whose meaning depends on what is not read here.
func newList(der []byte) (*list, error) {
	signed, err := x509.ParseRevocationList(der)
	if err != nil {
		return nil, fmt.Errorf("revocation list: %w", err)
	}
	for _, e := range signed.Extensions {
		if e.Critical || e.Id.Equal(deltaIndicator) || e.Id.Equal(distributionPoint) {
			return nil, fmt.Errorf("revocation list: it has the extension %v, which is not supported", e.Id)
		}
	}
	if signed.NextUpdate.IsZero() {
		return nil, errors.New("revocation list: it does not say when it ends")
	}
	l := &list{signed: signed, serials: make(map[string]struct{}, len(signed.RevokedCertificateEntries))}
	for _, e := range signed.RevokedCertificateEntries {
		for _, x := range e.Extensions {
			if x.Critical {
				return nil, fmt.Errorf("revocation list: an entry has the critical extension %v, which is not supported", x.Id)
			}
		}
		l.serials[string(e.SerialNumber.Bytes())] = struct{}{}
	}
	signed.RevokedCertificateEntries = nil
	return l, nil
}

// The extensions that make a list partial (RFC 5280, sections 5.2.4 and 5.2.5).
var (
	deltaIndicator    = asn1.ObjectIdentifier{2, 5, 29, 27}
	distributionPoint = asn1.ObjectIdentifier{2, 5, 29, 28}
)

// usable says why the list does not count for certificates of issuer at a time.
func (l *list) usable(issuer *x509.Certificate, now time.Time) error {
	switch {
	case now.Before(l.signed.ThisUpdate):
		return errEarly
	case now.After(l.signed.NextUpdate):
		return errLate
	}
	if known := l.signer.Load(); known != nil && bytes.Equal(known.Raw, issuer.Raw) {
		return nil
	}
	if err := l.signed.CheckSignatureFrom(issuer); err != nil {
		return fmt.Errorf("%w: %w", errUnsigned, err)
	}
	l.signer.Store(issuer)
	return nil
}
