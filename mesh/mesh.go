// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package mesh

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/balance"
	"github.com/enmesh-go/enmesh/balance/route"
	"github.com/enmesh-go/enmesh/discovery"
	"github.com/enmesh-go/enmesh/limit/shed"
	"github.com/enmesh-go/enmesh/policy/entries"
	"github.com/enmesh-go/enmesh/security"
	"github.com/enmesh-go/enmesh/security/mtls"
	"github.com/enmesh-go/enmesh/telemetry/prom"
	"github.com/enmesh-go/enmesh/telemetry/tracing"
)

// Mesh is the composed mesh of one process. It is a balance.Source and a
// balance.TLSSource: give it to an adapter beside its Router. All methods may be
// called by any number of goroutines.
type Mesh struct {
	cfg       config
	naming    enmesh.Naming
	table     *Table
	inbound   enmesh.Router
	served    *inbound // what policy does to the calls of inbound
	source    *source
	cache     *registry
	names     *discovery.Cache // of what DNS says of names in ServiceEntries
	entries   *entries.Resolver
	dialer    *dialer
	policies  *policies
	peers     peers
	metrics   http.Handler
	health    *Health
	identity  *security.Monitor // nil without certificates
	serving   inflight
	calling   inflight
	mirror    *route.Mirror
	folds     *folds
	services  map[string]service // by key, what WithService says
	decisions *decisions         // nil: none are remembered
	cancel    context.CancelFunc
	wait      sync.WaitGroup
}

// Open loads policy, starts discovery and composes the mesh. It fails on a policy
// that does not compile, with every mistake named by file and line, and on an
// identity that cannot be had; later bad reloads keep the last good one. ctx bounds
// Open only; [Mesh.Close] ends what it started.
func Open(ctx context.Context, opts ...Option) (*Mesh, error) {
	var cfg config
	for _, o := range opts {
		o.mesh(&cfg)
	}
	m, err := compose(cfg)
	if err != nil {
		return nil, err
	}
	background, cancel := context.WithCancel(context.Background())
	m.cancel = cancel
	if err := m.start(ctx, background); err != nil {
		return nil, errors.Join(err, m.Close())
	}
	return m, nil
}

// compose puts the pieces together, without starting any.
func compose(cfg config) (*Mesh, error) {
	if cfg.log == nil {
		cfg.log = slog.New(slog.DiscardHandler)
	}
	if cfg.registry == nil {
		cfg.registry = prometheus.NewRegistry()
	}
	if cfg.tracing == nil {
		cfg.tracing = tracing.New(tracing.Config{})
	}
	identity, err := openIdentity(&cfg)
	if err != nil {
		return nil, err
	}
	m := &Mesh{
		identity: identity,
		cfg:      cfg,
		naming:   enmesh.Naming{Namespace: cfg.workload.namespace(), Domain: cfg.domain, Known: cfg.namespaces},
		dialer:   newDialer(&cfg),
		health:   newHealth(),
		folds:    newFolds(),
	}
	m.peers.mesh = m
	m.decisions = newDecisions(m.naming, cfg.decisions)
	principal, domain, err := m.principal()
	if err != nil {
		return nil, err
	}
	if err := m.openServices(); err != nil {
		return nil, err
	}
	m.mirror, err = route.NewMirror(cfg.mirror)
	if err != nil {
		return nil, err
	}
	m.cache, err = openRegistry(cfg)
	if err != nil {
		return nil, err
	}
	collector := prom.New(prom.Config{MaxSeries: cfg.maxSeries})
	observers := append([]Observers{collector}, cfg.observers...)
	out := m.newSide(enmesh.Client, principal, collector, observers)
	out.flying = &m.calling
	in := m.newSide(enmesh.Server, principal, collector, observers)
	m.policies = newPolicies(m, out)
	m.table = NewTable(m.naming, m.policies.unknown(), out.outer(m.decisions.recorder("", "", nil))...)
	who, err := newGuard(cfg, domain, in.recorder)
	if err != nil {
		return nil, errors.Join(err, m.cache.close())
	}
	m.served = newInbound(m, in.recorder, who)
	m.inbound = counted{enmesh.Fixed(false, slices.Concat(
		[]enmesh.Middleware{m.serving.middleware}, in.outer(nil), []enmesh.Middleware{shed.Receive(cfg.trust)},
		cfg.inbound, []enmesh.Middleware{m.served.middleware},
	)...), in.recorder}
	if m.names, err = openNames(cfg); err != nil {
		return nil, errors.Join(err, m.cache.close())
	}
	m.source = newSource(m.naming)
	m.dialer.nameOf = m.source.serviceName
	m.entries = entries.New(entries.Config{
		Registry: m.cache, Name: m.source.registryName, Finder: entries.Finder{DNS: m.names},
	})
	m.source.resolver = m.entries
	m.source.configure = m.policies.cluster
	m.source.report, m.source.opened = m.cache.failed, m.check
	m.metrics = promhttp.HandlerFor(cfg.registry, promhttp.HandlerOpts{Registry: cfg.registry})
	if err := errors.Join(cfg.registry.Register(collector), cfg.registry.Register((*selfMetrics)(m))); err != nil {
		return nil, errors.Join(err, m.names.Close(), m.cache.close())
	}
	return m, nil
}

