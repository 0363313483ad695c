// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package mesh

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"

	"github.com/enmesh-go/enmesh/balance"
	"github.com/enmesh-go/enmesh/policy"
	"github.com/enmesh-go/enmesh/security"
	"github.com/enmesh-go/enmesh/security/mtls"
)

// dialer decides how each endpoint is dialled.
type dialer struct {
	certificates security.Source // nil: no identity
	clients      *mtls.Clients
	outside      *originators
}

func newDialer(src security.Source, log *slog.Logger) *dialer {
	d := &dialer{certificates: src, outside: newOriginators(log)}
	if src != nil {
		d.clients = mtls.NewClients(src)
	}
	return d
}

// errNoCertificates refuses TLS that policy demands of a process without identity.
var errNoCertificates = errors.New("mesh: a DestinationRule asks for mutual TLS, and this process has no certificates; " +
	"open the mesh with mesh.WithCertificates, or set the rule's tls mode to DISABLE")

// config is the TLS configuration for an endpoint; nil is plaintext. The
// subjectAltNames of the DestinationRule go before the endpoint's own account. lenient
// makes automatic mutual TLS Istio's: in plaintext to an endpoint that has no identity.
func (d *dialer) config(e *balance.Endpoint, t policy.TLS, lenient bool) *tls.Config {
	switch {
	case t.Mode == policy.TLSDisable:
		return nil
	case t.Mode == policy.TLSSimple, t.Mode == policy.TLSMutual:
		return d.outside.config(hostOf(e.Cluster().Config().Destination.Service), t)
	case d.certificates == nil && t.Mode == policy.TLSAuto:
		return nil
	case d.certificates == nil:
		return refuse(errNoCertificates)
	}
	ids, err := d.expected(e, t.SubjectAltNames.List())
	switch {
	case err != nil:
		return refuse(err)
	case len(ids) == 0 && lenient && t.Mode == policy.TLSAuto:
		return nil
	}
	return d.clients.For(ids...)
}

// expected is who may answer at an endpoint. None: nobody knows, and the dial is
// refused.
func (d *dialer) expected(e *balance.Endpoint, names []string) ([]security.ID, error) {
	var ids []security.ID
	for _, name := range names {
		id, err := security.ParseID(name)
		if err != nil {
			return nil, fmt.Errorf("mesh: subjectAltNames: %w", err)
		}
		ids = append(ids, id)
	}
	info := e.Info()
	if len(ids) > 0 || info.ServiceAccount == "" {
		return ids, nil
	}
	own, err := d.certificates.Identity()
	if err != nil {
		return nil, err
	}
	id, err := security.IDFor(own.ID().TrustDomain(), info.Namespace, info.ServiceAccount)
	if err != nil {
		return nil, err
	}
	return []security.ID{id}, nil
}

// refuse is a configuration whose every handshake fails with err, before anything
// of ours is sent.
func refuse(err error) *tls.Config {
	return &tls.Config{
		MinVersion:         tls.VersionTLS13,
		InsecureSkipVerify: true, //nolint:gosec // nothing is accepted: VerifyConnection refuses
		VerifyConnection:   func(tls.ConnectionState) error { return err },
	}
}
