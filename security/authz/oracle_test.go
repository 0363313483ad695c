// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package authz_test

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"regexp"
	"strconv"
	"strings"

	"github.com/enmesh-go/enmesh/security/authz"
)

// oracle decides as the engine must, slowly and by other means: it was written from the
// semantics, goes through all rules, makes a regular expression of every pattern, and
// shares no code with the engine. What a call can be taken for in several ways it does not
// resolve: it keeps whether some way matches, and whether every way does. A Deny rule needs
// one, an Allow rule needs all.
type oracle struct {
	cfg      authz.Config
	external bool // what the Checker says
}

// belief is what is known of a match.
type belief struct{ some, every bool }

var unknown = belief{some: true}

func sure(b bool) belief { return belief{b, b} }

func (b belief) not() belief         { return belief{!b.every, !b.some} }
func (b belief) and(c belief) belief { return belief{b.some && c.some, b.every && c.every} }
func (b belief) or(c belief) belief  { return belief{b.some || c.some, b.every || c.every} }
func (o *oracle) ours(td string) bool {
	return o.cfg.TrustDomain != "" && (td == o.cfg.TrustDomain || contains(o.cfg.Aliases, td))
}
func contains(l []string, v string) bool {
	for _, one := range l {
		if one == v {
			return true
		}
	}
	return false
}

// allowed is the decision.
func (o *oracle) allowed(r request) bool {
	gated, opened := o.cfg.Default == authz.DenyByDefault, false
	asked, closed := false, false
	for _, p := range o.cfg.Policies {
		if p.DryRun {
			continue
		}
		gated = gated || p.Action == authz.Allow
		for _, rule := range p.Rules {
			b := o.rule(rule, p.Namespace, r)
			switch p.Action {
			case authz.Custom:
				asked = asked || b.some
			case authz.Deny:
				closed = closed || b.some
			case authz.Allow:
				opened = opened || b.every
			}
		}
	}
	return !(asked && !o.external) && !closed && (opened || !gated)
}

func (o *oracle) rule(rule authz.Rule, ns string, r request) belief {
	result := sure(true)
	if rule.From != nil {
		one := sure(false)
		for _, s := range rule.From {
			one = one.or(o.source(s, ns, r))
		}
		result = result.and(one)
	}
	if rule.To != nil {
		one := sure(false)
		for _, op := range rule.To {
			one = one.or(o.operation(op, r))
		}
		result = result.and(one)
	}
	for _, c := range rule.When {
		if c.Values != nil {
			result = result.and(o.key(c.Key, c.Values, ns, r))
		}
		if c.NotValues != nil {
			result = result.and(o.key(c.Key, c.NotValues, ns, r).not())
		}
	}
	return result
}

func (o *oracle) source(s authz.Source, ns string, r request) belief {
	return o.fields(ns, r, []side{
		{"source.principal", s.Principals, s.NotPrincipals},
		{"request.auth.principal", s.RequestPrincipals, s.NotRequestPrincipals},
		{"source.namespace", s.Namespaces, s.NotNamespaces},
		{"source.ip", s.IPBlocks, s.NotIPBlocks},
		{"remote.ip", s.RemoteIPBlocks, s.NotRemoteIPBlocks},
		{"source.serviceAccount", s.ServiceAccounts, s.NotServiceAccounts},
		{"source.trustDomain", s.TrustDomains, s.NotTrustDomains},
	})
}

func (o *oracle) operation(op authz.Operation, r request) belief {
	return o.fields("", r, []side{
		{"host", op.Hosts, op.NotHosts}, {"destination.port", op.Ports, op.NotPorts},
		{"method", op.Methods, op.NotMethods}, {"path", op.Paths, op.NotPaths},
	})
}

type side struct {
	key         string
	values, not []string
}

func (o *oracle) fields(ns string, r request, sides []side) belief {
	result := sure(true)
	for _, s := range sides {
		if s.values != nil {
			result = result.and(o.key(s.key, s.values, ns, r))
		}
		if s.not != nil {
			result = result.and(o.key(s.key, s.not, ns, r).not())
		}
	}
	return result
}