// principal is the process's own identity and its trust domain, both "" without
// certificates.
func (m *Mesh) principal() (principal, domain string, err error) {
	if m.cfg.certificates == nil {
		return "", "", nil
	}
	id, err := m.cfg.certificates.Identity()
	if err != nil {
		return "", "", err
	}
	return id.ID().String(), id.ID().TrustDomain(), nil
}

// start loads policy for the first time and begins to follow it.
func (m *Mesh) start(ctx, background context.Context) error {
	if m.identity != nil {
		m.wait.Go(func() { m.mindIdentity(background) })
		m.wait.Go(func() { _ = m.identity.Run(background) }) // until background ends
	}
	if len(m.cfg.policies)+len(m.cfg.sources) == 0 {
		return m.policies.applyNone()
	}
	first := make(chan error, 1)
	m.wait.Go(func() { m.policies.follow(background, first) })
	select {
	case err := <-first:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Outbound routes calls that this process makes.
func (m *Mesh) Outbound() enmesh.Router { return m.table }

// Inbound routes calls that this process serves.
func (m *Mesh) Inbound() enmesh.Router { return m.inbound }

// Cluster is the endpoints of a destination, as adapters ask for them. It never is
// nil and does not block.
func (m *Mesh) Cluster(d enmesh.Destination, p enmesh.Protocol) *balance.Cluster {
	return m.source.Cluster(d, p)
}

// ClientTLS is how an endpoint is dialled; nil is plaintext, or the caller's own TLS. An endpoint that must
// be dialled with mutual TLS and whose identity is not known has a configuration
// that refuses.
func (m *Mesh) ClientTLS(e *balance.Endpoint) *tls.Config {
	cfg := e.Cluster().Config()
	if _, foreign := outside(cfg.Destination); foreign {
		return nil
	}
	s := m.policies.current.Load()
	return m.dialer.config(e, s.TLS(cfg.Destination), s.Security.PlaintextToStrangers())
}

// ServerTLS is the configuration of this process's servers: mutual TLS, strict, with the
// lists of [WithRevocations] and the versions of [WithTLS12]. It is nil without certificates.
func (m *Mesh) ServerTLS() *tls.Config {
	if m.cfg.certificates == nil {
		return nil
	}
	return mtls.Server(m.cfg.certificates, m.cfg.serverTLSOptions()...)
}

// Metrics serves the mesh's metrics for Prometheus to scrape. Serve it on a loopback
// address or behind authorization.
func (m *Mesh) Metrics() http.Handler { return m.metrics }

// Mirrored counts the calls that VirtualServices mirror; [Mesh.Metrics] has the counts
// as enmesh_mirror_calls_total.
func (m *Mesh) Mirrored() route.MirrorStats { return m.mirror.Stats() }
