// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package intentions

import (
	"errors"
	"fmt"

	"github.com/enmesh-go/enmesh/security/authz"
)

// ErrNotExpressible is found in the error of [Set.Policies] for what policies cannot say.
var ErrNotExpressible = errors.New("it cannot be said by an authorization policy")

// maxRules bounds how many rules one permission becomes.
const maxRules = 256

// Policies writes the intentions as policies of an engine of package authz, which then
// decides as the Set does. The engine is to have no others, its Default is as
// [Set.AllowByDefault] says, and an ID of the trust domain is taken for a service's, which is
// what Consul's authority issues.
//
// Policies know neither regular expressions, nor headers that must only be there, contain a
// text or are compared without regard to case, nor namespaces beside "default". An intention
// with one of these is an error, which wraps [ErrNotExpressible] and names it: such a Set is
// for an [Authorizer] alone.
func (s *Set) Policies() ([]authz.Policy, error) {
	p := authz.Policy{Name: "intentions-" + s.service, Namespace: "default", Action: authz.Allow, Origin: "consul"}
	if s.allow {
		p.Action = authz.Deny
		p.Rules = append(p.Rules, authz.Rule{
			Origin: "no service of the cluster",
			When:   []authz.Condition{{Key: "source.principal", NotValues: []string{s.trustDomain + "/ns/*"}}},
		})
	}
	var before []string // sources by their names, which go before "*"
	for _, i := range s.ordered {
		if i.foreign || i.name != "*" && s.exact[i.source] != i {
			continue // it matches nobody, or another one goes before it
		}
		if i.namespace != "default" {
			return nil, fmt.Errorf("intentions: %s: the namespace %q: %w", i.text, i.namespace, ErrNotExpressible)
		}
		from := authz.Source{TrustDomains: []string{s.trustDomain}, NotPrincipals: before}
		if i.name != "*" {
			one := "*/svc/" + i.name
			from.Principals, from.NotPrincipals = []string{one}, nil
			before = append(before[:len(before):len(before)], one)
		}
		rules, err := s.rules(i, from)
		if err != nil {
			return nil, fmt.Errorf("intentions: %s: %w", i.text, err)
		}
		p.Rules = append(p.Rules, rules...)
		if i.name == "*" {
			break // nobody is left
		}
	}
	return []authz.Policy{p}, nil
}

// rules are those of one intention, as far as it says something else than the default.
func (s *Set) rules(i *intention, from authz.Source) ([]authz.Rule, error) {
	rule := authz.Rule{Origin: i.text, From: []authz.Source{from}, When: []authz.Condition{
		{Key: "source.principal", Values: []string{s.trustDomain + "/ns/default/dc/*"}},
	}}
	if i.broken || !i.layer7 {
		if (i.allow && !i.broken) == s.allow {
			return nil, nil
		}
		return []authz.Rule{rule}, nil
	}
	var out []authz.Rule
	var earlier []*permission // with the default's action: what they match is not matched here
	for n := range i.permissions {
		p := &i.permissions[n]
		switch {
		case p.allow && p.jwt: // it never matches
		case p.allow == s.allow:
			earlier = append(earlier, p)
		default:
			terms, err := without(p, earlier)
			if err != nil {
				return nil, fmt.Errorf("permission %d: %w", n+1, err)
			}
			for _, t := range terms {
				out = append(out, t.rule(rule, n+1))
			}
		}
	}
	return out, nil
}

// without is p less what others match, as terms of which any may hold.
func without(p *permission, others []*permission) ([]term, error) {
	first, err := literals(p)
	if err != nil {
		return nil, err
	}
	var whole term
	for _, l := range first {
		whole.add(l, false)
	}
	terms := []term{whole}
	for _, other := range others {
		parts, err := literals(other)
		if err != nil {
			return nil, err
		}
		var next []term
		for _, t := range terms {
			for _, l := range parts {
				less := t.clone()
				less.add(l, true)
				next = append(next, less)
			}
		}
		if terms = next; len(terms) > maxRules {
			return nil, fmt.Errorf("it would take over %d rules: %w", maxRules, ErrNotExpressible)
		}
	}
	return terms, nil
}
