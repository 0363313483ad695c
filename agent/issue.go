// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"
	"errors"
	"fmt"

	"github.com/enmesh-go/enmesh/security"
	"github.com/enmesh-go/enmesh/security/ca"
	"github.com/enmesh-go/enmesh/security/mtls"
)

// Issuer makes a source of certificates for an identity: the project's own authority
// ([FromAuthority]), files that somebody else renews ([FromFiles]), Consul Connect's authority
// (security/ca/connect), SPIFFE's Workload API (security/spiffe). It may block until ctx ends,
// which it does after 30 s; the source lives on. A source that is an io.Closer is closed when
// it is not needed any more; one that has a method Err() error says by it why there is nothing
// newer.
//
// The source is asked about once a second. When it has nothing newer at half the life of its
// certificate, the Issuer is asked for another source.
type Issuer func(ctx context.Context, id security.ID) (security.Source, error)

// Issue is a certificate to keep fresh in a directory, for gRPC's file_watcher: [CertFile],
// [KeyFile] (mode 0600, PKCS#8) and [CAFile], which change together.
type Issue struct {
	// Dir is made, with mode 0700, if it is missing. It is that of one identity only. For a
	// workload of another user it is made before, with a group of that user and mode 2750: the
	// group then reads the key, too (mode 0640).
	Dir string
	// Identity is whom the certificate is for; another that the Issuer gives is refused. The
	// zero ID is whoever the Issuer says.
	Identity security.ID
	// From is asked for certificates.
	From Issuer
}

// The names of the files in the directory of an [Issue].
const (
	CertFile = ca.CertFile
	KeyFile  = ca.KeyFile
	CAFile   = ca.CAFile
)

func (i Issue) check() error {
	switch {
	case i.Dir == "":
		return errors.New("the Dir is empty")
	case i.From == nil:
		return fmt.Errorf("%s: there is no Issuer to get certificates From", i.Dir)
	}
	return nil
}

// FromAuthority issues by an authority of this process.
func FromAuthority(d *ca.Development) Issuer {
	return func(_ context.Context, id security.ID) (security.Source, error) {
		return d.Source(id.Namespace(), id.ServiceAccount())
	}
}

// FromFiles issues what somebody else keeps fresh in files.
func FromFiles(cfg mtls.FilesConfig) Issuer {
	return func(context.Context, security.ID) (security.Source, error) { return mtls.NewFiles(cfg) }
}

// FromSource issues what a source of the program's own has. It is not closed.
func FromSource(src security.Source) Issuer {
	return func(context.Context, security.ID) (security.Source, error) { return lent{src}, nil }
}

// lent is a source that is somebody else's to close.
type lent struct{ src security.Source }

func (l lent) Identity() (*security.Identity, error) { return l.src.Identity() }

func (l lent) Err() error { return tellOf(l.src) }

// tellOf is why a source has nothing newer, where it says.
func tellOf(src security.Source) error {
	if teller, ok := src.(interface{ Err() error }); ok {
		return teller.Err()
	}
	return nil
}
