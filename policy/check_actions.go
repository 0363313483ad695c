// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package policy

import networking "istio.io/api/networking/v1alpha3"

// maxBody bounds the body of a direct response, in bytes.
const maxBody = 1 << 20

func checkRedirect(c cursor, r *networking.HTTPRedirect) {
	if r == nil {
		return
	}
	if r.GetUri() == "" && r.GetPrefixRewrite() == "" && r.GetAuthority() == "" && r.GetScheme() == "" && r.GetRedirectPort() == nil {
		c.refuse("it says nothing about where to: add uri, authority, scheme or port")
	}
	if r.GetUri() != "" && r.GetPrefixRewrite() != "" {
		c.field("prefixRewrite").refuse("uri and prefixRewrite exclude one another: remove one")
	}
	switch r.GetRedirectCode() {
	case 0, 301, 302, 303, 307, 308:
	default:
		c.field("redirectCode").refuse("%d is no status of a redirect: write 301, 302, 303, 307 or 308", r.GetRedirectCode())
	}
	if s := r.GetScheme(); s != "" && s != "http" && s != "https" {
		c.field("scheme").refuse("%q is no scheme: write http or https", clip(s))
	}
	if port, ok := r.GetRedirectPort().(*networking.HTTPRedirect_Port); ok {
		checkPort(c.field("port"), port.Port)
	}
}

// checkPrefixRewrite holds that a redirect of the prefix has one in every match. A match
// without a uri has the prefix "/".
func checkPrefixRewrite(c cursor, r *networking.HTTPRoute) {
	if r.GetRedirect().GetPrefixRewrite() == "" {
		return
	}
	for i, m := range r.GetMatch() {
		switch m.GetUri().GetMatchType().(type) {
		case *networking.StringMatch_Exact, *networking.StringMatch_Regex:
			c.field("redirect").field("prefixRewrite").refuse("match %d has no prefix to rewrite: match a prefix, or use uri", i)
			return
		}
	}
}

func checkDirectResponse(c cursor, r *networking.HTTPDirectResponse) {
	if r == nil {
		return
	}
	if r.GetStatus() < 200 || r.GetStatus() > 599 {
		c.field("status").refuse("%d is no status: write 200 to 599", r.GetStatus())
	}
	if n := len(r.GetBody().GetString_()) + len(r.GetBody().GetBytes()); n > maxBody {
		c.field("body").refuse("%d bytes are more than %d: answer with less", n, maxBody)
	}
}

func checkRewrite(c cursor, r *networking.HTTPRewrite) {
	if r == nil {
		return
	}
	re := r.GetUriRegexRewrite()
	if r.GetUri() == "" && r.GetAuthority() == "" && re == nil {
		c.refuse("it says nothing: add uri, uriRegexRewrite or authority")
	}
	if re == nil {
		return
	}
	if r.GetUri() != "" {
		c.field("uriRegexRewrite").refuse("uri and uriRegexRewrite exclude one another: remove one")
	}
	if re.GetMatch() == "" || re.GetRewrite() == "" {
		c.field("uriRegexRewrite").refuse("match and rewrite are both needed: add what is missing")
		return
	}
	checkRegex(c.field("uriRegexRewrite").field("match"), re.GetMatch())
}

func checkMirrors(c cursor, r *networking.HTTPRoute) {
	if r.GetMirror() != nil {
		checkDestination(c.field("mirror"), r.GetMirror())
	}
	if r.GetMirror() != nil && len(r.GetMirrors()) > 0 {
		c.field("mirrors").refuse("mirror and mirrors exclude one another: remove one")
	}
	if p := r.GetMirrorPercent(); p != nil { //nolint:staticcheck // deprecated and still read
		checkWhole(c.field("mirrorPercent"), p.GetValue(), 100)
	}
	checkPercent(c.field("mirrorPercentage"), r.GetMirrorPercentage())
	for i, m := range r.GetMirrors() {
		at := c.field("mirrors").item(i)
		checkDestination(at.field("destination"), m.GetDestination())
		checkPercent(at.field("percentage"), m.GetPercentage())
	}
}
