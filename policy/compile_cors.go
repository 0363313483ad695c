// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"net/http"
	"slices"
	"time"

	networking "istio.io/api/networking/v1alpha3"

	"github.com/enmesh-go/enmesh/balance/route"
)

// corsMethods are the methods that a corsPolicy may name, as in Istio.
var corsMethods = []string{
	http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete,
	http.MethodConnect, http.MethodOptions, http.MethodTrace, "*",
}

func checkCORS(c cursor, p *networking.CorsPolicy) {
	checkMaxAge(c.field("maxAge"), p)
	for i, origin := range p.GetAllowOrigins() {
		at := c.field("allowOrigins").item(i)
		if origin.GetExact()+origin.GetPrefix()+origin.GetRegex() == "" {
			at.refuse("an origin is missing: write exact, prefix or regex")
			continue
		}
		checkMatch(at, origin, true)
	}
	for i, origin := range p.GetAllowOrigin() { //nolint:staticcheck // deprecated and still read
		if origin == "" {
			c.field("allowOrigin").item(i).refuse("an origin is missing: write one such as https://example.com")
		}
	}
	for i, method := range p.GetAllowMethods() {
		if !slices.Contains(corsMethods, method) {
			c.field("allowMethods").item(i).refuse("%q is no method that can be allowed: write %s", clip(method), list(corsMethods))
		}
	}
	checkHeaderNames(c.field("allowHeaders"), p.GetAllowHeaders())
	checkHeaderNames(c.field("exposeHeaders"), p.GetExposeHeaders())
}

// checkMaxAge holds Istio's rule: the header has whole seconds.
func checkMaxAge(c cursor, p *networking.CorsPolicy) {
	checkDuration(c, p.GetMaxAge())
	if d := p.GetMaxAge().AsDuration(); d%time.Second != 0 {
		c.refuse("%v is not a whole number of seconds: round it", d)
	}
}

// checkHeaderNames holds the rule for lists of headers; "*" is a name to browsers.
func checkHeaderNames(c cursor, names []string) {
	for i, name := range names {
		if !headerName.MatchString(name) {
			c.item(i).refuse("%q is no name of a header", clip(name))
		}
	}
}

// cors compiles the corsPolicy of a rule, which may be that of the rule above it; nil is none.
func (p part) cors() *route.CORS {
	said := p.rule.GetCorsPolicy()
	if said == nil {
		return nil
	}
	c := p.at.field("corsPolicy")
	if !c.isSet() && p.above.doc != nil {
		c = p.above.field("corsPolicy")
	}
	out := &route.CORS{
		Origins:         origins(said),
		Methods:         said.GetAllowMethods(),
		Headers:         said.GetAllowHeaders(),
		Expose:          said.GetExposeHeaders(),
		MaxAge:          said.GetMaxAge().AsDuration(),
		Credentials:     said.GetAllowCredentials().GetValue(),
		IgnoreUnmatched: said.GetUnmatchedPreflights() == networking.CorsPolicy_IGNORE,
	}
	noteCORS(c, said, out)
	return out
}

// origins are those of a corsPolicy. allowOrigin, which is older, counts alone only.
func origins(p *networking.CorsPolicy) []route.StringMatch {
	var out []route.StringMatch
	for _, m := range p.GetAllowOrigins() {
		out = append(out, stringMatch(m))
	}
	if out != nil {
		return out
	}
	for _, origin := range p.GetAllowOrigin() { //nolint:staticcheck // deprecated and still read
		out = append(out, route.Exact(origin))
	}
	return out
}

// noteCORS says what is probably not meant.
func noteCORS(c cursor, said *networking.CorsPolicy, p *route.CORS) {
	if len(said.GetAllowOrigins()) > 0 && len(said.GetAllowOrigin()) > 0 { //nolint:staticcheck // deprecated and still read
		c.field("allowOrigin").note(Ignored, "allowOrigins goes before it: remove one")
	}
	switch {
	case len(p.Origins) == 0 && !p.IgnoreUnmatched:
		c.note(Ignored, "no origin is allowed, so that it does nothing: add allowOrigins")
	case len(p.Origins) == 0:
		c.note(Warned, "no origin is allowed, and every preflight is answered with no: add allowOrigins")
	case p.Credentials && p.Everyone():
		c.field("allowCredentials").note(Warned, "pages of every origin may read what users see who are logged in: name the origins")
	}
}
