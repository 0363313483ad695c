// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package mesh

import (
	"crypto/tls"
	"errors"
	"fmt"
	"sync"

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
	options      []mtls.ClientOption

	namer  peerNamer               // nil: identities are of Istio's form
	nameOf func(key string) string // what namer is asked for; "": the service is none of the mesh's
	mu     sync.RWMutex            // guards named; nothing is called under it
	named  map[string]*tls.Config  // for whom namer names, by key; nil: it is not asked
}

// peerNamer is a source of certificates that says itself who answers for a service, as
// that of Consul's authority does.
type peerNamer interface {
	Peer(service string) (security.Matcher, error)
}

func newDialer(cfg *config) *dialer {
	d := &dialer{certificates: cfg.certificates, outside: newOriginators(cfg.log), namer: cfg.namer, named: map[string]*tls.Config{}}
	for _, o := range cfg.tlsOptions() {
		d.options = append(d.options, o)
	}
	if d.certificates != nil {
		d.clients = mtls.NewClients(d.certificates, d.options...)
	}
	return d
}

// errNoCertificates refuses TLS that policy demands of a process without identity.
var errNoCertificates = errors.New("mesh: a DestinationRule asks for mutual TLS, and this process has no certificates; " +
	"open the mesh with mesh.WithCertificates, or set the rule's tls mode to DISABLE")

// config is the TLS configuration for an endpoint; nil is plaintext. The
// subjectAltNames of the DestinationRule go before what the source of certificates says of
// the service, and that before the endpoint's own account. lenient makes automatic mutual
// TLS Istio's: in plaintext to an endpoint that has no identity.
func (d *dialer) config(e *balance.Endpoint, t policy.TLS, lenient bool) *tls.Config {
	switch {
	case t.Mode == policy.TLSDisable:
		return nil
	case t.Unenforced() != "":
		return refuse(errors.New("mesh: " + t.Unenforced()))
	case t.Mode == policy.TLSSimple, t.Mode == policy.TLSMutual:
		return d.outside.config(hostOf(e.Cluster().Config().Destination.Service), t)
	case d.certificates == nil && t.Mode == policy.TLSAuto:
		return nil
	case d.certificates == nil:
		return refuse(errNoCertificates)
	}
	names := t.SubjectAltNames.List()
	if len(names) == 0 && d.namer != nil {
		if cfg := d.ofService(e.Cluster().Config().Destination.Service); cfg != nil {
			return cfg
		}
	}
	ids, err := d.expected(e, names)
	switch {
	case err != nil:
		return refuse(err)
	case len(ids) == 0 && lenient && t.Mode == policy.TLSAuto:
		return nil
	}
	return d.clients.For(ids...)
}

// ofService is the configuration that accepts whom the source of certificates names for a
// service; nil: it is none of the mesh's.
func (d *dialer) ofService(key string) *tls.Config {
	d.mu.RLock()
	cfg, known := d.named[key]
	d.mu.RUnlock()
	if known {
		return cfg
	}
	if name := d.nameOf(key); name != "" {
		cfg = mtls.Client(d.certificates, servicePeer{d.namer, name}, d.options...)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if old := d.named[key]; old != nil {
		return old
	}
	d.named[key] = cfg
	return cfg
}

// servicePeer is who a source of certificates says that answers for a service, asked at
// each handshake: it may not know yet, and the trust domain may change.
type servicePeer struct {
	namer   peerNamer
	service string
}

// MatchID reports whether peer is whom the source names now; while it names nobody, nobody is.
func (p servicePeer) MatchID(peer security.ID) bool {
	want, err := p.namer.Peer(p.service)
	return err == nil && want != nil && want.MatchID(peer)
}

func (p servicePeer) String() string {
	want, err := p.namer.Peer(p.service)
	if err != nil {
		return fmt.Sprintf("the service %q: %v", p.service, err)
	}
	return fmt.Sprintf("the service %q: %v", p.service, want)
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
