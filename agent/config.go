// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/enmesh-go/enmesh/agent/xds"
	"github.com/enmesh-go/enmesh/discovery"
	"github.com/enmesh-go/enmesh/internal/loopback"
	"github.com/enmesh-go/enmesh/policy"
	"github.com/enmesh-go/enmesh/security"
)

// Config says what an [Agent] serves, to whom and where. Of the fields only Resolver is
// required; an agent without Socket, Listen and ListenTLS serves nobody.
type Config struct {
	// Resolver says where instances are. Required. A Consul that is asked for Unhealthy ones
	// has load leave a tier as far as its checks fail. The agent puts a [discovery.Cache] round
	// it, with Guard and SnapshotDir. A Cache of the program's own is used as it is, and is
	// not closed with the agent; Guard is then refused.
	Resolver discovery.Resolver

	// DNS is asked for "host:port" where a ServiceEntry has names looked up. nil asks the
	// system's servers.
	DNS discovery.Resolver

	// Policies are files and directories of Istio's YAML, which are watched.
	Policies []string
	// PolicySources are further documents, from elsewhere than files. All of them and
	// Policies are one set: a mistake in any refuses the load.
	PolicySources []policy.Source

	// Namespace is that of workloads that name none, of documents that name none, and of what
	// the registry has without one. "" is "default".
	Namespace string
	// Domain is the mesh's; "" is "cluster.local".
	Domain string
	// TrustDomain is that of the workloads' identities; "" is "cluster.local".
	// TrustDomainAliases are other names of it in AuthorizationPolicies.
	TrustDomain        string
	TrustDomainAliases []string
	// RootNamespace is that of policy for the whole mesh; "" is policy.DefaultRootNamespace.
	RootNamespace string

	// Guard says when a sudden loss of endpoints is believed.
	Guard discovery.Guard
	// SnapshotDir is where the last good endpoints and policy are kept, for a start while the
	// registry is down. It is made, with mode 0700, if it is missing. "": nothing is kept.
	SnapshotDir string

	// Issue are certificates to keep fresh in directories that gRPC's file_watcher reads.
	Issue []Issue
	// CertificateProvider is the name of the certificate provider in the bootstrap of workloads.
	// "" is "default" when there is something to Issue; else workloads have no identity, and
	// what demands mutual TLS is refused.
	CertificateProvider string

	// Socket is the path of a unix socket to serve on; its directory must exist. "": none.
	Socket string
	// SocketPeers says who may connect to it, beside our own user and root.
	SocketPeers xds.UnixConfig
	// Listen is a loopback TCP address to serve on, such as "127.0.0.1:15010". A host that is
	// missing is 127.0.0.1. Every process of the host can connect. "": none.
	Listen string
	// ListenTLS is a TCP address to serve on with mutual TLS, as Identity. "": none.
	ListenTLS string
	Identity  security.Source
	// Drain is how long [Agent.Run] takes, once its context has ended, to have clients go one by
	// one, so that they do not come to its successor all at once; the successor can listen on
	// Socket from the beginning of that. 0 lets them all go at once, negative is refused.
	Drain time.Duration
	// Admin is the loopback address where [Agent.Handler] is served. "": nowhere.
	Admin string
	// Inherited are sockets, TCP or unix, that another process opened for the agent and keeps
	// open, as a service manager does. Each takes the place of opening the one of Socket, Listen,
	// ListenTLS and Admin that has its address; one that has none of those addresses is refused.
	// A client that connects while there is no agent waits in such a socket for the next one,
	// where it would otherwise be refused and try again later and later. The agent closes its
	// own copies at its end, and when it is not opened.
	Inherited []net.Listener

	// Keeper has the keeper of Socket asked for it, see package keeper: clients that connect
	// while there is no agent are then answered by the keeper, and come to the next agent at
	// once. Where there is no keeper the agent opens Socket itself; where Socket is among
	// Inherited, none is asked.
	Keeper bool

	// Allow says whether a node may be told of a resource, see [xds.Config]. nil: it may.
	Allow func(n *xds.Node, k xds.Kind, name string) error
	// Limits bound what a client may send.
	Limits xds.Limits
	// LoadReports asks clients to report what they send where; the reports become metrics.
	LoadReports bool
	// LoadInterval is how often they do. 0 means 10 s; negative is refused.
	LoadInterval time.Duration
	// Registry takes the metrics of the agent until Close. nil: one of its own, which
	// [Agent.Handler] serves.
	Registry *prometheus.Registry
	// Log gets what happens. nil is slog.Default().
	Log *slog.Logger
}

// complete fills in defaults and refuses what makes no sense.
func (c *Config) complete() error {
	if c.Resolver == nil {
		return errors.New("agent: Config.Resolver is nil")
	}
	if _, ok := c.Resolver.(*discovery.Cache); ok && c.Guard != (discovery.Guard{}) {
		return errors.New("agent: Config.Guard is set, and Config.Resolver is a discovery.Cache, which has its own")
	}
	if err := c.completeListeners(); err != nil {
		return err
	}
	if c.Drain < 0 {
		return fmt.Errorf("agent: Config.Drain is %v, it must not be negative", c.Drain)
	}
	if i := slices.Index(c.Inherited, nil); i >= 0 {
		return fmt.Errorf("agent: Config.Inherited[%d] is nil", i)
	}
	for i, s := range c.PolicySources {
		if s == nil {
			return fmt.Errorf("agent: Config.PolicySources[%d] is nil", i)
		}
	}
	dirs := map[string]bool{}
	for i, one := range c.Issue {
		if err := one.check(); err != nil {
			return fmt.Errorf("agent: Config.Issue[%d]: %w", i, err)
		}
		if dirs[one.Dir] {
			return fmt.Errorf("agent: Config.Issue[%d]: the directory %s is that of another", i, one.Dir)
		}
		dirs[one.Dir] = true
	}
	if len(c.Issue) > 0 && c.CertificateProvider == "" {
		c.CertificateProvider = DefaultProvider
	}
	if c.Registry == nil {
		c.Registry = prometheus.NewRegistry()
	}
	if c.Log == nil {
		c.Log = slog.Default()
	}
	if c.SocketPeers.Log == nil {
		c.SocketPeers.Log = c.Log
	}
	return nil
}

// DefaultProvider is the name of the certificate provider in bootstrap files.
const DefaultProvider = "default"

func (c *Config) completeListeners() error {
	if c.ListenTLS != "" && c.Identity == nil {
		return errors.New("agent: Config.ListenTLS is set and Config.Identity is not: beyond this host only mutual TLS is served")
	}
	c.Listen, c.Admin = loopback.Complete(c.Listen), loopback.Complete(c.Admin)
	for _, a := range []struct{ name, addr string }{{"Listen", c.Listen}, {"Admin", c.Admin}} {
		if a.addr == "" {
			continue
		}
		if err := loopback.Check(a.addr); err != nil {
			return fmt.Errorf("agent: Config.%s: %w", a.name, err)
		}
	}
	return nil
}