// key is whether one of values matches the attribute.
func (o *oracle) key(key string, values []string, ns string, r request) belief {
	switch key {
	case "source.principal":
		return o.identity(r, func(id spiffeID) belief { return sure(o.principal(values, id)) })
	case "source.trustDomain":
		return o.identity(r, func(id spiffeID) belief { return sure(anyPattern(values, id.td)) })
	case "source.namespace":
		return o.identity(r, func(id spiffeID) belief {
			if id.unclear {
				return unknown
			}
			return sure(id.ns != "" && anyGlob(values, id.ns))
		})
	case "source.serviceAccount":
		return o.identity(r, func(id spiffeID) belief {
			if id.unclear {
				return unknown
			}
			for _, v := range values {
				if !strings.Contains(v, "/") {
					v = ns + "/" + v
				}
				if id.sa != "" && v == id.ns+"/"+id.sa {
					return sure(true)
				}
			}
			return sure(false)
		})
	case "request.auth.principal":
		return endUser(values, r)
	case "request.auth.audiences":
		if r.auth == nil {
			return sure(false)
		}
		result := sure(false)
		for _, a := range r.auth.Audiences {
			result = result.or(sure(anyPattern(values, a)))
		}
		return result
	case "request.auth.presenter":
		return sure(r.auth != nil && anyPattern(values, r.auth.Presenter))
	case "source.ip":
		return address(values, r.from, "10.1.2.3:5000", r.anonymous)
	case "destination.ip":
		return address(values, r.at, "10.9.9.9:8080", r.anonymous)
	case "remote.ip":
		return o.remote(values, r)
	case "destination.port":
		if r.at == "-" || r.anonymous {
			return unknown
		}
		port := "8080"
		if r.at != "" {
			port = r.at[strings.LastIndex(r.at, ":")+1:]
		}
		return sure(contains(values, port))
	case "connection.sni":
		if r.anonymous {
			return sure(false)
		}
		return sure(anyPattern(lowered(values), strings.ToLower(r.sni)))
	case "host", "request.headers[host]":
		return hostBelief(values, r)
	case "method":
		m := r.method
		if r.grpc {
			m = "POST"
		} else if m == "" {
			m = "GET"
		}
		return belief{anyPattern(values, m) || anyPattern(values, strings.ToUpper(m)), anyPattern(values, m)}
	case "path":
		p := r.path
		if p == "" {
			p = "/"
		}
		if p[0] != '/' || strings.Contains(p, "\x00") || r.grpc && !methodForm.MatchString(p) {
			return unknown
		}
		return pathBelief(values, p)
	}
	if name, ok := strings.CutPrefix(key, "request.headers["); ok {
		return headerBelief(strings.ToLower(strings.TrimSuffix(name, "]")), values, r)
	}
	if names, ok := strings.CutPrefix(key, "request.auth.claims["); ok {
		return claimBelief(strings.Split(strings.TrimSuffix(names, "]"), "]["), values, r)
	}
	panic("the oracle knows no " + key)
}

var compiled = map[string]*regexp.Regexp{}

func expression(s string) *regexp.Regexp {
	re := compiled[s]
	if re == nil {
		re = regexp.MustCompile(`(?s)\A(?:` + s + `)\z`)
		compiled[s] = re
	}
	return re
}

// anyPattern matches exact, "p*", "*s" and "*".
func anyPattern(values []string, v string) bool {
	for _, pattern := range values {
		var e string
		switch {
		case pattern == "*":
			e = ".+"
		case strings.HasSuffix(pattern, "*"):
			e = regexp.QuoteMeta(strings.TrimSuffix(pattern, "*")) + ".*"
		case strings.HasPrefix(pattern, "*"):
			e = ".*" + regexp.QuoteMeta(strings.TrimPrefix(pattern, "*"))
		default:
			e = regexp.QuoteMeta(pattern)
		}
		if v != "" && expression(e).MatchString(v) {
			return true
		}
	}
	return false
}

func anyGlob(values []string, v string) bool {
	for _, pattern := range values {
		if expression(strings.ReplaceAll(regexp.QuoteMeta(pattern), `\*`, ".*")).MatchString(v) {
			return true
		}
	}
	return false
}

func lowered(values []string) []string {
	var out []string
	for _, v := range values {
		out = append(out, strings.ToLower(v))
	}
	return out
}

// spiffeID is an identity as the oracle reads it.
type spiffeID struct {
	td, rest string // around the first slash
	ns, sa   string
	unclear  bool
}

