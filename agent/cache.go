// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"os"
	"path/filepath"

	"github.com/enmesh-go/enmesh/discovery"
	"github.com/enmesh-go/enmesh/discovery/dns"
)

// openCache puts a cache round the registry.
func openCache(cfg Config) (cache *discovery.Cache, own bool, err error) {
	if cache, ok := cfg.Resolver.(*discovery.Cache); ok {
		return cache, false, nil
	}
	cache, err = newCache(cfg, cfg.Resolver, "endpoints")
	return cache, err == nil, err
}

// openNames is whom to ask for the names in ServiceEntries.
func openNames(cfg Config) (*discovery.Cache, error) {
	names := cfg.DNS
	if names == nil {
		var err error
		if names, err = dns.New(dns.Config{}); err != nil {
			return nil, err
		}
	}
	return newCache(cfg, names, "names")
}

// newCache keeps what a resolver says in a directory of its own.
func newCache(cfg Config, r discovery.Resolver, dir string) (*discovery.Cache, error) {
	in := discovery.CacheConfig{Guard: cfg.Guard, Report: func(err error) {
		cfg.Log.Warn("agent: endpoints on disk", "error", err)
	}}
	if cfg.SnapshotDir != "" {
		in.Dir = filepath.Join(cfg.SnapshotDir, dir)
		if err := os.MkdirAll(cfg.SnapshotDir, 0o700); err != nil {
			cfg.Log.Warn("agent: nothing can be kept on disk", "error", err)
		}
	}
	return discovery.NewCache(r, in)
}
