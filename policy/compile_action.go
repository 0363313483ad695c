// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"strconv"
	"strings"

	networking "istio.io/api/networking/v1alpha3"

	"github.com/enmesh-go/enmesh/balance/route"
)

// rewrite compiles a rewrite of the path. One of the authority is among the edits of
// headers.
func (b *builder) rewrite(c cursor, matches []*route.Match, r *networking.HTTPRewrite) route.Rewrite {
	out := route.Rewrite{URI: r.GetUri()}
	if re := r.GetUriRegexRewrite(); re != nil {
		out.Regex, out.Substitution = re.GetMatch(), re.GetRewrite()
	}
	if out.URI != "" && !strings.HasSuffix(out.URI, "/") && anyPath(matches) {
		c.field("uri").note(Warned, `the match says nothing about the path, and that is the prefix "/": /a becomes `+
			out.URI+`a, as in Istio; match a uri, or end it in "/"`)
	}
	return out
}

// anyPath reports whether one of the matches leaves the path open.
func anyPath(matches []*route.Match) bool {
	for _, m := range matches {
		if m.URI == nil {
			return true
		}
	}
	return len(matches) == 0
}

// checkActions holds what is only known when an action meets its matches.
func (b *builder) checkActions(c cursor, r *Rule) {
	for _, m := range append([]*route.Match{nil}, r.Match...) {
		if m == nil && len(r.Match) > 0 {
			continue
		}
		if _, err := r.Rewrite.Middleware(m); err != nil {
			c.field("rewrite").field("uriRegexRewrite").refuse("%s: correct it", strings.TrimPrefix(err.Error(), "route: rewrite: "))
			return
		}
	}
}

// redirectOf compiles a redirect; nil is none.
func redirectOf(r *networking.HTTPRedirect) *route.Redirect {
	if r == nil {
		return nil
	}
	out := &route.Redirect{
		URI: r.GetUri(), PrefixRewrite: r.GetPrefixRewrite(), Authority: r.GetAuthority(),
		Port: uint16(r.GetPort()), Scheme: r.GetScheme(), Code: int(r.GetRedirectCode()),
	}
	if port, ok := r.GetRedirectPort().(*networking.HTTPRedirect_DerivePort); ok {
		out.DerivePort = route.ProtocolPort
		if port.DerivePort == networking.HTTPRedirect_FROM_REQUEST_PORT {
			out.DerivePort = route.RequestPort
		}
	}
	return out
}

// directOf compiles a direct response; nil is none.
func directOf(r *networking.HTTPDirectResponse) *route.Direct {
	if r == nil {
		return nil
	}
	return &route.Direct{Status: int(r.GetStatus()), Body: r.GetBody().GetString_() + string(r.GetBody().GetBytes())}
}

// idle says what a rule that answers by itself has no use for.
func idle(c cursor, r *networking.HTTPRoute) {
	if len(r.GetRoute()) > 0 {
		return
	}
	for _, field := range []string{"mirror", "mirrors", "mirrorPercentage", "mirrorPercent", "timeout", "retries", "headers.request", "corsPolicy"} {
		if at := (cursor{c.doc, c.path + "." + field}); at.isSet() {
			at.note(Ignored, "the rule sends no calls on: there is nothing to do it to")
		}
	}
}

// largeBody is from where on Istio warns of a direct response, in bytes.
const largeBody = 100 << 10

// noteBody warns of a body that every snapshot of policy carries along.
func noteBody(c cursor, d *route.Direct) {
	if d != nil && len(d.Body) > largeBody {
		c.field("directResponse").field("body").note(Warned, strconv.Itoa(len(d.Body))+" bytes are much for an answer that policy carries: serve it from a service")
	}
}