var (
	spiffeForm  = regexp.MustCompile(`\Aspiffe://([a-z0-9._-]+)/([A-Za-z0-9._-]+(?:/[A-Za-z0-9._-]+)*)\z`)
	accountForm = regexp.MustCompile(`\Ans/([^/]+)/sa/([^/]+)\z`)
	methodForm  = regexp.MustCompile(`\A/[\w.]+/[\w.]+\z`)
	dotForm     = regexp.MustCompile(`/\.\.?(/|\z)`)
	portForm    = regexp.MustCompile(`\A([0-9.]+):\d+\z`)
)

func (o *oracle) identity(r request, f func(spiffeID) belief) belief {
	if r.identity == "" || r.anonymous {
		return sure(false)
	}
	parts := spiffeForm.FindStringSubmatch(r.identity)
	if parts == nil || dotForm.MatchString(r.identity) {
		return unknown
	}
	id := spiffeID{td: parts[1], rest: parts[2]}
	if plain := accountForm.FindStringSubmatch(id.rest); plain != nil {
		id.ns, id.sa = plain[1], plain[2]
		return f(id)
	}
	segments := strings.Split(id.rest, "/")
	spaces, accounts := 0, 0
	for i, s := range segments {
		if s == "ns" && i+2 < len(segments) {
			spaces++
			id.ns = segments[i+1]
		}
		if s == "sa" && i+1 < len(segments) && spaces > 0 {
			accounts++
			id.sa = segments[i+1]
		}
	}
	id.unclear = spaces > 1 || accounts > 1
	return f(id)
}

func (o *oracle) principal(values []string, id spiffeID) bool {
	for _, v := range values {
		td, rest, ok := strings.Cut(v, "/")
		if ok && o.cfg.TrustDomain != "" && (td == "cluster.local" || o.ours(td)) {
			if o.ours(id.td) && (rest == "" || rest == "*" || anyPattern([]string{rest}, id.rest)) {
				return true
			}
			continue
		}
		if anyPattern([]string{v}, id.td+"/"+id.rest) {
			return true
		}
	}
	return false
}

func endUser(values []string, r request) belief {
	if r.auth == nil {
		return sure(false)
	}
	iss, sub := r.auth.Issuer, r.auth.Subject
	if iss == "" || sub == "" {
		return unknown
	}
	result := sure(false)
	for _, v := range values {
		cut := strings.LastIndex(v, "/")
		var split bool
		switch {
		case v == "*":
			split = true
		case cut >= 0:
			split = half(v[:cut], iss) && half(v[cut+1:], sub)
		case strings.HasPrefix(v, "*"):
			split = anyPattern([]string{v}, sub)
		default:
			split = anyPattern([]string{v}, iss)
		}
		result = result.or(belief{split || anyPattern([]string{v}, iss+"/"+sub), split})
	}
	return result
}

func half(pattern, v string) bool { return anyPattern([]string{pattern}, v) }

func inBlocks(values []string, a netip.Addr) bool {
	for _, v := range values {
		if !strings.Contains(v, "/") {
			if netip.MustParseAddr(v).Unmap() == a {
				return true
			}
			continue
		}
		p := netip.MustParsePrefix(v)
		base, bits := p.Addr(), p.Bits()
		if base.Is4() != a.Is4() {
			continue
		}
		x, y := base.AsSlice(), a.AsSlice()
		same := true
		for i := range bits {
			same = same && x[i/8]>>(7-i%8)&1 == y[i/8]>>(7-i%8)&1
		}
		if same {
			return true
		}
	}
	return false
}

func address(values []string, at, otherwise string, nobody bool) belief {
	if at == "-" || nobody {
		return unknown
	}
	if at == "" {
		at = otherwise
	}
	return sure(inBlocks(values, netip.MustParseAddrPort(at).Addr().Unmap()))
}

func (o *oracle) remote(values []string, r request) belief {
	var entries []string
	for _, line := range r.header["X-Forwarded-For"] {
		entries = append(entries, strings.Split(line, ",")...)
	}
	at := len(entries) - o.cfg.TrustedProxies
	if r.anonymous {
		return unknown
	}
	if o.cfg.TrustedProxies == 0 || at < 0 {
		return address(values, r.from, "10.1.2.3:5000", false)
	}
	entry := strings.TrimSpace(entries[at])
	entry = portForm.ReplaceAllString(entry, "$1")
	a, err := netip.ParseAddr(entry)
	if err != nil {
		return unknown
	}
	return sure(inBlocks(values, a.Unmap()))
}

