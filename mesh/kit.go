// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package mesh

import (
	"context"
	"fmt"
	"slices"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/balance/route"
	"github.com/enmesh-go/enmesh/limit"
	"github.com/enmesh-go/enmesh/limit/concurrency"
	"github.com/enmesh-go/enmesh/limit/shed"
	"github.com/enmesh-go/enmesh/policy"
)

// kit makes middleware of policies of enmesh's own kinds, for one side. What has state
// keeps it in a Store, by what it is for and its configuration.
type kit struct {
	store    *Store
	recorder enmesh.Recorder
	remote   remoteLimits
}

// when is m for the calls that one of matches takes; none: for all.
func when(matches []*route.Match, m enmesh.Middleware) enmesh.Middleware {
	if len(matches) == 0 || m == nil {
		return m
	}
	return func(next enmesh.Next) enmesh.Next {
		through := m(next)
		return func(ctx context.Context, c *enmesh.Call) error {
			for _, one := range matches {
				if one.Matches(c) {
					return through(ctx, c)
				}
			}
			return next(ctx, c)
		}
	}
}

// limits is a RateLimit, which may be nil, for owner.
func (k kit) limits(owner string, r *policy.RateLimit) ([]enmesh.Middleware, error) {
	if r == nil {
		return nil, nil
	}
	var out []enmesh.Middleware
	for _, l := range r.Limits {
		m, err := k.limit(owner+"/limit/"+l.Name, l.Limit, r.Shadow)
		if err != nil {
			return nil, fmt.Errorf("%s, rule %s: %w", &r.Own, l.Name, err)
		}
		out = append(out, when(l.Match, m))
	}
	return out, nil
}

// limiter is a limit that never waits.
type limiter interface {
	enmesh.Gate
	Middleware() enmesh.Middleware
}

// limit is one limit, of whatever algorithm.
func (k kit) limit(owner string, cfg any, shadow bool) (enmesh.Middleware, error) {
	var made limiter
	var err error
	switch cfg := cfg.(type) {
	case limit.Config:
		made, err = Keep(k.store, owner, cfg, limit.NewTokenBucket)
	case limit.FixedConfig:
		made, err = Keep(k.store, owner, cfg, limit.NewFixedWindow)
	case limit.LogConfig:
		made, err = Keep(k.store, owner, cfg, limit.NewSlidingLog)
	case limit.CounterConfig:
		made, err = Keep(k.store, owner, cfg, limit.NewSlidingCounter)
	case limit.KeyedConfig:
		made, err = Keep(k.store, owner, cfg, limit.NewKeyed)
	case policy.SharedLimit:
		return k.shared(owner, cfg, shadow)
	case *policy.ServiceLimit:
		return k.service(owner, cfg, shadow)
	case limit.LeakyConfig:
		cfg.Shadow, cfg.Recorder = shadow, k.recorder
		leaky, err := Keep(k.store, owner, cfg, limit.NewLeakyBucket)
		if err != nil {
			return nil, err
		}
		return leaky.Middleware(), nil
	default:
		return nil, fmt.Errorf("mesh: no limit is made of %T", cfg)
	}
	if err != nil {
		return nil, err
	}
	if shadow {
		return k.guard(made, "limit", true), nil
	}
	return made.Middleware(), nil
}

// guard is a gate for a chain.
func (k kit) guard(g enmesh.Gate, name string, shadow bool) enmesh.Middleware {
	if shadow {
		g = enmesh.Shadow(g, name, k.recorder)
	}
	return enmesh.Guard(g)
}

// concurrency is a ConcurrencyLimit, which may be nil, for owner.
func (k kit) concurrency(owner string, c *policy.ConcurrencyLimit) (enmesh.Middleware, error) {
	if c == nil {
		return nil, nil
	}
	var gate enmesh.Gate
	var err error
	if c.IsAdaptive {
		gate, err = Keep(k.store, owner+"/concurrency", c.Adaptive, concurrency.NewAdaptive)
	} else {
		gate, err = Keep(k.store, owner+"/concurrency", c.Fixed, concurrency.NewFixed)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", &c.Own, err)
	}
	return k.guard(gate, "concurrency", c.Shadow), nil
}

// shed is a Shed, which may be nil, for owner.
func (k kit) shed(owner string, s *policy.Shed) (out []enmesh.Middleware, err error) {
	if s != nil && s.Sheds {
		gate, err := Keep(k.store, owner+"/shed", s.Config, shed.New)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", &s.Own, err)
		}
		out = append(out, k.guard(gate, "shed", s.Shadow))
	}
	if s != nil && s.Queues {
		cfg := s.Queue
		cfg.Recorder = k.recorder
		gate, err := Keep(k.store, owner+"/queue", cfg, shed.NewQueue)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", &s.Own, err)
		}
		out = append(out, enmesh.Guard(gate))
	}
	return out, nil
}

// inbound is what policy does to the calls that this process serves, outermost first.
func (k kit) inbound(in policy.Inbound) ([]enmesh.Middleware, error) {
	out, err := k.limits("inbound", in.RateLimit)
	if err != nil {
		return nil, err
	}
	load, err := k.shed("inbound", in.Shed)
	if err != nil {
		return nil, err
	}
	most, err := k.concurrency("inbound", in.Concurrency)
	return append(slices.Concat(out, load), most), err
}
