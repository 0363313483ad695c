// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"slices"
	"strings"
	"time"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/resilience/retry"
	networking "istio.io/api/networking/v1alpha3"
)

// mesh is the gateway that stands for calls between services.
const mesh = "mesh"

// appliesToMesh reports whether a list of gateways holds the mesh, which it does
// when it is empty.
func appliesToMesh(gateways []string) bool {
	return len(gateways) == 0 || slices.Contains(gateways, mesh)
}

// checkVirtualService holds Istio's rules for a VirtualService.
func checkVirtualService(c cursor, vs *networking.VirtualService) {
	if len(vs.GetHosts()) == 0 {
		checkDelegate(c, vs)
	}
	checkSize(c.field("hosts"), len(vs.GetHosts()))
	for i, host := range vs.GetHosts()[:min(len(vs.GetHosts()), maxEntries)] {
		at := c.field("hosts").item(i)
		checkHost(at, host)
		if host == "*" && appliesToMesh(vs.GetGateways()) {
			at.refuse(`"*" is for gateways only: name the services, or write "*.example.com"`)
		}
		for _, other := range vs.GetHosts()[:i] {
			if overlap(host, other) {
				at.refuse("%q and %q are for the same calls: remove one", host, other)
			}
		}
	}
	if len(vs.GetHttp())+len(vs.GetTcp())+len(vs.GetTls()) == 0 {
		c.refuse("there is no route: add http")
	}
	checkExportTo(c.field("exportTo"), vs.GetExportTo())
	for i, r := range vs.GetHttp() {
		checkHTTPRoute(c.field("http").item(i), r)
	}
}

// checkDelegate holds the rules for a VirtualService without hosts, to which another
// delegates.
func checkDelegate(c cursor, vs *networking.VirtualService) {
	for name, set := range map[string]bool{"gateways": len(vs.GetGateways()) > 0, "tls": len(vs.GetTls()) > 0, "tcp": len(vs.GetTcp()) > 0} {
		if set {
			c.field(name).refuse("without hosts this is a delegate, which has no %s: add hosts, or remove it", name)
		}
	}
	for i, r := range vs.GetHttp() {
		if r.GetDelegate() != nil {
			c.field("http").item(i).field("delegate").refuse("a delegate does not delegate further: name its own rules")
		}
	}
}

// overlap reports whether one of two hosts holds the other.
func overlap(a, b string) bool {
	a, b = strings.ToLower(a), strings.ToLower(b)
	inside := func(wild, host string) bool {
		rest, ok := strings.CutPrefix(wild, "*")
		return ok && strings.HasSuffix(host, rest)
	}
	return a == b || inside(a, b) || inside(b, a)
}

func checkHTTPRoute(c cursor, r *networking.HTTPRoute) {
	checkAction(c, r)
	for i, m := range r.GetMatch() {
		checkHTTPMatch(c.field("match").item(i), m)
	}
	checkRouteDestinations(c.field("route"), r.GetRoute())
	checkHeaders(c.field("headers"), r.GetHeaders())
	checkAuthorityOnce(c, r)
	checkDuration(c.field("timeout"), r.GetTimeout())
	checkRetries(c.field("retries"), r.GetRetries())
	checkFault(c.field("fault"), r.GetFault())
	checkRedirect(c.field("redirect"), r.GetRedirect())
	checkPrefixRewrite(c, r)
	checkDirectResponse(c.field("directResponse"), r.GetDirectResponse())
	checkRewrite(c.field("rewrite"), r.GetRewrite())
	checkMirrors(c, r)
	checkCORS(c.field("corsPolicy"), r.GetCorsPolicy())
}

