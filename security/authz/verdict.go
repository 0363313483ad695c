// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package authz

import "fmt"

// verdict is a decision before anybody asks for it in words.
type verdict struct {
	allowed bool
	failed  bool   // nothing could be decided
	rule    *rule  // that decided; nil: none did
	reason  string // "" only of a Checker that allows
	err     error  // the answer, where it is not the plain refusal
}

// rulebook is what decides after the Custom policies.
type rulebook struct {
	deny, allow *table
	gated       bool // there is an Allow policy, be it without rules
	fallback    Default
}

// decide takes what is in doubt for a match of Deny rules, and for none of Allow rules.
func (b *rulebook) decide(v *view) verdict {
	if r := b.deny.find(v, true); r != nil {
		return verdict{rule: r, reason: reasonDenied}
	}
	if b.gated {
		if r := b.allow.find(v, false); r != nil {
			return verdict{allowed: true, rule: r, reason: reasonAllowed}
		}
		return verdict{reason: reasonNoAllow}
	}
	if b.fallback == DenyByDefault {
		return verdict{reason: reasonDefault}
	}
	return verdict{allowed: true, reason: reasonNoPolicy}
}

// policies are compiled rules by action, and of which actions there are any policies.
type policies struct {
	rules [Custom + 1][]rule
	there [Custom + 1]bool
}

func (p *policies) add(action Action, rules []rule) {
	p.rules[action] = append(p.rules[action], rules...)
	p.there[action] = true
}

func (p *policies) book(fallback Default) rulebook {
	return rulebook{newTable(p.rules[Deny]), newTable(p.rules[Allow]), p.there[Allow], fallback}
}

// sortPolicies compiles policies into those in force, and, where any is in a dry run, into
// all of them.
func sortPolicies(cfg *Config) (force, dry *policies, err error) {
	comp := compiler{checkers: cfg.Checkers}
	if cfg.TrustDomain != "" {
		comp.domains = append(domains{cfg.TrustDomain}, cfg.Aliases...)
	}
	force, all := &policies{}, &policies{}
	for i := range cfg.Policies {
		p := &cfg.Policies[i]
		rules, err := comp.policy(p)
		if err != nil {
			return nil, nil, err
		}
		all.add(p.Action, rules)
		if p.DryRun {
			dry = all
			continue
		}
		force.add(p.Action, rules)
	}
	return force, dry, oneProvider(cfg.Policies)
}

// oneProvider holds Istio's limit: the Custom policies of one server have one provider.
func oneProvider(list []Policy) error {
	first := ""
	for i := range list {
		p := &list[i]
		if p.Action != Custom {
			continue
		}
		if first != "" && p.Provider != first {
			return fmt.Errorf("authz: policy %q: provider %q: another CUSTOM policy has %q, and a server has one: use the same in both",
				p.name(), p.Provider, first)
		}
		first = p.Provider
	}
	return nil
}
