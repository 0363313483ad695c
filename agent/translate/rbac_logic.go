// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package translate

import rbacpb "github.com/envoyproxy/go-control-plane/envoy/config/rbac/v3"

func anything() *rbacpb.Permission {
	return &rbacpb.Permission{Rule: &rbacpb.Permission_Any{Any: true}}
}

func anybody() *rbacpb.Principal {
	return &rbacpb.Principal{Identifier: &rbacpb.Principal_Any{Any: true}}
}

// decided is a permission that is known beforehand.
func decided(holds bool) *rbacpb.Permission { return negate(anything(), !holds) }

func unless(p *rbacpb.Permission) *rbacpb.Permission {
	return &rbacpb.Permission{Rule: &rbacpb.Permission_NotRule{NotRule: p}}
}

func negate(p *rbacpb.Permission, negated bool) *rbacpb.Permission {
	if !negated {
		return p
	}
	return unless(p)
}

func negateWho(p *rbacpb.Principal, negated bool) *rbacpb.Principal {
	if !negated {
		return p
	}
	return &rbacpb.Principal{Identifier: &rbacpb.Principal_NotId{NotId: p}}
}

// allOf is all of a list; of none, anything.
func allOf(list []*rbacpb.Permission) *rbacpb.Permission {
	switch len(list) {
	case 0:
		return anything()
	case 1:
		return list[0]
	}
	return &rbacpb.Permission{Rule: &rbacpb.Permission_AndRules{AndRules: &rbacpb.Permission_Set{Rules: list}}}
}

// anyOf is any of a list, which is not empty.
func anyOf(list []*rbacpb.Permission) *rbacpb.Permission {
	if len(list) == 1 {
		return list[0]
	}
	return &rbacpb.Permission{Rule: &rbacpb.Permission_OrRules{OrRules: &rbacpb.Permission_Set{Rules: list}}}
}

// allOfThem is allOf for who calls.
func allOfThem(list []*rbacpb.Principal) *rbacpb.Principal {
	switch len(list) {
	case 0:
		return anybody()
	case 1:
		return list[0]
	}
	return &rbacpb.Principal{Identifier: &rbacpb.Principal_AndIds{AndIds: &rbacpb.Principal_Set{Ids: list}}}
}

// anyOfThem is anyOf for who calls.
func anyOfThem(list []*rbacpb.Principal) *rbacpb.Principal {
	if len(list) == 1 {
		return list[0]
	}
	return &rbacpb.Principal{Identifier: &rbacpb.Principal_OrIds{OrIds: &rbacpb.Principal_Set{Ids: list}}}
}