// checkAction holds which parts of a rule exclude one another.
func checkAction(c cursor, r *networking.HTTPRoute) {
	parts := []struct {
		name string
		set  bool
	}{
		{"delegate", r.GetDelegate() != nil},
		{"redirect", r.GetRedirect() != nil},
		{"directResponse", r.GetDirectResponse() != nil},
		{"route", len(r.GetRoute()) > 0},
		{"fault", r.GetFault() != nil},
		{"rewrite", r.GetRewrite() != nil},
	}
	first := slices.IndexFunc(parts, func(p struct {
		name string
		set  bool
	}) bool {
		return p.set
	})
	if first < 0 || first > 3 {
		c.refuse("nothing is said about where calls go: add route, redirect or directResponse")
		return
	}
	if parts[first].name == "route" {
		return
	}
	for _, p := range parts[first+1:] {
		if p.set && (p.name != "fault" && p.name != "rewrite" || parts[first].name != "delegate") {
			c.field(p.name).refuse("%s and %s exclude one another: remove one", parts[first].name, p.name)
		}
	}
}

func checkHTTPMatch(c cursor, m *networking.HTTPMatchRequest) {
	checkMatch(c.field("uri"), m.GetUri(), true)
	checkMatch(c.field("scheme"), m.GetScheme(), false)
	checkMatch(c.field("method"), m.GetMethod(), false)
	checkMatch(c.field("authority"), m.GetAuthority(), false)
	checkMatches(c.field("headers"), m.GetHeaders(), true)
	checkMatches(c.field("withoutHeaders"), m.GetWithoutHeaders(), true)
	checkMatches(c.field("queryParams"), m.GetQueryParams(), false)
	for _, name := range pseudoHeaders {
		if _, has := m.GetWithoutHeaders()[name]; has {
			c.field("withoutHeaders").entry(name).refuse("the absence of %q cannot be matched: match what is there in a rule before this one", name)
		}
	}
	checkLabels(c.field("sourceLabels"), m.GetSourceLabels())
	if m.GetSourceNamespace() != "" {
		checkDNSLabel(c.field("sourceNamespace"), m.GetSourceNamespace(), "namespace")
	}
	if m.GetPort() != 0 {
		checkPort(c.field("port"), m.GetPort())
	}
	for name, set := range map[string]bool{":method": m.GetMethod() != nil, ":scheme": m.GetScheme() != nil, ":authority": m.GetAuthority() != nil, ":path": m.GetUri() != nil} {
		if _, twice := m.GetHeaders()[name]; twice && set {
			c.field("headers").entry(name).refuse("this is matched by a field of its own already: remove one")
		}
	}
}

func checkDestination(c cursor, d *networking.Destination) {
	if d == nil {
		c.refuse("the destination is missing")
		return
	}
	if d.GetHost() == "*" {
		c.field("host").refuse(`"*" is no destination: name a service`)
	}
	checkHost(c.field("host"), d.GetHost())
	if d.GetSubset() != "" {
		checkDNSLabel(c.field("subset"), d.GetSubset(), "subset")
	}
	if d.GetPort() != nil {
		checkPort(c.field("port").field("number"), d.GetPort().GetNumber())
	}
}

func checkRouteDestinations(c cursor, targets []*networking.HTTPRouteDestination) {
	var total int64
	for i, t := range targets {
		at := c.item(i)
		checkDestination(at.field("destination"), t.GetDestination())
		checkHeaders(at.field("headers"), t.GetHeaders())
		if t.GetWeight() < 0 {
			at.field("weight").refuse("%d is negative: write 0 or more", t.GetWeight())
		}
		total += int64(max(0, t.GetWeight()))
	}
	switch {
	case len(targets) > 1 && total == 0:
		c.refuse("the weights of %d destinations sum to 0: give one of them a weight", len(targets))
	case total >= 1<<32:
		c.refuse("the weights sum to %d, more than %d: divide them", total, uint32(1<<32-1))
	}
}

