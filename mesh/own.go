// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package mesh

import (
	"context"
	"fmt"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/policy"
	"github.com/enmesh-go/enmesh/resilience"
	"github.com/enmesh-go/enmesh/resilience/breaker"
	"github.com/enmesh-go/enmesh/resilience/fallback"
	"github.com/enmesh-go/enmesh/resilience/hedge"
	"github.com/enmesh-go/enmesh/resilience/retry"
	"github.com/enmesh-go/enmesh/resilience/throttle"
)

// own makes what policies of enmesh's own kinds, and the retries that they bound, do to
// calls by one rule to one destination.
type own struct {
	kit
	policies *policies
	said     policy.Outbound
	origin   *origin
	to       enmesh.Destination
}

func (p *policies) own(st *Store, o *origin, to enmesh.Destination) *own {
	return &own{kit{st, p.side.recorder, p.mesh.cfg.remote}, p, o.snapshot.Outbound(to.Service), o, to}
}

// whole is what stands outside the retries, outermost first.
func (w *own) whole() ([]enmesh.Middleware, error) {
	out, err := w.fallback()
	if err != nil {
		return nil, err
	}
	limits, err := w.limits(w.to.Service, w.said.RateLimit)
	if err != nil {
		return nil, err
	}
	out = append(out, limits...)
	if t := w.said.Throttle; t != nil {
		cfg := t.Config
		cfg.Recorder = w.recorder
		one, err := Keep(w.store, w.to.Service+"/throttle", cfg, func(cfg throttle.Config) (*throttle.Throttle, error) { return throttle.New(cfg) })
		if err != nil {
			return nil, fmt.Errorf("%s: %w", &t.Own, err)
		}
		out = append(out, one.Middleware())
	}
	return out, nil
}

// again is what sends calls more than once: the rule's retry, a hedge, and the budget that
// they share with all rules that lead there.
func (w *own) again(r *policy.Rule) ([]enmesh.Middleware, error) {
	if r.Retry.MaxAttempts == 1 && w.said.Hedge == nil {
		return nil, nil
	}
	budget, err := w.budget()
	if err != nil {
		return nil, err
	}
	out := []enmesh.Middleware{budget.Middleware()}
	hedged, err := w.hedge(budget)
	if err != nil {
		return nil, err
	}
	pretended, err := w.retryTrial(r, budget)
	if err != nil {
		return nil, err
	}
	out = append(out, hedged, pretended)
	if r.Retry.MaxAttempts != 1 {
		again, err := byPort(w.origin.snapshot, w.to, func(d enmesh.Destination) (enmesh.Middleware, error) { return w.retries(r, d, budget) })
		if err != nil {
			return nil, fmt.Errorf("retries of %s: %w", r.Origin, err)
		}
		out = append(out, again)
	}
	return w.shadowBudget(out)
}

// retries is the retry of a rule, under the limit of a destination. A retryBudget stands in
// the limit's place, as in Envoy.
func (w *own) retries(r *policy.Rule, d enmesh.Destination, b *resilience.Budget) (enmesh.Middleware, error) {
	cfg := r.Retry
	cfg.Budget, cfg.Recorder = b, w.recorder
	cfg.Strict = cfg.Strict || w.policies.mesh.cfg.strict
	if t := w.origin.snapshot.Destination(d.Service).Traffic(d.Subset, d.Port); t.MaxRetries > 0 && !t.BoundRetries {
		var err error
		if cfg.Limit, err = Keep(w.store, d.String()+"/retries", int(t.MaxRetries), retry.NewLimit); err != nil {
			return nil, err
		}
	}
	return retry.New(cfg)
}

// budget is that of a RetryBudget, else the DestinationRule's, else a fifth of the calls
// and ten a second for the whole service.
func (w *own) budget() (*resilience.Budget, error) {
	owner, bounds := w.to.Service+"/budget", resilience.BudgetConfig{}
	if b := w.said.Budget; b != nil && !b.Shadow {
		bounds = b.Config
	} else if t := w.origin.snapshot.Destination(w.to.Service).Traffic(w.to.Subset, w.to.Port); t.BoundRetries {
		owner, bounds = w.to.String()+"/budget", t.Budget
	}
	return Keep(w.store, owner, bounds, resilience.NewBudget)
}