var hostForm = regexp.MustCompile(`\A([a-z0-9_-]+(?:\.[a-z0-9_-]+)*)\.?(?::(\d*))?\z`)

func hostBelief(values []string, r request) belief {
	if r.host == "" {
		return sure(false)
	}
	parts := hostForm.FindStringSubmatch(strings.ToLower(r.host))
	if parts == nil {
		return unknown
	}
	name, port := parts[1], parts[2]
	if port == "" {
		port = map[bool]string{true: "443", false: "80"}[r.https]
	}
	number, err := strconv.Atoi(port)
	if err != nil || number > 65535 {
		return unknown
	}
	port = strconv.Itoa(number)
	for _, v := range lowered(values) {
		pattern, wanted, ok := strings.Cut(v, ":")
		if ok && wanted != "*" && wanted != port {
			continue
		}
		if !strings.HasSuffix(pattern, "*") {
			pattern = strings.TrimSuffix(pattern, ".")
		}
		if anyPattern([]string{pattern}, name) {
			return sure(true)
		}
	}
	return sure(false)
}

func pathBelief(values []string, p string) belief {
	result := sure(false)
	for _, v := range values {
		if !strings.Contains(v, "{*}") && !strings.Contains(v, "{**}") {
			result = result.or(sure(anyPattern([]string{v}, p)))
			continue
		}
		e := regexp.QuoteMeta(v)
		e = strings.ReplaceAll(e, `\{\*\*\}`, ".*")
		e = strings.ReplaceAll(e, `\{\*\}`, "[^/]+")
		b := sure(expression(e).MatchString(p))
		if documented, ok := strings.CutSuffix(e, ".*/"); ok {
			b.some = b.some || expression(documented+".*/.*").MatchString(p)
		}
		result = result.or(b)
	}
	return result
}

func headerBelief(name string, values []string, r request) belief {
	lines := r.header.Values(name)
	if len(lines) == 0 {
		return sure(false)
	}
	result := belief{every: true}
	for _, line := range lines {
		line = strings.Trim(line, " \t")
		parts := strings.Split(line, ",")
		every := true
		for _, part := range parts {
			ok := anyPattern(values, strings.Trim(part, " \t"))
			result.some = result.some || ok
			every = every && ok
		}
		if name == "user-agent" {
			every = anyPattern(values, line)
		}
		result.every = result.every && (every || contains(values, line) && line != "")
		result.some = result.some || anyPattern(values, line) || line == "" && contains(values, "*")
	}
	result.some = result.some || len(lines) > 1 && joinedMatches(values, strings.Join(lines, ","))
	return result
}

// joinedMatches is for patterns that have a comma: others match a part if they match all.
func joinedMatches(values []string, joined string) bool {
	for _, v := range values {
		if strings.Contains(v, ",") && anyPattern([]string{v}, joined) {
			return true
		}
	}
	return false
}

func claimBelief(names, values []string, r request) belief {
	if r.auth == nil {
		return sure(false)
	}
	var v any = r.auth.Claims
	for _, name := range names {
		m, _ := v.(map[string]any)
		v = m[name]
	}
	text := func(s string) bool {
		if anyPattern(values, s) {
			return true
		}
		for _, part := range strings.Split(s, " ") {
			if (names[0] == "scope" || names[0] == "permission") && len(names) == 1 && anyPattern(values, part) {
				return true
			}
		}
		return false
	}
	switch v := v.(type) {
	case nil:
		return sure(false)
	case string:
		return sure(text(v))
	case []any:
		result := sure(false)
		for _, one := range v {
			switch one := one.(type) {
			case string:
				result = result.or(sure(text(one)))
			case json.Number:
				result = result.or(belief{some: anyPattern(values, one.String())})
			}
		}
		return result
	case map[string]any:
		return belief{some: contains(values, "*")}
	case json.Number:
		return belief{some: anyPattern(values, v.String())}
	case bool:
		return belief{some: anyPattern(values, strconv.FormatBool(v))}
	}
	panic(fmt.Sprintf("the oracle knows no %T", v))
}
