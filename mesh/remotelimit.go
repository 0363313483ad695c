// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package mesh

import (
	"fmt"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/limit"
	"github.com/enmesh-go/enmesh/policy"
)

// remoteLimits is who counts outside of this process, by the names that policy has for
// them. It is written by options alone.
type remoteLimits struct {
	sharers  map[string]limit.Sharer
	services map[string]limit.Service
}

// WithSharedLimits is who counts for RateLimits with a sharedBucket and a provider of that
// name: redislimit.NewProvider makes one on a Redis. A policy whose provider nobody gave is
// not put in force: the load is refused.
func WithSharedLimits(provider string, s limit.Sharer) Option {
	return optionFunc(func(cfg *config) {
		if cfg.remote.sharers == nil {
			cfg.remote.sharers = map[string]limit.Sharer{}
		}
		cfg.remote.sharers[provider] = s
	})
}

// WithRateLimitService is who decides for RateLimits with a rateLimitService and a
// provider of that name: rls.NewProvider makes one of a connection to Envoy's. A policy
// whose provider nobody gave is not put in force: the load is refused.
func WithRateLimitService(provider string, s limit.Service) Option {
	return optionFunc(func(cfg *config) {
		if cfg.remote.services == nil {
			cfg.remote.services = map[string]limit.Service{}
		}
		cfg.remote.services[provider] = s
	})
}

// shared is a limit of a fleet. What it has taken ahead is kept over reloads.
func (k kit) shared(owner string, s policy.SharedLimit, shadow bool) (enmesh.Middleware, error) {
	by := k.remote.sharers[s.Provider]
	if by == nil {
		return nil, fmt.Errorf("provider %q of a sharedBucket is not known: open the mesh with mesh.WithSharedLimits(%q, ...)", s.Provider, s.Provider)
	}
	s.Config.Shadow, s.Config.Recorder = shadow, k.recorder
	made, err := Keep(k.store, owner, s, func(s policy.SharedLimit) (limit.Remote, error) { return by.Share(s.Config) })
	if err != nil {
		return nil, err
	}
	return made.Middleware(), nil
}

// service is a limit that a service decides. It has nothing to keep over a reload; the Store
// closes what it replaces.
func (k kit) service(owner string, s *policy.ServiceLimit, shadow bool) (enmesh.Middleware, error) {
	by := k.remote.services[s.Provider]
	if by == nil {
		return nil, fmt.Errorf("provider %q of a rateLimitService is not known: open the mesh with mesh.WithRateLimitService(%q, ...)", s.Provider, s.Provider)
	}
	made, err := Keep(k.store, owner, s, func(s *policy.ServiceLimit) (limit.Remote, error) {
		cfg := s.Config
		cfg.Shadow, cfg.Recorder = shadow, k.recorder
		return by.Ask(cfg)
	})
	if err != nil {
		return nil, err
	}
	return made.Middleware(), nil
}
