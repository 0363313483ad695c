// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package security

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
)

// What can be wrong with a peer's certificate. Errors of this package and of
// mtls wrap them.
var (
	// ErrNoPeer: there is no TLS, the handshake is not over, or the peer showed
	// no certificate.
	ErrNoPeer = errors.New("security: peer has no certificate")
	// ErrUnverified: the certificate was not checked against any root.
	ErrUnverified = errors.New("security: peer certificate was not verified")
	// ErrInvalidSVID: the certificate is not the X.509 SVID of a workload.
	ErrInvalidSVID = errors.New("security: certificate is not a valid SVID")
	// ErrUntrusted: no root of the peer's own trust domain vouches for it now.
	ErrUntrusted = errors.New("security: peer is not trusted")
)

// PeerID is who the client of a server's connection is. It takes the state of
// http.Request.TLS, or of grpc's credentials.TLSInfo.State.
//
// It reads exactly one URI SAN, and nothing else: not the common name, not a DNS
// name, not a header. It answers only for a certificate that the TLS stack has
// verified (VerifiedChains is set), so a server that asks for client
// certificates without checking them yields [ErrUnverified], not a name. The
// other errors are [ErrNoPeer] and [ErrInvalidSVID].
//
// On the client's side of mtls.Client the chain is verified by SPIFFE's rules
// instead and VerifiedChains stays empty: use [CertificateID] on the first of
// PeerCertificates there.
func PeerID(cs *tls.ConnectionState) (ID, error) {
	switch {
	case cs == nil, !cs.HandshakeComplete, len(cs.PeerCertificates) == 0:
		return ID{}, ErrNoPeer
	case len(cs.VerifiedChains) == 0:
		return ID{}, ErrUnverified
	}
	return CertificateID(cs.PeerCertificates[0])
}

// CertificateID is the ID that a leaf certificate claims. It does not verify the
// claim. Errors wrap [ErrInvalidSVID].
//
// Source: SPIFFE X509-SVID, sections 2 and 4: exactly one URI SAN, which is a
// SPIFFE ID with a path; CA is false; the key signs neither certificates nor revocation lists.
//
// The name is taken as it stands in the certificate, to the byte: what reading it as a URL
// would put right, such as a scheme in capitals or an empty fragment, is refused.
func CertificateID(leaf *x509.Certificate) (ID, error) {
	names, err := uriNames(leaf)
	switch {
	case err != nil:
		return ID{}, fmt.Errorf("%w: %w", ErrInvalidSVID, err)
	case len(names) != 1:
		return ID{}, fmt.Errorf("%w: it has %d URI names, exactly 1 is required", ErrInvalidSVID, len(names))
	case leaf.IsCA:
		return ID{}, fmt.Errorf("%w: it is a certificate authority", ErrInvalidSVID)
	case leaf.KeyUsage&(x509.KeyUsageCertSign|x509.KeyUsageCRLSign) != 0:
		return ID{}, fmt.Errorf("%w: its key may sign certificates or revocation lists", ErrInvalidSVID)
	}
	id, err := ParseID(names[0])
	if err != nil {
		return ID{}, fmt.Errorf("%w: %w", ErrInvalidSVID, err)
	}
	return id, nil
}
