// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/enmesh-go/enmesh/security"
)

// Issuer makes a source of certificates for an identity: the project's own authority
// (security/ca), files that somebody else renews (security/mtls), Consul Connect's authority
// (security/ca/connect), SPIFFE's Workload API (security/spiffe). It may block until ctx ends,
// which it does after 30 s. A source that is an io.Closer is closed when it is not needed any
// more; one that has a method Err() error says by it why there is nothing newer.
type Issuer func(ctx context.Context, id security.ID) (security.Source, error)

// Issue is a certificate to keep fresh in a directory: cert.pem, key.pem (mode 0600, PKCS#8)
// and ca.pem, which change together.
type Issue struct {
	// Dir is made, with mode 0700, if it is missing. It is that of one identity only.
	Dir string
	// Identity is whom the certificate is for. The zero ID is whoever the Issuer says.
	Identity security.ID
	// From is asked for certificates.
	From Issuer
}

func (i Issue) check() error {
	switch {
	case i.Dir == "":
		return errors.New("the Dir is empty")
	case i.From == nil:
		return fmt.Errorf("%s: there is no Issuer to get certificates From", i.Dir)
	}
	return nil
}

// issuer keeps one Issue fresh.
type issuer struct {
	Issue
	log *slog.Logger
}

func newIssuer(i Issue, log *slog.Logger) (*issuer, error) { return &issuer{i, log}, nil }

func (i *issuer) run(context.Context) {}

func (i *issuer) report() CertificateStatus {
	return CertificateStatus{Dir: i.Dir, Identity: i.Identity}
}
