// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package mtls

import (
	"crypto/tls"
	"slices"
	"strings"
	"sync"

	"github.com/enmesh-go/enmesh/security"
)

// maxClients bounds what Clients keeps; beyond it everything is forgotten and
// built anew, which costs time and nothing else.
const maxClients = 10_000

// Clients keeps one client configuration for each expected identity, for callers
// that need one per endpoint and ask often. It is safe for concurrent use. The
// configurations are shared: clone before editing.
type Clients struct {
	src  security.Source
	opts []ClientOption

	mu      sync.RWMutex // guards the maps; nothing is called under it
	one     map[security.ID]*tls.Config
	several map[string]*tls.Config // by IDs, sorted and joined
}

// NewClients makes a Clients whose configurations are those of [Client] with src
// and opts.
func NewClients(src security.Source, opts ...ClientOption) *Clients {
	return &Clients{
		src:     src,
		opts:    slices.Clone(opts),
		one:     make(map[security.ID]*tls.Config),
		several: make(map[string]*tls.Config),
	}
}

// For is the configuration that accepts any of ids. Without ids, or with the zero
// ID only, it refuses every server with [ErrNoExpectation].
func (c *Clients) For(ids ...security.ID) *tls.Config {
	switch len(ids) {
	case 0:
		return c.single(security.ID{})
	case 1:
		return c.single(ids[0])
	}
	return c.any(ids)
}

// single finds or makes the configuration of one ID.
func (c *Clients) single(id security.ID) *tls.Config {
	c.mu.RLock()
	cfg := c.one[id]
	c.mu.RUnlock()
	if cfg != nil {
		return cfg
	}
	return keep(c, c.one, id, Client(c.src, id, c.opts...))
}

// any finds or makes the configuration of several IDs.
func (c *Clients) any(ids []security.ID) *tls.Config {
	names := make([]string, len(ids))
	for i, id := range ids {
		names[i] = id.String()
	}
	slices.Sort(names)
	key := strings.Join(slices.Compact(names), " ")
	c.mu.RLock()
	cfg := c.several[key]
	c.mu.RUnlock()
	if cfg != nil {
		return cfg
	}
	return keep(c, c.several, key, Client(c.src, security.AnyOf(ids...), c.opts...))
}

// keep stores cfg unless another goroutine was faster, and answers with the one
// that is kept.
func keep[K comparable](c *Clients, m map[K]*tls.Config, key K, cfg *tls.Config) *tls.Config {
	c.mu.Lock()
	defer c.mu.Unlock()
	if old := m[key]; old != nil {
		return old
	}
	if len(m) >= maxClients {
		clear(m)
	}
	m[key] = cfg
	return cfg
}
