// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"context"
	"strconv"
	"strings"

	security "istio.io/api/security/v1beta1"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/internal/reserved"
	"github.com/enmesh-go/enmesh/security/authz"
	"github.com/enmesh-go/enmesh/security/jwt"
	"github.com/enmesh-go/enmesh/security/mtls"
)

// addSecurity takes in one document of the security group, in the order they go before
// one another.
func (b *builder) addSecurity(d *document) {
	if d.group == securityGroup && d.spec != nil {
		b.snapshot.Security.Istio = true
	}
	c := cursor{d, "spec"}
	switch spec := d.spec.(type) {
	case *security.AuthorizationPolicy:
		b.addAuthorization(c, spec)
	case *security.RequestAuthentication:
		b.addAuthentication(c, spec)
	case *security.PeerAuthentication:
		b.addPeers(d, spec)
	}
}

// guards reports whether a document is for this process: it is in the process's
// namespace or the root, and its selector selects the process.
func (b *builder) guards(d *document, labels map[string]string) bool {
	to := attachment{server: true}
	if len(labels) > 0 {
		to.selector = &selectorSpec{labels}
	}
	return b.serves(d, to)
}

func (b *builder) addAuthorization(c cursor, p *security.AuthorizationPolicy) {
	if len(c.doc.broken) > 0 {
		return // refused: nothing will be made of the load
	}
	if p.GetTargetRef() != nil || len(p.GetTargetRefs()) > 0 {
		c.doc.withoutEffect("spec", elsewhereOnly.message)
		return
	}
	made := authorizationOf(c, p)
	if !b.tried(c, made) || !b.guards(c.doc, p.GetSelector().GetMatchLabels()) {
		return
	}
	if len(made.Rules) == 0 && made.Action == authz.Allow {
		c.doc.note("spec", Enforced, "it has no rules, and so allows nothing: calls that no other ALLOW policy allows are denied")
	}
	if len(made.Rules) == 0 && made.Action == authz.Audit {
		c.doc.note("spec", Ignored, "it has no rules, and so audits nothing")
	}
	noteStripped(c, p)
	s := &b.snapshot.Security
	s.Authorization = append(s.Authorization, made)
}

// stripped are the headers that servers take off requests unless they are told otherwise.
var stripped = reserved.New(nil, nil)

// noteStripped says which conditions are on headers that policies do not get to see.
func noteStripped(c cursor, p *security.AuthorizationPolicy) {
	for i, r := range p.GetRules() {
		for j, w := range r.GetWhen() {
			name, ok := strings.CutPrefix(w.GetKey(), "request.headers[")
			name = strings.ToLower(strings.TrimSuffix(name, "]"))
			at := c.field("rules").item(i).field("when").item(j).field("key")
			switch {
			case !ok || name == "host": // that is the authority
			case stripped.Has(name):
				at.note(Approximated, "enmesh's servers take this header off requests, unless TrustHeadersOf (in gRPC TrustMetadataOf) knows the peer: values never match, and notValues always")
			case strings.Contains(name, "_"):
				at.note(Approximated, "over HTTP enmesh's servers take headers with _ in their name off requests, unless they have KeepUnderscores: values never match there, and notValues always")
			}
		}
	}
}

// authorizationOf compiles an AuthorizationPolicy.
func authorizationOf(c cursor, p *security.AuthorizationPolicy) authz.Policy {
	actions := map[security.AuthorizationPolicy_Action]authz.Action{
		security.AuthorizationPolicy_ALLOW: authz.Allow, security.AuthorizationPolicy_DENY: authz.Deny,
		security.AuthorizationPolicy_AUDIT: authz.Audit, security.AuthorizationPolicy_CUSTOM: authz.Custom,
	}
	d := c.doc
	out := authz.Policy{
		Name: d.name, Namespace: d.namespace, Origin: d.origin(), Action: actions[p.GetAction()],
		Provider: p.GetProvider().GetName(), DryRun: d.own[dryRunAnnotation] == "true",
	}
	for i, r := range p.GetRules() {
		out.Rules = append(out.Rules, ruleOf(c.field("rules").item(i), r))
	}
	return out
}

