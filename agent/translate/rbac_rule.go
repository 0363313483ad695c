// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package translate

import (
	"strings"

	rbacpb "github.com/envoyproxy/go-control-plane/envoy/config/rbac/v3"

	"github.com/enmesh-go/enmesh/policy"
	"github.com/enmesh-go/enmesh/security/authz"
)

// rule translates one rule of an AuthorizationPolicy.
type rule struct {
	*server
	policy *authz.Policy
	deny   bool // what it matches is denied
	origin string
}

// side is one list of values, and whether none of them is to match.
type side struct {
	field   string
	values  []string
	negated bool
}

// sides are the values and the values that are not to match.
func sides(field string, values, not []string) [2]side {
	return [2]side{{field, values, false}, {"not" + strings.ToUpper(field[:1]) + field[1:], not, true}}
}

// wide reports whether a match is to err on the side of matching: whatever is in doubt
// is denied.
func (r *rule) wide(negated bool) bool { return r.deny != negated }

// unseen notes what gRPC cannot see, and reports whether the rule goes on without it:
// one that denies does, and denies more.
func (r *rule) unseen(what, why string) bool {
	if r.deny {
		r.notes.add(policy.Rejected, r.origin, what+": "+why+": the rule denies whether it holds or not")
	} else {
		r.notes.add(policy.Rejected, r.origin, what+": "+why+": the rule allows nothing by it")
	}
	return r.deny
}

// translate is the rule: what is called, and who calls. It reports false if the rule
// matches nothing.
func (r *rule) translate(in *authz.Rule) (*rbacpb.Policy, bool) {
	what := r.operations(in.To)
	who, ok := r.sources(in.From)
	if !ok {
		return nil, false
	}
	permissions, principals := []*rbacpb.Permission{what}, []*rbacpb.Principal{who}
	for i := range in.When {
		c := &in.When[i]
		for _, s := range sides("values", c.Values, c.NotValues) {
			if len(s.values) == 0 {
				continue
			}
			p, q, ok := r.condition(c.Key, s)
			switch {
			case !ok:
				return nil, false
			case p != nil:
				permissions = append(permissions, negate(p, s.negated))
			case q != nil:
				principals = append(principals, negateWho(q, s.negated))
			}
		}
	}
	return &rbacpb.Policy{
		Permissions: []*rbacpb.Permission{allOf(permissions)}, Principals: []*rbacpb.Principal{allOfThem(principals)},
	}, true
}

// operations is any of the clauses of "to".
func (r *rule) operations(list []authz.Operation) *rbacpb.Permission {
	if len(list) == 0 {
		return anything()
	}
	var some []*rbacpb.Permission
	for i := range list {
		o := &list[i]
		var all []*rbacpb.Permission
		for _, s := range sides("hosts", o.Hosts, o.NotHosts) {
			all = r.listed(all, s, r.host)
		}
		for _, s := range sides("ports", o.Ports, o.NotPorts) {
			all = r.listed(all, s, r.port)
		}
		for _, s := range sides("methods", o.Methods, o.NotMethods) {
			all = r.listed(all, s, r.method)
		}
		for _, s := range sides("paths", o.Paths, o.NotPaths) {
			all = r.listed(all, s, r.path)
		}
		some = append(some, allOf(all))
	}
	return anyOf(some)
}

// listed adds a list of values to what all must hold.
func (r *rule) listed(all []*rbacpb.Permission, s side, one func(value string, wide bool) *rbacpb.Permission) []*rbacpb.Permission {
	if len(s.values) == 0 {
		return all
	}
	return append(all, negate(r.values(s, one), s.negated))
}

func (r *rule) values(s side, one func(value string, wide bool) *rbacpb.Permission) *rbacpb.Permission {
	var some []*rbacpb.Permission
	for _, v := range s.values {
		some = append(some, one(v, r.wide(s.negated)))
	}
	return anyOf(some)
}

// sources is any of the clauses of "from": those that gRPC cannot see all of allow nobody.
func (r *rule) sources(list []authz.Source) (*rbacpb.Principal, bool) {
	if len(list) == 0 {
		return anybody(), true
	}
	var some []*rbacpb.Principal
	for i := range list {
		if who, ok := r.source(&list[i]); ok {
			some = append(some, who)
		}
	}
	if len(some) == 0 {
		return nil, false
	}
	return anyOfThem(some), true
}

func (r *rule) source(in *authz.Source) (*rbacpb.Principal, bool) {
	var all []*rbacpb.Principal
	for _, f := range []struct {
		sides [2]side
		one   func(value string, wide bool) *rbacpb.Principal
	}{
		{sides("principals", in.Principals, in.NotPrincipals), r.principal},
		{sides("namespaces", in.Namespaces, in.NotNamespaces), r.namespace},
		{sides("serviceAccounts", in.ServiceAccounts, in.NotServiceAccounts), r.serviceAccount},
		{sides("trustDomains", in.TrustDomains, in.NotTrustDomains), r.trustDomain},
		{sides("ipBlocks", in.IPBlocks, in.NotIPBlocks), r.block},
		{sides("remoteIpBlocks", in.RemoteIPBlocks, in.NotRemoteIPBlocks), r.block},
		{sides("requestPrincipals", in.RequestPrincipals, in.NotRequestPrincipals), nil},
	} {
		for _, s := range f.sides {
			switch {
			case len(s.values) == 0:
			case f.one != nil:
				all = append(all, negateWho(r.people(s, f.one), s.negated))
			case !r.unseen(s.field, "gRPC looks at no tokens"):
				return nil, false
			}
		}
	}
	return allOfThem(all), true
}

func (r *rule) people(s side, one func(value string, wide bool) *rbacpb.Principal) *rbacpb.Principal {
	var some []*rbacpb.Principal
	for _, v := range s.values {
		some = append(some, one(v, r.wide(s.negated)))
	}
	return anyOfThem(some)
}

// condition is one side of a condition of "when", before it is negated: what is called or
// who calls; neither, if it is left out. It reports false if the rule matches nothing.
func (r *rule) condition(key string, s side) (*rbacpb.Permission, *rbacpb.Principal, bool) {
	switch key {
	case "source.ip", "remote.ip":
		return nil, r.people(s, r.block), true
	case "source.namespace":
		return nil, r.people(s, r.namespace), true
	case "source.principal":
		return nil, r.people(s, r.principal), true
	case "source.serviceAccount":
		return nil, r.people(s, r.serviceAccount), true
	case "source.trustDomain":
		return nil, r.people(s, r.trustDomain), true
	case "destination.ip":
		return r.values(s, r.local), nil, true
	case "destination.port":
		return r.values(s, r.port), nil, true
	}
	name, ok := strings.CutPrefix(key, "request.headers[")
	if !ok {
		return nil, nil, r.unseen(key, "gRPC cannot see it")
	}
	name = strings.ToLower(strings.Trim(strings.TrimSuffix(name, "]"), `"'`))
	switch {
	case name == ":authority" || name == "host":
		return r.values(s, r.host), nil, true
	case name == ":method":
		return r.values(s, r.method), nil, true
	case name == "" || strings.HasPrefix(name, ":") || strings.HasPrefix(name, "grpc-") || strings.HasSuffix(name, "-bin") || name == "te":
		return nil, nil, r.unseen(key, "gRPC cannot see this header")
	}
	return r.values(s, func(v string, wide bool) *rbacpb.Permission { return header(name, v, wide) }), nil, true
}
