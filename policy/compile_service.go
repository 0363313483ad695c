// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	networking "istio.io/api/networking/v1alpha3"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/balance/route"
)

// addService takes in one VirtualService, in the order they go before one another.
func (b *builder) addService(d *document, vs *networking.VirtualService) {
	switch {
	case !appliesToMesh(vs.GetGateways()):
		d.withoutEffect("spec.gateways", "for gateways only, not for calls between services: the document has no effect")
		return
	case len(vs.GetHttp()) == 0:
		return // tls and tcp have their findings
	}
	hosts := b.claim(d, vs)
	if len(hosts) == 0 {
		return
	}
	svc := &Service{Hosts: hosts, Name: d.name, Namespace: d.namespace, Origin: d.origin()}
	b.addRules(svc, d, vs.GetHttp())
	if len(svc.Rules) == 0 { // as in Istio: such calls go as if there were no rules
		d.withoutEffect("spec.http", "no rule is for calls of this process: the document has no effect")
		return
	}
	b.enter(svc)
}

// addRules compiles the rules of a document, delegates put in place.
func (b *builder) addRules(svc *Service, d *document, rules []*networking.HTTPRoute) {
	taker := ""
	for i, r := range rules {
		for _, p := range b.expand(cursor{d, "spec.http"}.item(i), r, i) {
			if p.left != nil {
				svc.leave(p.left.Name, p.left.Origin, p.left.Why)
				continue
			}
			if taker != "" {
				p.at.note(Warned, "no call reaches this rule: "+taker+"; put it last")
			}
			rule := b.rule(svc, p)
			if rule == nil {
				continue
			}
			svc.Rules = append(svc.Rules, rule)
			if taker == "" {
				taker = takesAll(d, i, rule)
			}
		}
	}
}

// takesAll says that a rule of a document takes every call; "": it does not.
func takesAll(d *document, i int, r *Rule) string {
	which := "rule " + strconv.Itoa(i)
	if r.Document != d.path() {
		which = "the rule at " + r.Origin
	}
	switch {
	case len(r.Match) == 0:
		return which + " has no match and takes all"
	case r.all != nil:
		return which + " has a match that holds for all calls"
	}
	return ""
}

// claim is the keys of a document's hosts that no earlier document has.
func (b *builder) claim(d *document, vs *networking.VirtualService) []string {
	var hosts []string
	var notes []func()
	for i, host := range vs.GetHosts() {
		key := b.key(d, host)
		other := b.snapshot.services[key]
		if other == nil && !slices.Contains(hosts, key) {
			hosts = append(hosts, key)
			continue
		}
		why := "host " + strconv.Quote(host) + " stands twice"
		if other != nil {
			why = "without effect for host " + strconv.Quote(host) + ": it has its rules from VirtualService " +
				strconv.Quote(other.Name) + " (" + other.Origin + "), which goes first; put the rules together"
		}
		notes = append(notes, func() { d.note(index("spec.hosts", i), Warned, why) })
	}
	if len(hosts) == 0 {
		d.findings, d.wholes = nil, nil
	}
	for _, note := range notes {
		note()
	}
	return hosts
}

// enter puts a service in force.
func (b *builder) enter(svc *Service) {
	s := b.snapshot
	if s.services == nil {
		s.services = map[string]*Service{}
	}
	for _, host := range svc.Hosts {
		s.services[host] = svc
		if suffix, ok := strings.CutPrefix(host, "*"); ok {
			s.wildServices = append(s.wildServices, wildcard[*Service]{suffix, svc})
		}
	}
	s.Services = append(s.Services, svc)
}

