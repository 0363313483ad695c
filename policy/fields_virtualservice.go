// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package policy

// virtualServiceFields has one row for each field that a VirtualService can hold,
// by message and name. A test walks Istio's messages and fails for a field without
// a row, and for a row without a field.
var virtualServiceFields = map[string]row{
	"VirtualService.hosts":    yes,
	"VirtualService.gateways": yes,
	"VirtualService.http":     yes,
	"VirtualService.tls":      l4,
	"VirtualService.tcp":      l4,
	"VirtualService.exportTo": yes,

	"HTTPRoute.name":             yes,
	"HTTPRoute.match":            yes,
	"HTTPRoute.route":            yes,
	"HTTPRoute.redirect":         yes,
	"HTTPRoute.directResponse":   yes,
	"HTTPRoute.delegate":         yes,
	"HTTPRoute.rewrite":          yes,
	"HTTPRoute.timeout":          yes,
	"HTTPRoute.retries":          yes,
	"HTTPRoute.fault":            yes,
	"HTTPRoute.mirror":           yes,
	"HTTPRoute.mirrors":          yes,
	"HTTPRoute.mirrorPercent":    yes,
	"HTTPRoute.mirrorPercentage": yes,
	"HTTPRoute.corsPolicy":       {message: "for calls over HTTP, made and served: gRPC has no pages"},
	"HTTPRoute.headers":          yes,

	"HTTPMatchRequest.name":            yes,
	"HTTPMatchRequest.uri":             yes,
	"HTTPMatchRequest.scheme":          yes,
	"HTTPMatchRequest.method":          yes,
	"HTTPMatchRequest.authority":       yes,
	"HTTPMatchRequest.headers":         yes,
	"HTTPMatchRequest.port":            yes,
	"HTTPMatchRequest.sourceLabels":    yes,
	"HTTPMatchRequest.gateways":        yes,
	"HTTPMatchRequest.queryParams":     yes,
	"HTTPMatchRequest.ignoreUriCase":   yes,
	"HTTPMatchRequest.withoutHeaders":  yes,
	"HTTPMatchRequest.sourceNamespace": yes,
	"HTTPMatchRequest.statPrefix":      not("enmesh names its metrics by route; use name"),

	"StringMatch.exact":  yes,
	"StringMatch.prefix": yes,
	"StringMatch.regex":  yes,

	"HTTPRouteDestination.destination": yes,
	"HTTPRouteDestination.weight":      yes,
	"HTTPRouteDestination.headers":     yes,

	"Destination.host":   yes,
	"Destination.subset": yes,
	"Destination.port":   yes,

	"PortSelector.number": yes,

	"Headers.request":                 yes,
	"Headers.response":                yes,
	"Headers.HeaderOperations.set":    yes,
	"Headers.HeaderOperations.add":    yes,
	"Headers.HeaderOperations.remove": yes,

	"HTTPRetry.attempts":                 yes,
	"HTTPRetry.perTryTimeout":            yes,
	"HTTPRetry.retryOn":                  yes,
	"HTTPRetry.retryRemoteLocalities":    yes,
	"HTTPRetry.retryIgnorePreviousHosts": yes,
	"HTTPRetry.backoff":                  yes,

	"HTTPFaultInjection.delay":                  yes,
	"HTTPFaultInjection.abort":                  yes,
	"HTTPFaultInjection.Delay.percent":          yes,
	"HTTPFaultInjection.Delay.fixedDelay":       yes,
	"HTTPFaultInjection.Delay.exponentialDelay": {verdict: Rejected, message: "not supported, in Istio neither"},
	"HTTPFaultInjection.Delay.percentage":       yes,
	"HTTPFaultInjection.Abort.httpStatus":       yes,
	"HTTPFaultInjection.Abort.grpcStatus":       yes,
	"HTTPFaultInjection.Abort.http2Error":       {verdict: Rejected, message: "not supported, in Istio neither"},
	"HTTPFaultInjection.Abort.percentage":       yes,

	"Percent.value": yes,

	"HTTPRedirect.uri":           yes,
	"HTTPRedirect.authority":     yes,
	"HTTPRedirect.port":          yes,
	"HTTPRedirect.derivePort":    yes,
	"HTTPRedirect.scheme":        yes,
	"HTTPRedirect.redirectCode":  yes,
	"HTTPRedirect.prefixRewrite": yes,

	"HTTPDirectResponse.status": yes,
	"HTTPDirectResponse.body":   yes,
	"HTTPBody.string":           yes,
	"HTTPBody.bytes":            yes,

	"Delegate.name":      yes,
	"Delegate.namespace": yes,

	"HTTPRewrite.uri":             yes,
	"HTTPRewrite.authority":       yes,
	"HTTPRewrite.uriRegexRewrite": yes,
	"RegexRewrite.match":          yes,
	"RegexRewrite.rewrite":        yes,

	"HTTPMirrorPolicy.destination": yes,
	"HTTPMirrorPolicy.percentage":  yes,

	"CorsPolicy.allowOrigin":         yes,
	"CorsPolicy.allowOrigins":        yes,
	"CorsPolicy.allowMethods":        yes,
	"CorsPolicy.allowHeaders":        yes,
	"CorsPolicy.exposeHeaders":       yes,
	"CorsPolicy.maxAge":              yes,
	"CorsPolicy.allowCredentials":    yes,
	"CorsPolicy.unmatchedPreflights": yes,

	"TLSRoute.match":                        l4,
	"TLSRoute.route":                        l4,
	"TLSMatchAttributes.sniHosts":           l4,
	"TLSMatchAttributes.destinationSubnets": l4,
	"TLSMatchAttributes.port":               l4,
	"TLSMatchAttributes.sourceLabels":       l4,
	"TLSMatchAttributes.gateways":           l4,
	"TLSMatchAttributes.sourceNamespace":    l4,

	"TCPRoute.match":                       l4,
	"TCPRoute.route":                       l4,
	"L4MatchAttributes.destinationSubnets": l4,
	"L4MatchAttributes.port":               l4,
	"L4MatchAttributes.sourceSubnet":       l4,
	"L4MatchAttributes.sourceLabels":       l4,
	"L4MatchAttributes.gateways":           l4,
	"L4MatchAttributes.sourceNamespace":    l4,

	"RouteDestination.destination": l4,
	"RouteDestination.weight":      l4,
}
