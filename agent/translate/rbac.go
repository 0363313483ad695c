// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package translate

import (
	"cmp"
	"strconv"

	rbacpb "github.com/envoyproxy/go-control-plane/envoy/config/rbac/v3"
	filterpb "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/rbac/v3"
	managerpb "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"

	"github.com/enmesh-go/enmesh/policy"
	"github.com/enmesh-go/enmesh/security/authz"
)

// authorization is the filters of a server, in the order that they are asked: what is
// denied, then what is allowed.
//
// Nothing that gRPC cannot evaluate opens. A condition that it cannot see is left out of a
// DENY rule, which then matches more, and takes an ALLOW rule out altogether; what a CUSTOM
// policy would ask a provider about is denied.
func (s *server) authorization() []*managerpb.HttpFilter {
	deny, allow := map[string]*rbacpb.Policy{}, map[string]*rbacpb.Policy{}
	allows := false
	for _, p := range s.security.Authorization {
		title := p.Namespace + "/" + p.Name
		switch {
		case p.DryRun:
			s.notes.add(policy.Ignored, p.Origin, title+" is a dry run: gRPC cannot try policies beside others")
		case p.Action == authz.Audit:
			s.notes.add(policy.Ignored, p.Origin, title+": gRPC has no AUDIT")
		case p.Action == authz.Custom:
			s.notes.add(policy.Rejected, p.Origin, title+": gRPC asks no provider: what the policy matches is denied")
			s.rules(&p, true, deny)
		case p.Action == authz.Deny:
			s.rules(&p, true, deny)
		default:
			allows = true
			s.rules(&p, false, allow)
		}
	}
	if len(s.security.Authentication) > 0 {
		s.notes.add(policy.Ignored, s.security.Authentication[0].Origin, "gRPC looks at no tokens: rules that ask for what they say deny")
	}
	var out []*managerpb.HttpFilter
	if len(deny) > 0 {
		out = append(out, rbac("deny", rbacpb.RBAC_DENY, deny))
	}
	if allows {
		out = append(out, rbac("allow", rbacpb.RBAC_ALLOW, allow))
	}
	return out
}

// denyAll is the filter of a server that may take no call.
func denyAll() []*managerpb.HttpFilter {
	return []*managerpb.HttpFilter{rbac("deny", rbacpb.RBAC_DENY, map[string]*rbacpb.Policy{"all": {Permissions: []*rbacpb.Permission{anything()}, Principals: []*rbacpb.Principal{anybody()}}})}
}

func rbac(name string, action rbacpb.RBAC_Action, policies map[string]*rbacpb.Policy) *managerpb.HttpFilter {
	if len(policies) == 0 { // of ALLOW: then nothing is allowed
		policies = map[string]*rbacpb.Policy{"nothing": {Permissions: []*rbacpb.Permission{unless(anything())}, Principals: []*rbacpb.Principal{anybody()}}}
	}
	return filter("envoy.filters.http.rbac."+name, &filterpb.RBAC{Rules: &rbacpb.RBAC{Action: action, Policies: policies}})
}

// rules adds the rules of a policy, each by a name of its own.
func (s *server) rules(p *authz.Policy, deny bool, out map[string]*rbacpb.Policy) {
	for i := range p.Rules {
		r := &p.Rules[i]
		t := rule{server: s, policy: p, deny: deny, origin: cmp.Or(r.Origin, p.Origin)}
		if made, ok := t.translate(r); ok {
			out[p.Namespace+"/"+p.Name+"/"+strconv.Itoa(i)] = made
		}
	}
}
