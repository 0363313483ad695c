// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package tlslive

import (
	"crypto/tls"
	"time"
)

// Oldest is how long a connection is used at most, unless policy says less.
const Oldest = 40 * time.Minute

// Use is how long a connection over TLS should be used from now on, so that its calls
// finish before a certificate of it ends: four fifths of what is left, and at most
// [Oldest], less up to two fifths of that by random in [0,1). Connections that began at
// once, as those of a burst do, end far from each other: their handshakes cost more than
// their calls, and all together would be a burst again. Certificates with no end give the
// most. It is above 0.
func Use(now time.Time, random float64, ends ...time.Time) time.Duration {
	use := Oldest
	for _, end := range ends {
		if !end.IsZero() {
			use = min(use, end.Sub(now)*4/5)
		}
	}
	return max(time.Duration(float64(use)*(1-0.4*random)), 1)
}

// Ends is when the certificates of a client's connection end: its own, as cfg gives it to
// servers, and the server's. Where one is not known it is zero.
func Ends(cfg *tls.Config, state *tls.ConnectionState) (own, peer time.Time) {
	if len(state.PeerCertificates) > 0 {
		peer = state.PeerCertificates[0].NotAfter
	}
	if cfg.GetClientCertificate == nil {
		return own, peer
	}
	cert, err := cfg.GetClientCertificate(new(tls.CertificateRequestInfo))
	if err == nil && cert != nil && cert.Leaf != nil {
		own = cert.Leaf.NotAfter
	}
	return own, peer
}
