// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package translate

import (
	"cmp"
	"errors"
	"fmt"
	"time"

	"github.com/enmesh-go/enmesh/discovery"
	"github.com/enmesh-go/enmesh/security"
)

// Config says what a [Catalog] is made of.
type Config struct {
	// Endpoints finds the instances of services; it is asked as package mesh does: by the
	// short name in Namespace, by name.namespace in another, by the name itself outside the
	// mesh. Needed. It is asked for a service as long as a node needs it.
	Endpoints discovery.Resolver
	// DNS looks up the names in ServiceEntries: it is asked for "host:port", as *dns.Resolver
	// is, and should have a [discovery.Cache] round it. nil: the system's DNS servers, so.
	DNS discovery.Resolver
	// Namespace is where the registry has the names that have no namespace. "" is "default".
	Namespace string
	// Domain is the mesh's; "" is "cluster.local".
	Domain string
	// Certificates is the instance of a certificate provider, as the bootstrap file of
	// workloads names it, that has their identity and the roots they believe. "": workloads
	// have no identity, and what demands mutual TLS is refused.
	Certificates string
	// TrustDomain is that of the identities; "" is "cluster.local". TrustDomainAliases are
	// other names of it in AuthorizationPolicies.
	TrustDomain        string
	TrustDomainAliases []string
	// Stage is for how long clusters that are new to a client are announced before calls are
	// sent to them, so that it knows them by then; see [StageTime]. 0: routes change at once,
	// at which clients of grpc-go 1.85 fail some calls.
	Stage time.Duration
	// LoadReports asks clients to report their load to whoever serves the resources.
	LoadReports bool
	// Report hears of each [Note] when it first holds, also after it did not for a while. It
	// is called on goroutines of the Catalog, must not block and must not call it. nil: nobody
	// hears; [Catalog.Notes] tells all the same.
	Report func(Note)
}

func (c *Config) complete() error {
	if c.Endpoints == nil {
		return errors.New("translate: a catalog needs a resolver of endpoints")
	}
	c.Namespace, c.Domain = cmp.Or(c.Namespace, "default"), cmp.Or(c.Domain, "cluster.local")
	c.TrustDomain = cmp.Or(c.TrustDomain, "cluster.local")
	if _, err := security.IDFor(c.TrustDomain, "default", "default"); err != nil {
		return fmt.Errorf("translate: trust domain %q: %w", c.TrustDomain, err)
	}
	if c.Report == nil {
		c.Report = func(Note) {}
	}
	return nil
}
