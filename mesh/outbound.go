// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package mesh

import (
	"context"
	"fmt"
	"slices"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/balance"
	"github.com/enmesh-go/enmesh/limit/concurrency"
	"github.com/enmesh-go/enmesh/policy"
	"github.com/enmesh-go/enmesh/resilience"
	"github.com/enmesh-go/enmesh/resilience/fault"
	"github.com/enmesh-go/enmesh/resilience/retry"
	"github.com/enmesh-go/enmesh/resilience/timeout"
)

// hosts are the rules of a snapshot for the Table.
func (p *policies) hosts(s *policy.Snapshot) []Host {
	var hosts []Host
	for _, svc := range s.Services {
		h := Host{Names: svc.Hosts}
		for _, r := range svc.Rules {
			h.Rules = append(h.Rules, p.rule(s, r))
		}
		hosts = append(hosts, h)
	}
	return hosts
}

// unknown is the rule of a host that no VirtualService names.
func (p *policies) unknown() Rule {
	r := &policy.Rule{Name: "default", Retry: policy.DefaultRetry()}
	return Rule{Name: r.Name, Resends: true, Build: func(st *Store, d enmesh.Destination) ([]enmesh.Middleware, error) {
		return p.chain(st, p.current.Load(), r, d)
	}}
}

// rule makes a rule of the Table from a compiled one.
func (p *policies) rule(s *policy.Snapshot, r *policy.Rule) Rule {
	made := Rule{
		Name: r.Name, Resends: r.Retry.MaxAttempts != 1, AttemptTimeout: r.PerTry,
		Build: func(st *Store, d enmesh.Destination) ([]enmesh.Middleware, error) { return p.chain(st, s, r, d) },
	}
	if len(r.Match) > 0 {
		made.Match = func(c *enmesh.Call) bool { _, ok := r.Matches(c); return ok }
	}
	for _, t := range r.Split {
		made.Split = append(made.Split, Target{Destination: t.Destination, Weight: t.Weight, Wrap: t.Headers.Middleware()})
	}
	return made
}

// chain is the middleware of a rule's calls to one destination, outermost first.
func (p *policies) chain(st *Store, s *policy.Snapshot, r *policy.Rule, d enmesh.Destination) ([]enmesh.Middleware, error) {
	outer := slices.Concat(p.side.outer(), p.mesh.cfg.outbound)
	if refusal := refusalOf(s, r, d); refusal != nil {
		return append(outer, refuseWith(refusal)), nil
	}
	faults, err := fault.New(r.Fault)
	if err != nil {
		return nil, err
	}
	again, err := p.retry(st, s, r, d)
	if err != nil {
		return nil, err
	}
	limit, err := p.limit(st, s, d)
	if err != nil {
		return nil, err
	}
	inner := []enmesh.Middleware{r.Headers.Middleware(), timeout.Overall(r.Timeout)}
	if r.Fault != (fault.Config{}) {
		inner = append([]enmesh.Middleware{faults}, inner...)
	}
	inner = append(inner, again...)
	return append(slices.Concat(outer, inner), limit, timeout.Attempt(r.PerTry), p.side.attempts), nil
}

// refusalOf is why a rule's calls to a destination are refused, or nil.
func refusalOf(s *policy.Snapshot, r *policy.Rule, d enmesh.Destination) *enmesh.Error {
	dest := s.Destination(d.Service)
	why := r.Refused
	if why == "" {
		why = dest.Traffic(d.Subset, d.Port).TLS.Unenforced()
	}
	if why != "" {
		return &enmesh.Error{
			Code: enmesh.Unimplemented, Outcome: enmesh.Neutral, Unsent: true, Status: 501, Policy: "mesh",
			Err: fmt.Errorf("rule %q of %s: %s", r.Name, r.Origin, why),
		}
	}
	if _, ok := dest.Labels(d.Subset); d.Subset != "" && !ok {
		return balance.ErrNoCluster
	}
	return nil
}

// refuseWith is the middleware that ends every call with e.
func refuseWith(e *enmesh.Error) enmesh.Middleware {
	return func(enmesh.Next) enmesh.Next {
		return func(context.Context, *enmesh.Call) error { return e }
	}
}

// retry is a rule's retry and the budget of its destination, which all rules that
// lead there share: the DestinationRule's, else a fifth of the calls and ten a second
// for the whole service.
func (p *policies) retry(st *Store, s *policy.Snapshot, r *policy.Rule, d enmesh.Destination) ([]enmesh.Middleware, error) {
	if r.Retry.MaxAttempts == 1 {
		return nil, nil
	}
	owner, bounds := d.Service+"/budget", resilience.BudgetConfig{}
	if t := s.Destination(d.Service).Traffic(d.Subset, d.Port); t.BoundRetries {
		owner, bounds = d.String()+"/budget", t.Budget
	}
	budget, err := Keep(st, owner, bounds, resilience.NewBudget)
	if err != nil {
		return nil, err
	}
	cfg := r.Retry
	cfg.Budget = budget
	again, err := retry.New(cfg)
	if err != nil {
		return nil, fmt.Errorf("retries of %s: %w", r.Origin, err)
	}
	return []enmesh.Middleware{budget.Middleware(), again}, nil
}

// limit is the bound of requests to a destination: nil for none.
func (p *policies) limit(st *Store, s *policy.Snapshot, d enmesh.Destination) (enmesh.Middleware, error) {
	t := s.Destination(d.Service).Traffic(d.Subset, d.Port)
	if t.MaxRequests == 0 {
		return nil, nil
	}
	gate, err := Keep(st, d.String()+"/requests", concurrency.Config{Max: int64(t.MaxRequests)}, concurrency.NewFixed)
	if err != nil {
		return nil, err
	}
	return enmesh.Guard(gate), nil
}
