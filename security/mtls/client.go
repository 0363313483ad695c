// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package mtls

import (
	"crypto/tls"
	"crypto/x509"

	"github.com/enmesh-go/enmesh/security"
)

// Client makes the configuration of a client that shows src's certificate and
// talks to a server that expect matches: an ID, [security.AnyOf] several, or
// [security.InTrustDomain]. A nil expect, or the zero ID, means that nobody knows
// who the server should be: each handshake then fails with [ErrNoExpectation].
//
// The server is known by its SPIFFE ID alone; host names play no part, and
// ServerName is only sent. The check is made in VerifyConnection, on resumed
// sessions too. Both sides' certificates and roots are read from src at each
// handshake. Sessions are not resumed unless the caller sets a
// ClientSessionCache.
//
// The configuration may be cloned; InsecureSkipVerify must stay true and
// VerifyConnection as it is. Asked for often, use [Clients], which keeps them.
func Client(src security.Source, expect security.Matcher, opts ...ClientOption) *tls.Config {
	s := defaults()
	for _, o := range opts {
		o.client(&s)
	}
	known := expect != nil && expect != security.Matcher(security.ID{})
	return &tls.Config{
		MinVersion:   s.minVersion,
		CipherSuites: s.suites(),
		NextProtos:   s.protocols,
		Time:         s.now,
		// The standard check wants a host name, which an SVID does not have.
		// VerifyConnection verifies chain, dates and name instead, and cannot be
		// passed by.
		InsecureSkipVerify: true, //nolint:gosec // replaced by VerifyConnection below
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			own, err := present(src, s.now())
			if err != nil {
				return nil, err
			}
			return own.Certificate(), nil
		},
		VerifyConnection: func(cs tls.ConnectionState) error {
			if !known {
				return ErrNoExpectation
			}
			own, err := present(src, s.now())
			if err != nil {
				return err
			}
			return s.peer(own, cs.PeerCertificates, x509.ExtKeyUsageServerAuth, expect)
		},
	}
}
