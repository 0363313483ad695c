// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package mesh

import (
	"context"
	"fmt"
	"slices"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/balance"
	"github.com/enmesh-go/enmesh/balance/route"
	"github.com/enmesh-go/enmesh/limit/concurrency"
	"github.com/enmesh-go/enmesh/limit/shed"
	"github.com/enmesh-go/enmesh/policy"
	"github.com/enmesh-go/enmesh/resilience/fault"
	"github.com/enmesh-go/enmesh/resilience/timeout"
)

// hosts are the rules of a snapshot for the Table.
func (p *policies) hosts(s *policy.Snapshot) []Host {
	var hosts []Host
	for _, svc := range s.Services {
		h := Host{Names: svc.Hosts}
		for i := range svc.Rules {
			h.Rules = append(h.Rules, p.rules(origin{snapshot: s, service: svc, at: i})...)
		}
		hosts = append(hosts, h)
	}
	return hosts
}

// unknown is the rule of a host that no VirtualService names.
func (p *policies) unknown() Rule {
	return Rule{Name: standard.Name, Resends: true, Build: func(st *Store, to Target) ([]enmesh.Middleware, error) {
		chain, err := p.chain(st, &origin{snapshot: p.current.Load(), service: lawless}, to)
		return append(chain, p.stranger), err
	}}
}

// standard is the rule of hosts that policy has none for; lawless is what has it.
var (
	standard = &policy.Rule{Name: "default", Retry: policy.DefaultRetry()}
	lawless  = &policy.Service{Rules: []*policy.Rule{standard}}
)

// origin is what a rule of the Table was made of.
type origin struct {
	snapshot *policy.Snapshot
	service  *policy.Service
	at       int // in the service's rules
	from, to int // the matches, of the rule's; none: it has none
}

func (o *origin) rule() *policy.Rule { return o.service.Rules[o.at] }

// match is the one that edits go by, or nil.
func (o *origin) match() *route.Match {
	if o.from == o.to {
		return nil
	}
	return o.rule().Match[o.from]
}

// rules makes rules of the Table from a compiled one: one for each of its matches
// that has a name of its own, or a path of its own to edit, and else one for several.
func (p *policies) rules(o origin) []Rule {
	r := o.rule()
	if len(r.Match) == 0 {
		return []Rule{p.rule(o, nil)}
	}
	var out []Rule
	for rest := r.Match; len(rest) > 0; {
		n := 1
		for n < len(rest) && rest[n].Name == rest[0].Name && !editsPath(r) {
			n++
		}
		same := rest[:n]
		o.from = o.to
		o.to += n
		out, rest = append(out, p.rule(o, func(c *enmesh.Call) bool {
			return slices.ContainsFunc(same, func(m *route.Match) bool { return m.Matches(c) })
		})), rest[n:]
	}
	return out
}

// sends reports whether a rule sends calls on.
func sends(r *policy.Rule) bool { return r.Redirect == nil && r.Direct == nil }

// editsPath reports whether what a rule makes of a path depends on the match.
func editsPath(r *policy.Rule) bool {
	return r.Rewrite.URI != "" || r.Redirect != nil && r.Redirect.PrefixRewrite != ""
}

// rule makes a rule of the Table of a part of a compiled one: the calls that matches takes.
func (p *policies) rule(o origin, matches func(*enmesh.Call) bool) Rule {
	r, m := o.rule(), o.match()
	made := Rule{
		Name: r.RouteName(m), Match: matches, Resends: sends(r) && (r.Retry.MaxAttempts != 1 || len(r.Mirrors) > 0 || resends(o.snapshot, r)), AttemptTimeout: r.PerTry, RemoteAfter: r.RemoteAfter,
		Build: func(st *Store, to Target) ([]enmesh.Middleware, error) { return p.chain(st, &o, to) },
		from:  &o,
	}
	for _, t := range r.Split {
		made.Split = append(made.Split, Target{Destination: t.Destination, Weight: t.Weight, Headers: t.Headers})
	}
	return made
}

// chain is the middleware of a rule's calls to one destination, outermost first.
func (p *policies) chain(st *Store, o *origin, to Target) ([]enmesh.Middleware, error) {
	s, r, m, d := o.snapshot, o.rule(), o.match(), to.Destination
	log := p.recorder(o, d)
	outer := append(slices.Concat(p.side.outer(log), p.mesh.cfg.outbound), shed.Send())
	if answer, err := answerOf(r, m); answer != nil || err != nil {
		return append(outer, answer), err
	}
	pages, err := corsOf(r)
	if err != nil {
		return nil, err
	}
	outer = append(outer, pages)
	faults, err := fault.New(r.Fault)
	if err != nil {
		return nil, err
	}
	trial, err := p.trial(r)
	if err != nil {
		return nil, err
	}
	if r.Fault != (fault.Config{}) {
		outer = append(outer, faults)
	}
	outer = append(outer, trial.fault)
	if refusal := alwaysRefused(s, r, d); refusal != nil {
		return append(outer, refuseWith(refusal)), nil
	}
	edits, key, err := p.edits(s, r, m, to)
	if err != nil {
		return nil, err
	}
	refused, err := refusals(s, r, d)
	if err != nil {
		return nil, err
	}
	mirror, err := p.mirror(st, o)
	if err != nil {
		return nil, err
	}
	own := p.own(st, o, d)
	whole, err := own.whole()
	if err != nil {
		return nil, err
	}
	again, err := own.again(r)
	if err != nil {
		return nil, err
	}
	each, err := own.each()
	if err != nil {
		return nil, err
	}
	limit, err := p.limit(st, s, d)
	if err != nil {
		return nil, err
	}
	inner := []enmesh.Middleware{edits, mirror, timeout.Overall(r.Timeout), trial.overall, p.port(s, d), refused, key}
	return append(slices.Concat(outer, inner, whole, again, each), limit, timeout.Attempt(r.PerTry), trial.attempt, p.side.attempts(log)), nil
}

