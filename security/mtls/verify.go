// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package mtls

import (
	"crypto/x509"
	"errors"
	"fmt"
	"time"

	"github.com/enmesh-go/enmesh/security"
)

// Why a handshake is refused, beside the reasons of package security.
var (
	// ErrUnexpectedPeer: the peer proved who it is, and it is not who was meant.
	ErrUnexpectedPeer = errors.New("mtls: unexpected peer")
	// ErrNoExpectation: nobody said who the server should be, so that none can be
	// the right one.
	ErrNoExpectation = errors.New("mtls: the server's identity is not known beforehand, so the connection is refused; " +
		"give its service account, or subjectAltNames in the DestinationRule")
	// ErrNoIdentity: the process has no certificate of its own that is good now.
	ErrNoIdentity = errors.New("mtls: no certificate of our own")
)

// present is the source's identity, if it can be used now.
func present(src security.Source, now time.Time) (*security.Identity, error) {
	if src == nil {
		return nil, ErrNoIdentity
	}
	own, err := src.Identity()
	switch {
	case err != nil:
		return nil, fmt.Errorf("%w: %w", ErrNoIdentity, err)
	case own == nil:
		return nil, ErrNoIdentity
	case now.After(own.NotAfter()):
		return nil, fmt.Errorf("%w: that of %s ended at %s", ErrNoIdentity, own.ID(), own.NotAfter().UTC().Format(time.RFC3339))
	}
	return own, nil
}

// peer verifies the connection's other side against own's roots, asks whether it was
// revoked, and compares its name; a nil want takes every verified name.
func (s *settings) peer(own *security.Identity, chain []*x509.Certificate, use x509.ExtKeyUsage, want security.Matcher) error {
	now := s.now()
	id, chains, err := own.VerifyChains(chain, now, use)
	if err != nil {
		return fmt.Errorf("mtls: %w", err)
	}
	if s.crl != nil {
		if err := s.crl.CheckAt(chains, now); err != nil {
			return fmt.Errorf("mtls: %s: %w", id, err)
		}
	}
	if want == nil || want.MatchID(id) {
		return nil
	}
	if s, ok := want.(fmt.Stringer); ok {
		return fmt.Errorf("%w: it is %s, wanted is %s", ErrUnexpectedPeer, id, s)
	}
	return fmt.Errorf("%w: it is %s", ErrUnexpectedPeer, id)
}