func ruleOf(c cursor, r *security.Rule) authz.Rule {
	out := authz.Rule{Origin: c.origin()}
	for _, f := range r.GetFrom() {
		s := f.GetSource()
		out.From = append(out.From, authz.Source{
			Principals: s.GetPrincipals(), NotPrincipals: s.GetNotPrincipals(),
			RequestPrincipals: s.GetRequestPrincipals(), NotRequestPrincipals: s.GetNotRequestPrincipals(),
			Namespaces: s.GetNamespaces(), NotNamespaces: s.GetNotNamespaces(),
			IPBlocks: s.GetIpBlocks(), NotIPBlocks: s.GetNotIpBlocks(),
			RemoteIPBlocks: s.GetRemoteIpBlocks(), NotRemoteIPBlocks: s.GetNotRemoteIpBlocks(),
			ServiceAccounts: s.GetServiceAccounts(), NotServiceAccounts: s.GetNotServiceAccounts(),
			TrustDomains: s.GetTrustDomains(), NotTrustDomains: s.GetNotTrustDomains(),
		})
	}
	for _, t := range r.GetTo() {
		o := t.GetOperation()
		out.To = append(out.To, authz.Operation{
			Hosts: o.GetHosts(), NotHosts: o.GetNotHosts(), Ports: o.GetPorts(), NotPorts: o.GetNotPorts(),
			Methods: o.GetMethods(), NotMethods: o.GetNotMethods(), Paths: o.GetPaths(), NotPaths: o.GetNotPaths(),
		})
	}
	for _, w := range r.GetWhen() {
		out.When = append(out.When, authz.Condition{Key: w.GetKey(), Values: w.GetValues(), NotValues: w.GetNotValues()})
	}
	return out
}

// tried reports whether the engine takes a policy, and otherwise refuses the rules that
// it does not take, or the document.
func (b *builder) tried(c cursor, p authz.Policy) bool {
	err := try(p)
	if err == nil {
		return true
	}
	for i := range p.Rules {
		one := p
		one.Rules = p.Rules[i : i+1]
		if why := try(one); why != nil {
			c.field("rules").item(i).refuse("%v", why)
			return false
		}
	}
	c.refuse("%v", err)
	return false
}

func try(p authz.Policy) error {
	_, err := authz.New(authz.Config{Policies: []authz.Policy{p}, Checkers: map[string]authz.Checker{p.Provider: anybody{}}})
	return err
}

// anybody stands for the Checkers that a program gives the mesh.
type anybody struct{}

func (anybody) Check(context.Context, *enmesh.Call) error { return nil }

func (b *builder) addAuthentication(c cursor, r *security.RequestAuthentication) {
	if len(c.doc.broken) > 0 {
		return // refused: nothing will be made of the load
	}
	if r.GetTargetRef() != nil || len(r.GetTargetRefs()) > 0 {
		c.doc.withoutEffect("spec", elsewhereOnly.message)
		return
	}
	var made []jwt.Rule
	for i, one := range r.GetJwtRules() {
		at := c.field("jwtRules").item(i)
		rule := tokenRuleOf(at, one, i)
		if err := jwt.Check(rule); err != nil {
			at.refuse("%v", err)
			return
		}
		made = append(made, rule)
	}
	if !b.guards(c.doc, r.GetSelector().GetMatchLabels()) {
		return
	}
	if len(made) == 0 {
		c.doc.note("spec", Ignored, "it has no jwtRules, and so does nothing")
	}
	s := &b.snapshot.Security
	s.Authentication = append(s.Authentication, made...)
}

