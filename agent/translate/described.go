// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package translate

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"iter"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/discovery"
	"github.com/enmesh-go/enmesh/discovery/dns"
	"github.com/enmesh-go/enmesh/policy"
	"github.com/enmesh-go/enmesh/policy/entries"
)

// serviceOf names a service as policy has it: by its key where it is the registry's, and
// else, after a bar, by what the ServiceEntry says of it, too. So scopes that see the same
// share a service, one that sees another ServiceEntry has its own, and a reload that says
// nothing new changes nothing. c.mu is held.
func (c *Catalog) serviceOf(p *policy.Snapshot, key string) string {
	e := p.Entry(key)
	if e == nil {
		return key
	}
	sum := sha256.Sum256(fmt.Appendf(nil, "%q %q %t %v %+v %t %+v",
		e.Host, e.Name, e.External, e.Resolution, e.Ports, e.Endpoints == nil, e.Endpoints))
	id := key + "|" + hex.EncodeToString(sum[:8])
	if c.described == nil {
		c.described = map[string]described{}
	}
	c.described[id] = described{e, key}
	return id
}

// described is a service that a ServiceEntry describes.
type described struct {
	*policy.Entry
	key string
}

// instances are those of a service.
func (c *Catalog) instances(ctx context.Context, s *service) iter.Seq2[[]discovery.Endpoint, error] {
	if s.described.Entry != nil {
		return entries.Finder{DNS: c.cfg.DNS, LookUp: true}.Watch(ctx, s.described.Entry, s.described.key)
	}
	name := registryName(enmesh.Naming{Namespace: c.cfg.Namespace, Domain: c.cfg.Domain}, s.key)
	return c.cfg.Endpoints.Watch(ctx, name)
}

// openNames makes what asks DNS, unless there is one.
func (c *Catalog) openNames() error {
	if c.cfg.DNS != nil {
		return nil
	}
	system, err := dns.New(dns.Config{})
	if err != nil {
		return err
	}
	c.names, err = discovery.NewCache(system, discovery.CacheConfig{})
	c.cfg.DNS = c.names
	return err
}

// closeNames ends what openNames made.
func (c *Catalog) closeNames() error {
	if c.names == nil {
		return nil
	}
	return c.names.Close()
}