// checkAuthorityOnce holds that a request's authority is set in one place.
func checkAuthorityOnce(c cursor, r *networking.HTTPRoute) {
	places := 0
	if r.GetRewrite().GetAuthority() != "" {
		places++
	}
	for _, headers := range []map[string]string{r.GetHeaders().GetRequest().GetSet(), r.GetHeaders().GetRequest().GetAdd()} {
		for name := range headers {
			if isAuthority(name) {
				places++
			}
		}
	}
	if places > 1 {
		c.field("headers").refuse("the authority is set %d times in this rule: set it once", places)
	}
}

func checkRetries(c cursor, r *networking.HTTPRetry) {
	if r == nil {
		return
	}
	attempts := c.field("attempts")
	switch {
	case r.GetAttempts() < 0:
		attempts.refuse("%d is negative: write how many times to try again, 0 for never", r.GetAttempts())
	case r.GetAttempts() > maxRetries:
		attempts.refuse("%d is more than %d: write fewer", r.GetAttempts(), maxRetries)
	case r.GetAttempts() == 0 && (r.GetPerTryTimeout() != nil || r.GetRetryOn() != "" || r.GetRetryRemoteLocalities() != nil):
		c.refuse("attempts is 0, which turns retries off, and more is said about them: set attempts, or remove the rest")
	}
	checkDuration(c.field("perTryTimeout"), r.GetPerTryTimeout())
	checkDuration(c.field("backoff"), r.GetBackoff())
	if d := r.GetBackoff().AsDuration(); d > time.Hour {
		c.field("backoff").refuse("%v is more than 1h: wait less", d)
	}
	if _, err := retry.ParseOn(r.GetRetryOn()); err != nil {
		c.field("retryOn").refuse("%s: remove it or correct it", strings.TrimPrefix(err.Error(), "retry: "))
	}
}

func checkFault(c cursor, f *networking.HTTPFaultInjection) {
	if f == nil {
		return
	}
	if f.GetDelay() == nil && f.GetAbort() == nil {
		c.refuse("it has neither a delay nor an abort: add one, or remove it")
	}
	checkDelay(c.field("delay"), f.GetDelay())
	checkAbort(c.field("abort"), f.GetAbort())
}

func checkDelay(c cursor, d *networking.HTTPFaultInjection_Delay) {
	if d == nil {
		return
	}
	checkPercent(c.field("percentage"), d.GetPercentage())
	checkWhole(c.field("percent"), d.GetPercent(), 100) //nolint:staticcheck // deprecated and still read
	checkDuration(c.field("fixedDelay"), d.GetFixedDelay())
	switch d.GetHttpDelayType().(type) {
	case *networking.HTTPFaultInjection_Delay_FixedDelay:
	case *networking.HTTPFaultInjection_Delay_ExponentialDelay:
		c.field("exponentialDelay").refuse("an exponential delay is not supported: use fixedDelay")
	default:
		c.refuse("how long to wait is missing: add fixedDelay")
	}
}

func checkAbort(c cursor, a *networking.HTTPFaultInjection_Abort) {
	if a == nil {
		return
	}
	checkPercent(c.field("percentage"), a.GetPercentage())
	switch t := a.GetErrorType().(type) {
	case *networking.HTTPFaultInjection_Abort_HttpStatus:
		if t.HttpStatus < 200 || t.HttpStatus > 599 {
			c.field("httpStatus").refuse("%d is no status: write 200 to 599", t.HttpStatus)
		}
	case *networking.HTTPFaultInjection_Abort_GrpcStatus:
		if code, ok := enmesh.ParseCode(t.GrpcStatus); !ok || code == enmesh.OK {
			c.field("grpcStatus").refuse("%q is no name of an error in gRPC: write one such as UNAVAILABLE", clip(t.GrpcStatus))
		}
	case *networking.HTTPFaultInjection_Abort_Http2Error:
		c.field("http2Error").refuse("an HTTP/2 error is not supported: use httpStatus or grpcStatus")
	default:
		c.refuse("what to answer is missing: add httpStatus or grpcStatus")
	}
}
