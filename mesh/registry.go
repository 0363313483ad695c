// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package mesh

import (
	"errors"
	"log/slog"
	"path/filepath"
	"sync"
	"time"

	"github.com/enmesh-go/enmesh/discovery"
	"github.com/enmesh-go/enmesh/discovery/dns"
)

// registry is where the mesh's endpoints come from: a cache round the program's
// resolver, or a cache that is the program's own.
type registry struct {
	*discovery.Cache
	own bool // made here, and closed here
	log *slog.Logger

	mu      sync.Mutex // guards logged
	logged  time.Time  // when a failure was logged last
	skipped int        // failures since
}

func openRegistry(cfg config) (*registry, error) {
	r := &registry{log: cfg.log}
	if cache, ok := cfg.resolver.(*discovery.Cache); ok {
		if cfg.cache.Dir != "" || cfg.cache.Guard != (discovery.Guard{}) {
			return nil, errors.New("mesh: the resolver is a discovery.Cache already: give it the guard and the snapshot directory")
		}
		r.Cache = cache
		return r, nil
	}
	if cfg.resolver == nil {
		cfg.resolver = discovery.NewStatic(nil)
	}
	cfg.cache.Report = func(err error) { r.log.Warn("endpoints cannot be kept on disk", "error", err) }
	cache, err := discovery.NewCache(cfg.resolver, cfg.cache)
	r.Cache, r.own = cache, true
	return r, err
}

// openNames is the cache round what asks DNS for the names in ServiceEntries.
func openNames(cfg config) (*discovery.Cache, error) {
	if cfg.dns == nil {
		made, err := dns.New(dns.Config{})
		if err != nil {
			return nil, err
		}
		cfg.dns = made
	}
	out := discovery.CacheConfig{Guard: cfg.cache.Guard, Report: func(err error) {
		cfg.log.Warn("what DNS says cannot be kept on disk", "error", err)
	}}
	if cfg.cache.Dir != "" {
		out.Dir = filepath.Join(cfg.cache.Dir, "dns")
	}
	return discovery.NewCache(cfg.dns, out)
}

func (r *registry) close() error {
	if !r.own {
		return nil
	}
	return r.Close()
}

// logEvery is the least time between two lines about a registry that fails: it fails
// for every service at once, and the state of each is in Status and the metrics.
const logEvery = 10 * time.Second

// failed logs what the registry says that is not a set. A service that it does not know
// is no failure of its, and always worth a line.
func (r *registry) failed(service string, err error) {
	if errors.Is(err, discovery.ErrUnknownService) {
		r.log.Warn("the registry does not know a service", "service", service, "error", err)
		return
	}
	r.mu.Lock()
	now := time.Now()
	skip := !r.logged.IsZero() && now.Sub(r.logged) < logEvery
	others := r.skipped
	if skip {
		r.skipped++
	} else {
		r.logged, r.skipped = now, 0
	}
	r.mu.Unlock()
	if !skip {
		r.log.Warn("the registry failed; the last good endpoints stay", "service", service, "error", err, "not_logged", others)
	}
}