// recorder records a rule's calls to a destination.
func (p *policies) recorder(o *origin, d enmesh.Destination) *recorder {
	return p.mesh.decisions.recorder(d.Service, o.rule().Origin, o.service.Hosts)
}

// edits is what a rule makes of a call on its way to a destination, and what gives it its
// key: [Mesh.Explain] does the same to the call that it is asked about.
func (p *policies) edits(s *policy.Snapshot, r *policy.Rule, m *route.Match, to Target) (edits, key enmesh.Middleware, err error) {
	rewrite, err := r.Rewrite.Middleware(m)
	if err != nil {
		return nil, nil, err
	}
	key, err = p.affinityOf(s, to.Destination)
	return enmesh.Chain(route.EditHeaders(r.Headers, to.Headers), rewrite), key, err
}

// mirror sends copies of a rule's calls to its mirrors; nil for none. A copy has no
// span, is not retried, and meets the limits of the destination it goes to.
func (p *policies) mirror(st *Store, o *origin) (enmesh.Middleware, error) {
	r := o.rule()
	var shadows []route.Shadow
	for _, to := range r.Mirrors {
		way, err := p.way(st, o, to.Destination)
		if err != nil {
			return nil, err
		}
		chain := append(p.side.copies(p.recorder(o, to.Destination)), way...)
		shadows = append(shadows, route.Shadow{Share: to.Share, Route: &enmesh.Route{
			Name: r.Name + ".mirror", Destination: to.Destination, Next: enmesh.Chain(chain...)(enmesh.Send),
		}})
	}
	return p.mesh.mirror.Middleware(shadows...), nil
}

// way is what any call meets on the way to a destination that is not the rule's own.
func (p *policies) way(st *Store, o *origin, d enmesh.Destination, inner ...enmesh.Middleware) ([]enmesh.Middleware, error) {
	s, r := o.snapshot, o.rule()
	if refusal := alwaysRefused(s, r, d); refusal != nil {
		return []enmesh.Middleware{refuseWith(refusal)}, nil
	}
	refused, err := refusals(s, r, d)
	if err != nil {
		return nil, err
	}
	limit, err := p.limit(st, s, d)
	return append(append([]enmesh.Middleware{p.port(s, d), refused}, inner...), limit, p.side.attempts(p.recorder(o, d))), err
}

// answerOf is what a rule answers by itself; nil: it sends calls on.
func answerOf(r *policy.Rule, m *route.Match) (enmesh.Middleware, error) {
	switch {
	case r.Redirect != nil:
		return r.Redirect.Middleware(m, r.Headers.Response)
	case r.Direct != nil:
		return r.Direct.Middleware(r.Headers.Response)
	}
	return nil, nil
}

// refusalOf is why a rule's calls to a destination are refused, or nil.
func refusalOf(s *policy.Snapshot, r *policy.Rule, d enmesh.Destination) *enmesh.Error {
	dest := s.Destination(d.Service)
	if why := dest.Traffic(d.Subset, d.Port).TLS.Unenforced(); why != "" {
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

// alwaysRefused is refusalOf where it does not depend on the port of a call.
func alwaysRefused(s *policy.Snapshot, r *policy.Rule, d enmesh.Destination) *enmesh.Error {
	if d.Port == 0 && len(s.Destination(d.Service).Ports(d.Subset)) > 0 {
		return nil
	}
	return refusalOf(s, r, d)
}

// refusals refuses a rule's calls to a destination where refusalOf says so of their port.
func refusals(s *policy.Snapshot, r *policy.Rule, d enmesh.Destination) (enmesh.Middleware, error) {
	return byPort(s, d, func(d enmesh.Destination) (enmesh.Middleware, error) {
		if refusal := refusalOf(s, r, d); refusal != nil {
			return refuseWith(refusal), nil
		}
		return nil, nil
	})
}

// refuseWith is the middleware that ends every call with e.
func refuseWith(e *enmesh.Error) enmesh.Middleware {
	return func(enmesh.Next) enmesh.Next {
		return func(context.Context, *enmesh.Call) error { return e }
	}
}

// limit is the bound of requests to a destination, or to their port of it: nil for none.
func (p *policies) limit(st *Store, s *policy.Snapshot, d enmesh.Destination) (enmesh.Middleware, error) {
	return byPort(s, d, func(d enmesh.Destination) (enmesh.Middleware, error) {
		t := s.Destination(d.Service).Traffic(d.Subset, d.Port)
		if t.MaxRequests == 0 {
			return nil, nil
		}
		gate, err := Keep(st, d.String()+"/requests", concurrency.Config{Max: int64(t.MaxRequests)}, concurrency.NewFixed)
		if err != nil {
			return nil, err
		}
		return enmesh.Guard(gate), nil
	})
}
