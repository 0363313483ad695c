// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package translate

import (
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"

	corepb "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	rbacpb "github.com/envoyproxy/go-control-plane/envoy/config/rbac/v3"
	routepb "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	matcherpb "github.com/envoyproxy/go-control-plane/envoy/type/matcher/v3"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// glob is an expression for a value that may begin or end in "*", or be it alone: then it
// is for any text that is not empty.
func glob(value string) string {
	switch text, all := strings.CutPrefix(value, "*"); {
	case value == "*":
		return ".+"
	case all:
		return ".*" + regexp.QuoteMeta(text)
	}
	if text, ok := strings.CutSuffix(value, "*"); ok {
		return regexp.QuoteMeta(text) + ".*"
	}
	return regexp.QuoteMeta(value)
}

// text is a condition on a text.
func text(value string) *matcherpb.StringMatcher {
	if strings.Contains(value, "*") {
		return expression("(?s)" + glob(value))
	}
	return exactly(value, false)
}

// header is a condition on a header. Wide: one element of a list with commas is enough.
func header(name, value string, wide bool) *rbacpb.Permission {
	match := text(value)
	if wide {
		match = expression(`(?s)(?:.*,)?[ \t]*` + strings.Replace(glob(value), ".+", ".*", 1) + `[ \t]*(?:,.*)?`)
	}
	return headerIs(name, match)
}

func headerIs(name string, match *matcherpb.StringMatcher) *rbacpb.Permission {
	return &rbacpb.Permission{Rule: &rbacpb.Permission_Header{Header: &routepb.HeaderMatcher{
		Name: name, HeaderMatchSpecifier: &routepb.HeaderMatcher_StringMatch{StringMatch: match},
	}}}
}

// host is a condition on the authority: in any case, with any port where none is said, and
// with or without a trailing dot.
func (r *rule) host(value string, wide bool) *rbacpb.Permission {
	port := "(?::[0-9]*)?"
	if colon := strings.LastIndexByte(value, ':'); colon > strings.LastIndexByte(value, ']') {
		digits := value[colon+1:]
		value = value[:colon]
		if _, err := strconv.ParseUint(digits, 10, 16); err == nil {
			if port = ":0*" + digits; wide {
				port = "(?:" + port + ")?" // its scheme's, perhaps
			}
		}
	}
	return headerIs(":authority", expression(`(?i)`+glob(strings.TrimSuffix(value, "."))+`\.?`+port))
}

func (r *rule) port(value string, wide bool) *rbacpb.Permission {
	n, err := strconv.ParseUint(value, 10, 16)
	if err != nil { // never: policy refuses it
		return decided(wide)
	}
	return &rbacpb.Permission{Rule: &rbacpb.Permission_DestinationPort{DestinationPort: uint32(n)}}
}

// method is decided at once: gRPC calls are POST.
func (r *rule) method(value string, wide bool) *rbacpb.Permission {
	if wide {
		value = strings.ToUpper(value)
	}
	matched, err := regexp.MatchString("^(?:"+glob(value)+")$", "POST")
	return decided(matched && err == nil)
}

func (r *rule) path(value string, wide bool) *rbacpb.Permission {
	match := text(value)
	if strings.Contains(value, "{*}") || strings.Contains(value, "{**}") {
		match = expression(template(value, wide))
	}
	return &rbacpb.Permission{Rule: &rbacpb.Permission_UrlPath{UrlPath: &matcherpb.PathMatcher{
		Rule: &matcherpb.PathMatcher_Path{Path: match},
	}}}
}

// template is an expression for a path with {*}, one segment, and {**}, any text.
func template(value string, wide bool) string {
	re := strings.NewReplacer(regexp.QuoteMeta("{**}"), ".*", regexp.QuoteMeta("{*}"), "[^/]+").Replace(regexp.QuoteMeta(value))
	if rest, ok := strings.CutSuffix(re, ".*/"); ok && wide {
		re = rest + ".*/.*" // Istio's documentation has it so, and Envoy not
	}
	return "(?s)" + re
}

func (r *rule) local(value string, wide bool) *rbacpb.Permission {
	block := cidr(value)
	if block == nil {
		return decided(wide)
	}
	return &rbacpb.Permission{Rule: &rbacpb.Permission_DestinationIp{DestinationIp: block}}
}

// block is a condition on the address of the connection's far end.
func (r *rule) block(value string, wide bool) *rbacpb.Principal {
	block := cidr(value)
	if block == nil {
		return negateWho(anybody(), !wide)
	}
	return &rbacpb.Principal{Identifier: &rbacpb.Principal_DirectRemoteIp{DirectRemoteIp: block}}
}

// cidr reads an address or a range; nil: it is neither, which policy refuses.
func cidr(value string) *corepb.CidrRange {
	p, err := netip.ParsePrefix(value)
	if err != nil {
		a, err := netip.ParseAddr(value)
		if err != nil || a.Zone() != "" {
			return nil
		}
		a = a.Unmap()
		p = netip.PrefixFrom(a, a.BitLen())
	}
	if p.Addr().Is4In6() && p.Bits() >= 96 {
		p = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
	}
	p = p.Masked()
	return &corepb.CidrRange{AddressPrefix: p.Addr().String(), PrefixLen: wrapperspb.UInt32(uint32(p.Bits()))}
}

const scheme = "spiffe://"

// principal is a condition on who calls: the name without its scheme. That of a trust
// domain of ours stands for all its names.
func (r *rule) principal(value string, _ bool) *rbacpb.Principal {
	domain, rest, ok := strings.Cut(value, "/")
	own := append([]string{r.cfg.TrustDomain}, r.cfg.TrustDomainAliases...)
	if !ok || domain != "cluster.local" && !slices.Contains(own, domain) {
		return called(value)
	}
	var some []*rbacpb.Principal
	for _, name := range own {
		some = append(some, called(name+"/"+rest))
	}
	return anyOfThem(some)
}

func called(value string) *rbacpb.Principal {
	if strings.Contains(value, "*") {
		return named(expression(scheme + glob(value)))
	}
	return named(exactly(scheme+value, false))
}

func named(match *matcherpb.StringMatcher) *rbacpb.Principal {
	return &rbacpb.Principal{Identifier: &rbacpb.Principal_Authenticated_{
		Authenticated: &rbacpb.Principal_Authenticated{PrincipalName: match},
	}}
}

// namespace is one segment of the name, in which "*" may stand anywhere.
func (r *rule) namespace(value string, wide bool) *rbacpb.Principal {
	return r.workload(segment(value), "[^/]+", wide)
}

// workload is a condition on both segments of the name. Wide: they may stand anywhere in
// it, as in Istio's expressions.
func (r *rule) workload(namespace, account string, wide bool) *rbacpb.Principal {
	if wide {
		return named(expression(scheme + "[^/]+/(?:.*/)?ns/" + namespace + "/(?:.*/)?(?:sa/)?" + account + "(?:/.*)?"))
	}
	return named(expression(scheme + "[^/]+/ns/" + namespace + "/sa/" + account))
}

// segment is an expression for a part of a name, with "*" for any text.
func segment(value string) string {
	if value == "*" {
		return "[^/]+"
	}
	return strings.ReplaceAll(regexp.QuoteMeta(value), `\*`, "[^/]*")
}

func (r *rule) serviceAccount(value string, wide bool) *rbacpb.Principal {
	namespace, account, ok := strings.Cut(value, "/")
	if !ok {
		namespace, account = r.policy.Namespace, value
	}
	return r.workload(regexp.QuoteMeta(namespace), regexp.QuoteMeta(account), wide)
}

func (r *rule) trustDomain(value string, _ bool) *rbacpb.Principal {
	return named(expression(scheme + segment(value) + "/.*"))
}
