// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package mesh

import (
	"context"
	"fmt"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/policy"
)

// pages deals with calls that pages make to this process, by the rule of a VirtualService
// that such a call matches: one for the host that is called, else one for the process's own
// service. Nothing else of these rules holds for the calls that a process serves.
type pages struct {
	naming   enmesh.Naming
	self     string // the key of the process's service; "": it is nobody's
	snapshot *policy.Snapshot
	rules    map[*policy.Rule]enmesh.Middleware // those with a corsPolicy that act
}

// pagesOf is the middleware for s; nil where it has no corsPolicy.
func pagesOf(n enmesh.Naming, self string, s *policy.Snapshot) (enmesh.Middleware, error) {
	p := &pages{n, self, s, map[*policy.Rule]enmesh.Middleware{}}
	for _, svc := range s.Services {
		for _, r := range svc.Rules {
			m, err := corsOf(r)
			if err != nil {
				return nil, err
			}
			if m != nil {
				p.rules[r] = m
			}
		}
	}
	if len(p.rules) == 0 {
		return nil, nil
	}
	return p.middleware, nil
}

// corsOf is what a rule does with calls from pages; nil: nothing. As in Envoy, a rule that
// answers by itself does nothing.
func corsOf(r *policy.Rule) (enmesh.Middleware, error) {
	if r.CORS == nil || !sends(r) {
		return nil, nil
	}
	m, err := r.CORS.Middleware()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", r.Origin, err)
	}
	return m, nil
}

func (p *pages) middleware(next enmesh.Next) enmesh.Next {
	through := make(map[*policy.Rule]enmesh.Next, len(p.rules))
	for r, m := range p.rules {
		through[r] = m(next)
	}
	return func(ctx context.Context, c *enmesh.Call) error {
		if c.Protocol != enmesh.HTTP || c.Header == nil || len(c.Header.Values("Origin")) == 0 {
			return next(ctx, c)
		}
		if t := through[p.rule(c)]; t != nil {
			return t(ctx, c)
		}
		return next(ctx, c)
	}
}

// rule is the rule that a call matches, or nil.
func (p *pages) rule(c *enmesh.Call) *policy.Rule {
	svc := p.snapshot.Service(p.naming.Key(c.Service))
	if svc == nil && p.self != "" {
		svc = p.snapshot.Service(p.self)
	}
	if svc == nil {
		return nil
	}
	return svc.Find(c)
}
