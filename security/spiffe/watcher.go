// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package spiffe

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"time"

	"github.com/spiffe/go-spiffe/v2/svid/x509svid"
	"github.com/spiffe/go-spiffe/v2/workloadapi"

	"github.com/enmesh-go/enmesh/security"
)

// watcher hears what the Workload API says in one watch.
type watcher struct {
	ctx     context.Context //nolint:containedctx // of the watch whose ear it is
	source  *Source
	overdue *time.Timer
}

// OnX509ContextUpdate takes an answer: identities and bundles.
func (w *watcher) OnX509ContextUpdate(x *workloadapi.X509Context) {
	own, err := w.source.identity(x)
	if err != nil {
		w.source.latest.Fail(err)
		return
	}
	if w.source.latest.Take(own) == nil {
		w.overdue.Reset(w.source.overdue())
	}
}

// OnX509ContextWatchError notes a failure; that the watch was ended is none.
func (w *watcher) OnX509ContextWatchError(err error) {
	if w.ctx.Err() == nil {
		w.source.latest.Fail(err)
	}
}

// identity makes an identity of an answer. Every bundle belongs to it: that of its own
// trust domain, and those that it is federated with.
func (s *Source) identity(x *workloadapi.X509Context) (*security.Identity, error) {
	svid, err := s.choose(x.SVIDs)
	if err != nil {
		return nil, err
	}
	cert := tls.Certificate{PrivateKey: svid.PrivateKey}
	for _, c := range svid.Certificates {
		cert.Certificate = append(cert.Certificate, c.Raw)
	}
	roots := make(map[string][]*x509.Certificate, x.Bundles.Len())
	for _, b := range x.Bundles.Bundles() {
		roots[b.TrustDomain().Name()] = b.X509Authorities()
	}
	return security.NewIdentity(cert, roots)
}

// choose finds the identity that the configuration asks for.
func (s *Source) choose(svids []*x509svid.SVID) (*x509svid.SVID, error) {
	for _, svid := range svids {
		wanted := s.cfg.ID.IsZero() || svid.ID.String() == s.cfg.ID.String()
		if wanted && (s.cfg.Hint == "" || svid.Hint == s.cfg.Hint) {
			return svid, nil
		}
	}
	return nil, fmt.Errorf("none of the %d identities has the ID %q and the hint %q", len(svids), s.cfg.ID, s.cfg.Hint)
}
