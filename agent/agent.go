// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"
	"errors"
	"net"
	"sync"
	"time"

	"github.com/enmesh-go/enmesh/agent/keeper"
	"github.com/enmesh-go/enmesh/agent/translate"
	"github.com/enmesh-go/enmesh/agent/xds"
	"github.com/enmesh-go/enmesh/discovery"
	"github.com/enmesh-go/enmesh/policy"
)

// Agent serves policy and the instances of services to clients of gRPC. It is made by [Open]
// and safe for concurrent use.
type Agent struct {
	cfg       Config
	since     time.Time
	cache     *discovery.Cache
	own       bool             // cache is closed with the agent
	names     *discovery.Cache // over DNS, for hosts of ServiceEntries
	catalog   *translate.Catalog
	policies  *policies
	issuers   []*issuer
	verdicts  *verdicts
	loads     *loads
	server    *xds.Server
	listeners *listeners
	lease     *keeper.Lease // of the socket; nil: it is the agent's own
	metrics   *collector

	cancel context.CancelFunc
	wait   sync.WaitGroup // of what Open started
	stop   sync.Once
	err    error // of Close
}

// Open opens the listeners and the sources. It fails on a configuration that makes no sense,
// an address that cannot be listened on, and on policy files that are refused while there is no
// last good policy on disk. A registry or an issuer that does not answer is no error: see
// [Agent.Status]. ctx bounds Open only; [Agent.Close] ends what it started.
func Open(ctx context.Context, cfg Config) (*Agent, error) {
	if err := cfg.complete(); err != nil {
		closeInherited(cfg)
		return nil, err
	}
	background, cancel := context.WithCancel(context.WithoutCancel(ctx))
	a := &Agent{cfg: cfg, since: time.Now(), cancel: cancel}
	if err := a.open(ctx, background); err != nil {
		err = errors.Join(err, a.Close())
		closeInherited(cfg)
		return nil, err
	}
	return a, nil
}

func (a *Agent) open(ctx, background context.Context) error {
	if err := a.openSources(); err != nil {
		return err
	}
	if err := a.openServer(ctx); err != nil {
		return err
	}
	for _, one := range a.cfg.Issue {
		i := newIssuer(one, a.cfg.Log)
		a.issuers = append(a.issuers, i)
		a.wait.Go(func() { i.run(background) })
	}
	a.wait.Go(func() { a.verdicts.run(background) })
	return a.policies.open(ctx, background, &a.wait)
}

// openSources puts the cache and the catalog over the registry.
func (a *Agent) openSources() (err error) {
	if a.cache, a.own, err = openCache(a.cfg); err != nil {
		return err
	}
	a.verdicts = newVerdicts(a.cfg.Log)
	if a.names, err = openNames(a.cfg); err != nil {
		return err
	}
	a.catalog, err = translate.New(translate.Config{
		Endpoints: a.cache, DNS: a.names, Namespace: a.cfg.Namespace, Domain: a.cfg.Domain,
		Certificates: a.cfg.CertificateProvider, TrustDomain: a.cfg.TrustDomain, TrustDomainAliases: a.cfg.TrustDomainAliases,
		Stage: translate.StageTime, LoadReports: a.cfg.LoadReports, Report: a.verdicts.note,
	})
	if err != nil {
		return err
	}
	a.policies = newPolicies(a.cfg, func(s *policy.Snapshot) {
		a.verdicts.policy(s)
		a.catalog.SetPolicy(s)
		a.verdicts.standing(a.catalog.Notes())
		a.catalog.Start()
	})
	return nil
}