// tokenRuleOf compiles a rule of a RequestAuthentication.
func tokenRuleOf(c cursor, r *security.JWTRule, i int) jwt.Rule {
	out := jwt.Rule{
		Name: c.doc.path() + " " + strconv.Itoa(i), Origin: c.origin(), Issuer: r.GetIssuer(), Audiences: r.GetAudiences(),
		JWKS: r.GetJwks(), JWKSURI: r.GetJwksUri(), FromParams: r.GetFromParams(), FromCookies: r.GetFromCookies(),
		Forward: r.GetForwardOriginalToken(), OutputPayload: r.GetOutputPayloadToHeader(),
		SpaceDelimited: r.GetSpaceDelimitedClaims(), Timeout: r.GetTimeout().AsDuration(),
	}
	for _, h := range r.GetFromHeaders() {
		out.FromHeaders = append(out.FromHeaders, jwt.HeaderPlace{Name: h.GetName(), Prefix: h.GetPrefix()})
	}
	if list := c.doc.own[tokenAlgorithmsAnnotation]; list != "" {
		out.Algorithms = itemsOf(list)
	}
	if list := c.doc.own[tokenTypesAnnotation]; list != "" {
		out.Types = itemsOf(list)
		for i, name := range out.Types {
			if name == untyped {
				out.Types[i] = ""
			}
		}
	}
	out.OptionalSubject = c.doc.own[tokenSubjectAnnotation] == "optional"
	for _, o := range r.GetOutputClaimToHeaders() {
		out.OutputClaims = append(out.OutputClaims, jwt.ClaimHeader{Header: o.GetHeader(), Claim: o.GetClaim()})
	}
	return out
}

// addPeers puts a PeerAuthentication in its place: one for a workload goes before its
// namespace's, and that before the mesh's; of several for one of them the first goes.
func (b *builder) addPeers(d *document, p *security.PeerAuthentication) {
	labels := p.GetSelector().GetMatchLabels()
	if len(labels) > 0 && d.namespace == b.RootNamespace && b.Namespace != b.RootNamespace {
		d.eclipsed("spec.selector", "in the root namespace "+d.namespace+" a PeerAuthentication is for the whole mesh, and one with a selector is not looked at, as in Istio; move it to the workloads' namespace")
		return
	}
	if !b.guards(d, labels) {
		return
	}
	level := 0
	if d.namespace == b.Namespace {
		level++
	}
	if len(labels) > 0 {
		level++
	}
	if before := b.peers[level]; before != nil {
		d.eclipsed("spec", "this process has its PeerAuthentication from "+before.title()+", which goes first; put them together")
		return
	}
	b.peers[level] = d
}

// enterPeers puts in force what the PeerAuthentications found say together: the
// narrowest that says something.
func (b *builder) enterPeers() {
	out := &b.snapshot.Security.Peers
	for _, d := range b.peers {
		if d == nil {
			continue
		}
		p, ok := d.spec.(*security.PeerAuthentication)
		if !ok {
			continue
		}
		c := cursor{d, "spec"}
		before := len(out.Ports)
		if m, said := modeOf(p.GetMtls()); said {
			out.Set, out.Mode, out.Origin = true, m, c.field("mtls").origin()
		}
		for port, of := range p.GetPortLevelMtls() {
			if m, said := modeOf(of); said {
				if out.Ports == nil {
					out.Ports, out.Origins = map[uint16]mtls.Mode{}, map[uint16]string{}
				}
				out.Ports[uint16(port)] = m
				out.Origins[uint16(port)] = c.field("portLevelMtls").entry(strconv.FormatUint(uint64(port), 10)).origin()
			}
		}
		if _, said := modeOf(p.GetMtls()); !said && len(out.Ports) == before {
			d.note("spec", Ignored, "it says no mode: that of what is wider holds")
		}
	}
}

// modeOf is a mode, and whether it is one: UNSET is not.
func modeOf(m *security.PeerAuthentication_MutualTLS) (mode mtls.Mode, said bool) {
	switch m.GetMode() {
	case security.PeerAuthentication_MutualTLS_STRICT:
		return mtls.Strict, true
	case security.PeerAuthentication_MutualTLS_PERMISSIVE:
		return mtls.Permissive, true
	case security.PeerAuthentication_MutualTLS_DISABLE:
		return mtls.Disable, true
	}
	return mtls.Strict, false
}
