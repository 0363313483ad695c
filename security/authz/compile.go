// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package authz

import (
	"errors"
	"fmt"
)

// compiler makes rules of the policies of a Config.
type compiler struct {
	domains   domains
	checkers  map[string]Checker
	namespace string // of the policy at hand
}

// bad says which value of a list is wrong, and how.
func bad(i int, value string, err error) error {
	const most = 120
	if len(value) > most {
		value = value[:most] + "..."
	}
	return fmt.Errorf("[%d]: %q %w", i, value, err)
}

// policy compiles one policy.
func (c *compiler) policy(p *Policy) ([]rule, error) {
	rules, err := c.rules(p)
	if err == nil {
		return rules, nil
	}
	name := p.name()
	if p.Origin != "" {
		return nil, fmt.Errorf("authz: %s: policy %q: %w", p.Origin, name, err)
	}
	return nil, fmt.Errorf("authz: policy %q: %w", name, err)
}

func (c *compiler) rules(p *Policy) ([]rule, error) {
	if err := c.check(p); err != nil {
		return nil, err
	}
	c.namespace = p.Namespace
	own := &owner{p.name(), p.Action, p.DryRun, p.Provider}
	rules := make([]rule, 0, len(p.Rules))
	for i := range p.Rules {
		r, err := c.rule(&p.Rules[i])
		if err != nil {
			return nil, fmt.Errorf("rules[%d]%w", i, err)
		}
		r.owner, r.label = own, fmt.Sprintf("rules[%d]", i)
		if r.origin == "" {
			r.origin = p.Origin
		}
		rules = append(rules, r)
	}
	return rules, nil
}

// check looks at what a policy says outside its rules.
func (c *compiler) check(p *Policy) error {
	switch {
	case p.Action > Custom:
		return fmt.Errorf("action %d is not Allow, Deny, Audit or Custom", p.Action)
	case len(p.Rules) == 0 && (p.Action == Deny || p.Action == Custom):
		return fmt.Errorf("action %s without rules never matches: give it rules, or leave the policy out", p.Action)
	case p.DryRun && p.Action != Allow && p.Action != Deny:
		return fmt.Errorf("a dry run is of action ALLOW or DENY, not of %s", p.Action)
	case p.Action != Custom && p.Provider != "":
		return fmt.Errorf("provider %q is for action CUSTOM, not for %s", p.Provider, p.Action)
	case p.Action == Custom && p.Provider == "":
		return errors.New("action CUSTOM needs a provider")
	case p.Action == Custom && c.checkers[p.Provider] == nil:
		return fmt.Errorf("provider %q is not one of Config.Checkers", p.Provider)
	}
	return nil
}

// rule compiles one rule. Its errors begin where the path of the field goes on.
func (c *compiler) rule(in *Rule) (rule, error) {
	out := rule{origin: in.Origin}
	switch {
	case in.From != nil && len(in.From) == 0:
		return out, errors.New(".from: is empty: leave it out for anybody")
	case in.To != nil && len(in.To) == 0:
		return out, errors.New(".to: is empty: leave it out for anything")
	case in.When != nil && len(in.When) == 0:
		return out, errors.New(".when: is empty: leave it out for always")
	}
	for i := range in.From {
		clause, err := c.source(&in.From[i])
		if err != nil {
			return out, fmt.Errorf(".from[%d].source%w", i, err)
		}
		out.from = append(out.from, clause)
	}
	for i := range in.To {
		clause, err := c.operation(&in.To[i])
		if err != nil {
			return out, fmt.Errorf(".to[%d].operation%w", i, err)
		}
		out.to = append(out.to, clause)
	}
	for i := range in.When {
		atoms, err := c.condition(&in.When[i])
		if err != nil {
			return out, fmt.Errorf(".when[%d]%w", i, err)
		}
		out.when = append(out.when, atoms...)
	}
	return out, nil
}

// entry is one list of values in a source or an operation.
type entry struct {
	attr    attribute
	name    string
	negated bool
	values  []string
}

// clause compiles the lists that are set.
func (c *compiler) clause(entries []entry) ([]atom, error) {
	var atoms []atom
	for _, e := range entries {
		if e.values == nil {
			continue
		}
		a, err := c.atom(e)
		if err != nil {
			return nil, fmt.Errorf(".%s%w", e.name, err)
		}
		atoms = append(atoms, a)
	}
	if len(atoms) == 0 {
		return nil, errors.New(": has no field: say what it is to match, or leave it out")
	}
	return atoms, nil
}

func (c *compiler) source(s *Source) ([]atom, error) {
	if (s.ServiceAccounts != nil || s.NotServiceAccounts != nil) &&
		(s.Principals != nil || s.NotPrincipals != nil || s.Namespaces != nil || s.NotNamespaces != nil) {
		return nil, errors.New(".serviceAccounts: cannot stand beside principals or namespaces: use one or the other")
	}
	return c.clause([]entry{
		{principal, "principals", false, s.Principals},
		{principal, "notPrincipals", true, s.NotPrincipals},
		{serviceAccount, "serviceAccounts", false, s.ServiceAccounts},
		{serviceAccount, "notServiceAccounts", true, s.NotServiceAccounts},
		{namespace, "namespaces", false, s.Namespaces},
		{namespace, "notNamespaces", true, s.NotNamespaces},
		{trustDomain, "trustDomains", false, s.TrustDomains},
		{trustDomain, "notTrustDomains", true, s.NotTrustDomains},
		{requestPrincipal, "requestPrincipals", false, s.RequestPrincipals},
		{requestPrincipal, "notRequestPrincipals", true, s.NotRequestPrincipals},
		{sourceIP, "ipBlocks", false, s.IPBlocks},
		{sourceIP, "notIpBlocks", true, s.NotIPBlocks},
		{remoteIP, "remoteIpBlocks", false, s.RemoteIPBlocks},
		{remoteIP, "notRemoteIpBlocks", true, s.NotRemoteIPBlocks},
	})
}

func (c *compiler) operation(o *Operation) ([]atom, error) {
	return c.clause([]entry{
		{method, "methods", false, o.Methods},
		{method, "notMethods", true, o.NotMethods},
		{path, "paths", false, o.Paths},
		{path, "notPaths", true, o.NotPaths},
		{host, "hosts", false, o.Hosts},
		{host, "notHosts", true, o.NotHosts},
		{destinationPort, "ports", false, o.Ports},
		{destinationPort, "notPorts", true, o.NotPorts},
	})
}
