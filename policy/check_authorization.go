// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"

	security "istio.io/api/security/v1beta1"
	kinds "istio.io/api/type/v1beta1"
)

// maxAuthorizationRules bounds the rules of one AuthorizationPolicy.
const maxAuthorizationRules = 10_000

// checkAuthorization holds Istio's rules for an AuthorizationPolicy.
func checkAuthorization(c cursor, p *security.AuthorizationPolicy) {
	checkAttachment(c, p.GetSelector(), p.GetTargetRef(), p.GetTargetRefs())
	checkDecision(c, p)
	if n := len(p.GetRules()); n > maxAuthorizationRules {
		c.doc.oversize = true
		c.field("rules").refuse("%d rules are more than %d: use several documents", n, maxAuthorizationRules)
		return
	}
	for i, r := range p.GetRules() {
		checkRule(c.field("rules").item(i), r)
	}
}

// checkDecision holds what each action needs.
func checkDecision(c cursor, p *security.AuthorizationPolicy) {
	rules, provider := c.field("rules"), c.field("provider")
	custom := p.GetAction() == security.AuthorizationPolicy_CUSTOM
	switch {
	case len(p.GetRules()) > 0:
	case p.GetAction() == security.AuthorizationPolicy_DENY:
		rules.refuse("DENY without rules never denies: add a rule; {} is every call")
	case custom:
		rules.refuse("CUSTOM without rules never asks: add a rule; {} is every call")
	}
	switch {
	case custom && p.GetProvider().GetName() == "":
		provider.refuse("CUSTOM needs the provider that decides: add provider: {name: ...}, as mesh.WithAuthorizer names it")
	case !custom && p.GetProvider() != nil:
		provider.refuse("a provider decides for CUSTOM only: set action: CUSTOM, or remove it")
	}
	if c.doc.own[dryRunAnnotation] == "true" && (custom || p.GetAction() == security.AuthorizationPolicy_AUDIT) {
		c.doc.refuse(annotationPath(dryRunAnnotation), "only ALLOW and DENY have a dry run: remove the annotation, or change the action")
	}
}

// checkAttachment holds the rules for what a security document is for.
func checkAttachment(c cursor, s *kinds.WorkloadSelector, one *kinds.PolicyTargetReference, several []*kinds.PolicyTargetReference) {
	checkLabels(c.field("selector").field("matchLabels"), s.GetMatchLabels())
	switch {
	case one == nil && len(several) == 0:
		return
	case s != nil:
		c.field("selector").refuse("a target is named too, and only one of them may be: remove one")
	case one != nil && len(several) > 0:
		c.field("targetRef").refuse("targetRefs is set too, and only one of them may be: remove one")
	}
	checkTarget(c.field("targetRef"), one)
	for i, t := range several {
		checkTarget(c.field("targetRefs").item(i), t)
	}
}

// checkTarget refuses a target whose policy somebody relies on, and that nothing here
// would guard.
func checkTarget(c cursor, t *kinds.PolicyTargetReference) {
	if k := t.GetKind(); k == "Service" || k == "ServiceEntry" {
		c.field("kind").refuse("a waypoint would guard the %s, and enmesh has none: write selector with the labels of its workloads", k)
	}
}

// listed is a list of a rule: its field's name and values.
type listed struct {
	name   string
	values []string
}

func sourceLists(s *security.Source) []listed {
	return []listed{
		{"principals", s.GetPrincipals()}, {"notPrincipals", s.GetNotPrincipals()},
		{"requestPrincipals", s.GetRequestPrincipals()}, {"notRequestPrincipals", s.GetNotRequestPrincipals()},
		{"namespaces", s.GetNamespaces()}, {"notNamespaces", s.GetNotNamespaces()},
		{"serviceAccounts", s.GetServiceAccounts()}, {"notServiceAccounts", s.GetNotServiceAccounts()},
		{"ipBlocks", s.GetIpBlocks()}, {"notIpBlocks", s.GetNotIpBlocks()},
		{"remoteIpBlocks", s.GetRemoteIpBlocks()}, {"notRemoteIpBlocks", s.GetNotRemoteIpBlocks()},
		{"trustDomains", s.GetTrustDomains()}, {"notTrustDomains", s.GetNotTrustDomains()},
	}
}

func operationLists(o *security.Operation) []listed {
	return []listed{
		{"hosts", o.GetHosts()}, {"notHosts", o.GetNotHosts()}, {"ports", o.GetPorts()}, {"notPorts", o.GetNotPorts()},
		{"methods", o.GetMethods()}, {"notMethods", o.GetNotMethods()}, {"paths", o.GetPaths()}, {"notPaths", o.GetNotPaths()},
	}
}

// checkRule holds the rules for one rule. A list that is there and empty would be the
// same as none, and so match more than it says.
func checkRule(c cursor, r *security.Rule) {
	for name, n := range map[string]int{"from": len(r.GetFrom()), "to": len(r.GetTo()), "when": len(r.GetWhen())} {
		checkFilled(c.field(name), n)
	}
	for i, f := range r.GetFrom() {
		at := c.field("from").item(i).field("source")
		if f.GetSource() == nil || !someSaid(sourceLists(f.GetSource())) {
			at.refuse("it says nothing of the caller: add a field such as principals, or leave from out for anybody")
		}
		checkSource(at, f.GetSource())
	}
	for i, t := range r.GetTo() {
		at := c.field("to").item(i).field("operation")
		if t.GetOperation() == nil || !someSaid(operationLists(t.GetOperation())) {
			at.refuse("it says nothing of the request: add a field such as paths, or leave to out for anything")
		}
		checkLists(at, operationLists(t.GetOperation()))
	}
	for i, w := range r.GetWhen() {
		checkCondition(c.field("when").item(i), w)
	}
}

