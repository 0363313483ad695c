// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"encoding/json"
	"net/url"
	"slices"
	"strconv"

	security "istio.io/api/security/v1beta1"
)

// checkPeerAuthentication holds Istio's rules for a PeerAuthentication.
func checkPeerAuthentication(c cursor, p *security.PeerAuthentication) {
	checkLabels(c.field("selector").field("matchLabels"), p.GetSelector().GetMatchLabels())
	ports := c.field("portLevelMtls")
	if !ports.isSet() {
		return
	}
	if len(p.GetSelector().GetMatchLabels()) == 0 {
		ports.refuse("the ports are those of a workload: add a selector with matchLabels")
	}
	checkFilled(ports, len(p.GetPortLevelMtls()))
	for port := range p.GetPortLevelMtls() {
		checkPort(ports.entry(strconv.FormatUint(uint64(port), 10)), port)
	}
}

// checkRequestAuthentication holds Istio's rules for a RequestAuthentication.
func checkRequestAuthentication(c cursor, r *security.RequestAuthentication) {
	checkAttachment(c, r.GetSelector(), r.GetTargetRef(), r.GetTargetRefs())
	checkSize(c.field("jwtRules"), len(r.GetJwtRules()))
	for i, rule := range r.GetJwtRules() {
		checkTokenRule(c.field("jwtRules").item(i), rule)
	}
}

func checkTokenRule(c cursor, r *security.JWTRule) {
	if r.GetIssuer() == "" {
		c.field("issuer").refuse("the issuer is missing: add the tokens' iss")
	}
	checkKeys(c, r)
	if r.GetTimeout() != nil {
		checkDuration(c.field("timeout"), r.GetTimeout())
	}
	for _, l := range []listed{
		{"audiences", r.GetAudiences()}, {"fromParams", r.GetFromParams()},
		{"fromCookies", r.GetFromCookies()}, {"spaceDelimitedClaims", r.GetSpaceDelimitedClaims()},
	} {
		at := c.field(l.name)
		checkFilled(at, len(l.values))
		checkValues(at, l.values, nil)
	}
	checkFilled(c.field("fromHeaders"), len(r.GetFromHeaders()))
	for i, h := range r.GetFromHeaders() {
		checkTokenHeader(c.field("fromHeaders").item(i).field("name"), h.GetName())
	}
	if name := r.GetOutputPayloadToHeader(); name != "" {
		checkTokenHeader(c.field("outputPayloadToHeader"), name)
	}
	for i, o := range r.GetOutputClaimToHeaders() {
		at := c.field("outputClaimToHeaders").item(i)
		checkTokenHeader(at.field("header"), o.GetHeader())
		if o.GetClaim() == "" {
			at.field("claim").refuse("the claim is missing: add its name")
		}
	}
}

// checkTokenHeader holds the rule for a header that has a token or a claim.
func checkTokenHeader(c cursor, name string) {
	switch {
	case name == "":
		c.refuse("the name is missing: add that of a header")
	case !headerName.MatchString(name):
		c.refuse("%q is no name of a header", clip(name))
	}
}

// checkKeys holds that there is one way to the issuer's keys.
func checkKeys(c cursor, r *security.JWTRule) {
	switch inline, uri := r.GetJwks(), r.GetJwksUri(); {
	case inline != "" && uri != "":
		c.field("jwks").refuse("jwksUri is set too, and only one of them may be: remove one")
	case inline != "":
		var set struct {
			Keys []json.RawMessage `json:"keys"`
		}
		if err := json.Unmarshal([]byte(inline), &set); err != nil || len(set.Keys) == 0 {
			c.field("jwks").refuse(`it is no set of keys: write JSON such as {"keys": [...]}`)
		}
	case uri != "":
		u, err := url.Parse(uri)
		if err != nil || u.Host == "" || !slices.Contains([]string{"http", "https"}, u.Scheme) {
			c.field("jwksUri").refuse("%q is no address: write https://host/path", clip(uri))
		}
	default:
		c.refuse("the issuer's keys are missing: add jwksUri or jwks (enmesh does not ask the issuer for them)")
	}
}