// shadowBudget adds to what sends calls more than once a RetryBudget in shadow: it counts
// the attempts that it would not have allowed.
func (w *own) shadowBudget(again []enmesh.Middleware) ([]enmesh.Middleware, error) {
	b := w.said.Budget
	if b == nil || !b.Shadow {
		return again, nil
	}
	budget, err := Keep(w.store, w.to.Service+"/budget/shadow", b.Config, resilience.NewBudget)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", &b.Own, err)
	}
	refused := enmesh.Decision{Policy: "budget", Action: enmesh.ActionRefuse, Shadow: true}
	count := func(next enmesh.Next) enmesh.Next {
		return func(ctx context.Context, c *enmesh.Call) error {
			if c.Attempt > 1 && !budget.TakeAt(c.Clock) {
				w.recorder.Record(c, refused)
			}
			return next(ctx, c)
		}
	}
	return append(append([]enmesh.Middleware{budget.Middleware()}, again...), count), nil
}

// hedge is nil for none.
func (w *own) hedge(b *resilience.Budget) (enmesh.Middleware, error) {
	h := w.said.Hedge
	if h == nil {
		return nil, nil
	}
	cfg := h.Config
	cfg.Budget, cfg.Recorder = b, w.recorder
	m, err := Keep(w.store, w.to.String()+"/hedge", cfg, hedge.New)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", &h.Own, err)
	}
	return when(h.Match, m), nil
}

// each is what stands inside the retries and bounds attempts, outermost first.
func (w *own) each() ([]enmesh.Middleware, error) {
	broken, err := w.breaker()
	if err != nil {
		return nil, err
	}
	most, err := w.concurrency(w.to.Service, w.said.Concurrency)
	return []enmesh.Middleware{broken, most}, err
}

// breaker is nil for none.
func (w *own) breaker() (enmesh.Middleware, error) {
	b := w.said.Breaker
	if b == nil {
		return nil, nil
	}
	of := w.to.Service
	if b.PerRoute {
		of += "/" + w.origin.rule().RouteName(w.origin.match())
	}
	cfg := b.Config
	cfg.Recorder = w.recorder
	log := w.policies.mesh.cfg.log.With("breaker", of)
	one, err := Keep(w.store, of+breakerOwner, cfg, func(cfg breaker.Config) (*breaker.Breaker, error) {
		return breaker.New(cfg, breaker.OnChange(func(c breaker.Change) {
			log.Warn("circuit breaker changed", "from", c.From.String(), "to", c.To.String(), "shadow", cfg.Shadow)
		}))
	})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", &b.Own, err)
	}
	return one.Middleware(), nil
}

// fallback is empty for none. One that asks another destination and has a cache is made in
// two parts: the cache is kept over a reload, and the way to the destination is not.
func (w *own) fallback() ([]enmesh.Middleware, error) {
	f := w.said.Fallback
	if f == nil {
		return nil, nil
	}
	cfg := f.Config
	cfg.Recorder = w.recorder
	elsewhere := cfg
	elsewhere.Cache, elsewhere.Static = fallback.Cache{}, fallback.Static{}
	cfg.Destination = enmesh.Destination{}
	var out []enmesh.Middleware
	if cfg.Cache.On || cfg.Static != (fallback.Static{}) {
		here, err := Keep(w.store, w.to.String()+"/fallback", cfg, func(cfg fallback.Config) (enmesh.Middleware, error) { return fallback.New(cfg) })
		if err != nil {
			return nil, fmt.Errorf("%s: %w", &f.Own, err)
		}
		out = append(out, here)
	}
	if elsewhere.Destination.Service == "" {
		return out, nil
	}
	way, err := w.wayTo(elsewhere.Destination)
	if err != nil {
		return nil, err
	}
	there, err := fallback.New(elsewhere, fallback.Through(way...))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", &f.Own, err)
	}
	return append(out, there), nil
}

// wayTo is what stands before another destination: its own breaker and bounds.
func (w *own) wayTo(d enmesh.Destination) ([]enmesh.Middleware, error) {
	each, err := w.policies.own(w.store, w.origin, d).each()
	if err != nil {
		return nil, err
	}
	return w.policies.way(w.store, w.origin, d, each...)
}

// resends reports whether policy for one of the rule's destinations sends calls again.
func resends(s *policy.Snapshot, r *policy.Rule) bool {
	for _, t := range r.Split {
		said := s.Outbound(t.Service)
		if said.Hedge != nil || said.Fallback != nil && said.Fallback.Config.Destination.Service != "" {
			return true
		}
	}
	return false
}