// openServer opens the listeners, and what will serve them.
func (a *Agent) openServer(ctx context.Context) (err error) {
	cfg := xds.Config{
		Catalog: noticing{a.catalog, a.verdicts}, Allow: a.cfg.Allow, Limits: a.cfg.Limits,
		LoadInterval: a.cfg.LoadInterval, Log: a.cfg.Log,
	}
	if a.cfg.LoadReports {
		a.loads = newLoads()
		cfg.Loads = a.loads
	}
	if a.server, err = xds.New(cfg); err != nil {
		return err
	}
	given, err := allot(a.cfg)
	if err != nil {
		return err
	}
	if a.cfg.Keeper && a.cfg.Socket != "" && given["Socket"] == nil {
		if a.lease, err = keeper.Take(ctx, a.cfg.Socket); err != nil {
			return err
		}
	}
	if a.lease != nil {
		given["Socket"] = a.lease.Listener
	}
	if a.listeners, err = listen(a.cfg, given); err != nil {
		return err
	}
	metrics := &collector{a}
	if err := a.cfg.Registry.Register(metrics); err != nil {
		return err
	}
	a.metrics = metrics
	return nil
}

// Run serves until ctx ends, or until a listener fails, and then for as long as Config.Drain
// says. Then nobody is served any more, and Close is to be called.
func (a *Agent) Run(ctx context.Context) error {
	serving, cancel := context.WithCancel(context.WithoutCancel(ctx)) // of the admin page, which outlives ctx
	defer cancel()
	failed := make(chan error, len(a.listeners.xds)+1)
	var wait sync.WaitGroup
	for _, l := range a.listeners.xds {
		wait.Go(func() { failed <- a.server.Serve(l) })
	}
	if l := a.listeners.admin; l != nil {
		wait.Go(func() { failed <- serveAdmin(serving, l, a.Handler()) })
	}
	wait.Go(func() { a.relieve(serving) })
	var err error
	select {
	case <-ctx.Done():
	case err = <-failed:
	}
	if a.lease != nil {
		_ = a.lease.Close() // its end says as much
	}
	if err == nil {
		a.drain()
	}
	cancel()
	_ = a.server.Close() // it has no error
	a.listeners.close()
	wait.Wait()
	return err
}

// relieve tells the keeper of the socket that clients are answered here.
func (a *Agent) relieve(ctx context.Context) {
	if a.lease == nil {
		return
	}
	select {
	case <-a.Ready():
	case <-ctx.Done():
		return
	}
	if err := a.lease.Serving(); err != nil && ctx.Err() == nil {
		a.cfg.Log.Warn("agent: the keeper of the socket is not there any more", "error", err)
	}
}

// drain has the clients go one by one.
func (a *Agent) drain() {
	if a.cfg.Drain == 0 {
		return
	}
	const late = time.Second
	ctx, cancel := context.WithTimeout(context.Background(), a.cfg.Drain+late)
	defer cancel()
	if err := a.server.Drain(ctx, a.cfg.Drain); err != nil {
		a.cfg.Log.Info("agent: some clients are still there", "error", err)
	}
}

// Close ends everything, writes to disk what is not there yet, and waits for both. It may be
// called more than once. Certificates that were issued stay where they are.
func (a *Agent) Close() error {
	a.stop.Do(func() {
		a.cancel()
		if a.server != nil {
			_ = a.server.Close() // it has no error
		}
		if a.listeners != nil {
			a.listeners.close()
		}
		if a.lease != nil {
			_ = a.lease.Close() // it may be closed already
			_ = a.lease.Listener.Close()
		}
		a.wait.Wait()
		if a.catalog != nil {
			a.err = a.catalog.Close()
		}
		if a.names != nil {
			a.err = errors.Join(a.err, a.names.Close())
		}
		if a.own {
			a.err = errors.Join(a.err, a.cache.Close())
		}
		if a.metrics != nil {
			a.cfg.Registry.Unregister(a.metrics)
		}
	})
	return a.err
}

// Addr is where Config.Listen listens; nil without it.
func (a *Agent) Addr() net.Addr { return addrOf(a.listeners.plain) }

// AddrTLS is where Config.ListenTLS listens; nil without it.
func (a *Agent) AddrTLS() net.Addr { return addrOf(a.listeners.secure) }

// AdminAddr is where Config.Admin listens; nil without it.
func (a *Agent) AdminAddr() net.Addr { return addrOf(a.listeners.admin) }

// Ready is closed when policy is known, so that clients are answered.
func (a *Agent) Ready() <-chan struct{} { return a.catalog.Ready() }