func someSaid(lists []listed) bool {
	return slices.ContainsFunc(lists, func(l listed) bool { return len(l.values) > 0 })
}

func checkFilled(c cursor, n int) {
	if n == 0 && c.isSet() {
		c.refuse("the list is empty, and would be as if it were not there: add a value, or remove %s", c.name())
	}
}

func checkSource(c cursor, s *security.Source) {
	checkLists(c, sourceLists(s))
	for _, not := range []struct{ accounts, principals, namespaces listed }{
		{listed{"serviceAccounts", s.GetServiceAccounts()}, listed{"principals", s.GetPrincipals()}, listed{"namespaces", s.GetNamespaces()}},
		{listed{"notServiceAccounts", s.GetNotServiceAccounts()}, listed{"notPrincipals", s.GetNotPrincipals()}, listed{"notNamespaces", s.GetNotNamespaces()}},
	} {
		for _, other := range []listed{not.principals, not.namespaces} {
			if len(not.accounts.values) > 0 && len(other.values) > 0 {
				c.field(not.accounts.name).refuse("%s is set too, and only one of them may be: remove one", other.name)
			}
		}
	}
}

// checkLists holds the rules for the values of a source or an operation.
func checkLists(c cursor, lists []listed) {
	for _, l := range lists {
		at := c.field(l.name)
		checkFilled(at, len(l.values))
		checkValues(at, l.values, formOf(l.name))
	}
}

// form says what is wrong with a value; "": nothing.
type form func(value string) string

// formOf is the form of a list's values, or of a condition's.
func formOf(name string) form {
	switch strings.ToLower(strings.TrimPrefix(name, "not")) {
	case "ipblocks", "remoteipblocks", "source.ip", "remote.ip", "destination.ip":
		return blockForm
	case "ports", "destination.port":
		return portForm
	}
	return nil
}

func blockForm(value string) string {
	if strings.Contains(value, "/") {
		if _, err := netip.ParsePrefix(value); err == nil {
			return ""
		}
	} else if a, err := netip.ParseAddr(value); err == nil && a.Zone() == "" {
		return ""
	}
	return `is no address and no block: write "10.1.2.3" or "10.1.0.0/16"`
}

func portForm(value string) string {
	if n, err := strconv.ParseUint(value, 10, 16); err != nil || n == 0 || value[0] == '0' || value[0] == '+' {
		return `is no port: write "1" to "65535"`
	}
	return ""
}

func checkValues(c cursor, values []string, f form) {
	for i, v := range values {
		switch at := c.item(i); {
		case v == "":
			at.refuse("the value is empty, and would match nothing: correct or remove it")
		case f != nil && f(v) != "":
			at.refuse("%q %s", clip(v), f(v))
		}
	}
}

// conditionKeys are the keys of a condition that stand alone.
var conditionKeys = []string{
	"source.ip", "remote.ip", "source.namespace", "source.principal", "source.serviceAccount", "source.trustDomain",
	"request.auth.principal", "request.auth.audiences", "request.auth.presenter",
	"destination.ip", "destination.port", "connection.sni",
}

// bracketed are those with a name in brackets behind.
var bracketed = []string{"request.headers", "request.auth.claims"}

// checkCondition holds the rules for a condition: one that is not known could not be
// held, and so its document is refused.
func checkCondition(c cursor, w *security.Condition) {
	key, at := w.GetKey(), c.field("key")
	base, rest, inBrackets := strings.Cut(key, "[")
	switch {
	case key == "":
		at.refuse("the key is missing: add one such as source.namespace")
	case strings.HasPrefix(key, "experimental.envoy.filters."):
		at.refuse("%q asks a filter of Envoy's, which enmesh does not have: remove the rule", clip(key))
	case inBrackets && slices.Contains(bracketed, base):
		checkBrackets(at, base, "["+rest)
	case slices.Contains(bracketed, key):
		at.refuse("the name is missing: write %s[name]", key)
	case !slices.Contains(conditionKeys, key):
		at.refuse("no such key%s", suggest(key, append([]string{"request.headers[name]", "request.auth.claims[name]"}, conditionKeys...)))
	}
	if len(w.GetValues())+len(w.GetNotValues()) == 0 {
		c.refuse("it has no values: add values or notValues")
	}
	for _, l := range []listed{{"values", w.GetValues()}, {"notValues", w.GetNotValues()}} {
		checkFilled(c.field(l.name), len(l.values))
		checkValues(c.field(l.name), l.values, formOf(key))
	}
}

// checkBrackets holds the form of a name in brackets: one header, or the way to a claim.
func checkBrackets(c cursor, base, text string) {
	names := strings.Split(strings.TrimSuffix(strings.TrimPrefix(text, "["), "]"), "][")
	wrong := !strings.HasSuffix(text, "]") || slices.ContainsFunc(names, func(n string) bool { return n == "" || strings.ContainsAny(n, "[]") })
	switch {
	case wrong:
		c.refuse("%q is no name in brackets: write %s[name]", clip(text), base)
	case base == "request.headers" && len(names) > 1:
		c.refuse("a header has one name: write request.headers[%s]", clip(names[0]))
	case base == "request.headers" && !headerName.MatchString(strings.TrimPrefix(names[0], ":")):
		c.refuse("%q is no name of a header", clip(names[0]))
	}
}