// rule compiles one rule, or returns nil when it is never for this process.
func (b *builder) rule(svc *Service, p part) *Rule {
	c, r := p.at, p.rule
	name := cmp.Or(r.GetName(), p.name)
	origin, above := p.origin()
	found := b.matches(c.field("match"), r.GetMatch())
	if found.never() {
		for _, l := range found.left {
			svc.leave(name, p.matchOrigin(l.at), l.why)
		}
		return nil
	}
	d := c.doc
	matches := found.out
	rule := &Rule{
		Name:     name,
		Document: d.path(),
		Origin:   origin,
		Delegate: above,
		Match:    matches,
		all:      found.all,
		Headers:  withAuthority(headersOf(r.GetHeaders()), r.GetRewrite().GetAuthority()),
		Timeout:  r.GetTimeout().AsDuration(),
		PerTry:   r.GetRetries().GetPerTryTimeout().AsDuration(),
		Retry:    retryOf(c.field("retries"), r.GetRetries()),

		RemoteAfter: remoteAfter(c.field("retries"), r.GetRetries()),

		Fault:    faultOf(c.field("fault"), r.GetFault()),
		CORS:     p.cors(),
		Rewrite:  b.rewrite(c.field("rewrite"), matches, r.GetRewrite()),
		Redirect: redirectOf(r.GetRedirect()),
		Direct:   directOf(r.GetDirectResponse()),
		Split:    b.split(c.field("route"), r.GetRoute()),
		Mirrors:  b.mirrors(c, r),
	}
	for _, i := range found.of {
		rule.MatchOrigins = append(rule.MatchOrigins, p.matchOrigin(i))
	}
	for _, l := range found.left {
		rule.Left = append(rule.Left, Left{Name: l.name, Origin: p.matchOrigin(l.at), Why: l.why})
	}
	rule.Retry.Strict = p.says(strictRetriesAnnotation)
	if p.says(shadowAnnotation) {
		rule.onTrial(r.GetRetries())
	}
	b.checkActions(c, rule)
	noteBody(c, rule.Direct)
	idle(c, r)
	return rule
}

// split compiles the targets of a rule. The weight of a single one does not matter;
// of several, those of weight 0 get nothing.
func (b *builder) split(c cursor, targets []*networking.HTTPRouteDestination) []Target {
	var out []Target
	for i, t := range targets {
		at := c.item(i)
		weight := uint32(max(0, t.GetWeight()))
		if len(targets) == 1 {
			weight = 1
		}
		to := b.destination(at.field("destination"), t.GetDestination())
		headers := headersOf(t.GetHeaders())
		if weight > 0 {
			out = append(out, Target{to, weight, headers})
		}
	}
	return out
}

// destination compiles the name of a place, and sees whether its subset is there.
func (b *builder) destination(c cursor, d *networking.Destination) enmesh.Destination {
	to := enmesh.Destination{
		Service: b.key(c.doc, d.GetHost()), Port: uint16(d.GetPort().GetNumber()), Subset: d.GetSubset(),
	}
	b.checkSubset(c.field("subset"), to, d.GetHost())
	return to
}

// checkSubset holds that a rule names a subset that there is. Istio answers such
// calls with 503 and tells nobody; where the host's rule is loaded, this is surely a
// mistake and refused. Where no rule for the host is, it is a finding.
func (b *builder) checkSubset(c cursor, to enmesh.Destination, host string) {
	if to.Subset == "" {
		return
	}
	d := b.snapshot.Destination(to.Service)
	if _, ok := d.Labels(to.Subset); ok {
		return
	}
	if d == nil {
		c.note(Warned, "no DestinationRule for host "+strconv.Quote(host)+" is loaded: calls to subset "+
			strconv.Quote(to.Subset)+" are answered with 503 (NC) until one defines it")
		return
	}
	fix := "add it there"
	if subsets := d.Subsets(); len(subsets) > 0 {
		fix += " or use " + list(subsets)
	}
	c.refuse("%q is not defined by any DestinationRule for host %q (%s): %s", to.Subset, host, d.Origin, fix)
}

// headersOf compiles the edits of headers. A request's authority is only ever set.
func headersOf(h *networking.Headers) route.Headers {
	out := route.Headers{Request: opsOf(h.GetRequest()), Response: opsOf(h.GetResponse())}
	for name, value := range out.Request.Add {
		if isAuthority(name) {
			out.Request.Add = without(out.Request.Add, name)
			out = withAuthority(out, value)
		}
	}
	return out
}

func opsOf(ops *networking.Headers_HeaderOperations) route.Ops {
	return route.Ops{Set: ops.GetSet(), Add: ops.GetAdd(), Remove: ops.GetRemove()}
}

// withAuthority adds a rewrite of the authority, unless it is "".
func withAuthority(h route.Headers, authority string) route.Headers {
	if authority != "" {
		h.Request.Set = without(h.Request.Set, "")
		h.Request.Set[":authority"] = authority
	}
	return h
}

// without is a copy of m less one key.
func without[V any](m map[string]V, key string) map[string]V {
	out := make(map[string]V, len(m)+1)
	for k, v := range m {
		if k != key {
			out[k] = v
		}
	}
	return out
}
