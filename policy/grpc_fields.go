// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package policy

// Implementations of gRPC that have something in common.
var (
	coreOnly = []Enforcer{GRPCCpp, GRPCPython}
	noLeast  = []Enforcer{GRPCCpp, GRPCPython, GRPCNode}
	javaOnly = []Enforcer{GRPCJava}
	nodeOnly = []Enforcer{GRPCNode}
)

// Rows that several fields share.
var (
	weightedByReports = row{verdict: Approximated, message: "instances are weighted by the load that they report (ORCA), as far as they do"}
	noRewrites        = forAll(not("gRPC's clients rewrite nothing: calls go on as they are"))
	noEdits           = forAll(not("gRPC's clients edit no metadata: calls go on as they are"))
	noPages           = forAll(not("no page of a browser calls gRPC: calls have no origin"))
	noCopies          = forAll(not("gRPC's clients make no copies of calls"))
	unavailable       = forAll(row{verdict: Rejected, message: "gRPC's clients know no such answer: the calls end with UNAVAILABLE"})
	noWarmup          = forAll(not("gRPC has no slow start"))
	noPool            = forAll(not("gRPC has one connection to each instance, and its own settings for it"))
	noKey             = forAll(not("calls of gRPC have no cookies and no query: instances are chosen in turn"))
	noTokens          = forAll(not("gRPC's servers look at no tokens, good or bad; rules that ask for what they say deny"))
	noSuchTokens      = forAll(row{verdict: Rejected, message: "gRPC's servers look at no tokens: such an ALLOW rule allows nothing, and a DENY rule denies whether it holds or not"})
	noFiles           = forAll(row{verdict: Rejected, message: "workloads have the certificates of their bootstrap only: calls to the host are refused"})
	nearly            = forAll(row{verdict: Approximated, message: "gRPC counts no errors in a row: an instance is ejected if more than 99% of at least so many calls failed within the interval"})
	uncounted         = forAll(not("gRPC's outlier detection has no such thing"))
	wholeTiers        = forAll(row{verdict: Approximated, message: "computed for each client's locality; load leaves a tier when no instance in it can be connected to, or as far as the registry doubts them or their checks fail"})
	zonesNot          = forAll(row{verdict: Approximated, message: "the own region goes before others, and zones are not weighed"})
)

func forAll(r row) []onGRPC { return []onGRPC{{row: r}} }

func noted(v Verdict, message string, value func(string) bool, only ...Enforcer) onGRPC {
	return onGRPC{only, value, row{verdict: v, message: message}}
}

// grpcFields has the verdicts on fields that gRPC, driven over xDS, does not enforce as
// package mesh does; those of all fields of a message stand under its name with a dot at the
// end. Of several rows the first that is about the implementation and the value holds.
var grpcFields = map[string][]onGRPC{
	"HTTPRoute.redirect":       unavailable,
	"HTTPRedirect.":            unavailable,
	"HTTPRoute.directResponse": unavailable,
	"HTTPDirectResponse.":      unavailable,
	"HTTPBody.":                unavailable,

	"HTTPRoute.rewrite":          noRewrites,
	"HTTPRewrite.":               noRewrites,
	"RegexRewrite.":              noRewrites,
	"Headers.":                   noEdits,
	"Headers.HeaderOperations.":  noEdits,
	"HTTPRoute.corsPolicy":       noPages,
	"CorsPolicy.":                noPages,
	"HTTPRoute.mirror":           noCopies,
	"HTTPRoute.mirrors":          noCopies,
	"HTTPRoute.mirrorPercent":    noCopies,
	"HTTPRoute.mirrorPercentage": noCopies,
	"HTTPMirrorPolicy.":          noCopies,

	"HTTPMatchRequest.authority":   forAll(row{verdict: Approximated, message: "compared with what the channel dials, whatever authority a call sets"}),
	"HTTPMatchRequest.queryParams": forAll(row{message: "calls of gRPC have no query: the match holds for none"}),
	"HTTPMatchRequest.headers": forAll(row{verdict: Approximated,
		message: "routes of gRPC see the application's metadata and content-type: no pseudo headers, no user-agent, nothing binary"}),
	"HTTPMatchRequest.withoutHeaders": forAll(row{verdict: Approximated,
		message: "routes of gRPC see the application's metadata and content-type: no pseudo headers, no user-agent, nothing binary"}),

	"HTTPRoute.timeout":  forAll(row{message: "bounds the whole call, of streams too (max_stream_duration)"}),
	"HTTPRetry.attempts": {noted(Approximated, "gRPC makes 5 attempts at most, the first one included", manyAttempts)},
	"HTTPRetry.retryOn": {noted(Approximated,
		"gRPC knows cancelled, deadline-exceeded, internal, resource-exhausted and unavailable, and leaves out all else; a call that never left the client is sent again by itself", beyondCodes)},
	"HTTPRetry.perTryTimeout":            forAll(not("gRPC has no timeout of attempts")),
	"HTTPRetry.retryRemoteLocalities":    forAll(not("gRPC does not choose localities by attempts")),
	"HTTPRetry.retryIgnorePreviousHosts": forAll(not("gRPC chooses each attempt's instance anew, and may choose the same")),

	"LoadBalancerSettings.simple": {
		noted(Approximated, "gRPC has it not: instances are chosen in turn", is("RANDOM", "PASSTHROUGH")),
		noted(Approximated, "not in this implementation: instances are chosen in turn", is("LEAST_REQUEST", "LEAST_CONN"), noLeast...),
		noted(Approximated, "with GRPC_EXPERIMENTAL_ENABLE_LEAST_REQUEST=true only, else instances are chosen in turn", is("LEAST_REQUEST", "LEAST_CONN"), javaOnly...),
		noted(Enforced, "without regard to the weights of instances", is("ROUND_ROBIN")),
	},
	"LoadBalancerSettings.ConsistentHashLB.httpHeaderName": {
		noted(Ignored, "not sent to C-core, which a ring hash has been seen to crash: instances are chosen in turn", nil, coreOnly...)},
	"LoadBalancerSettings.ConsistentHashLB.httpCookie":             noKey,
	"LoadBalancerSettings.ConsistentHashLB.HTTPCookie.":            noKey,
	"LoadBalancerSettings.ConsistentHashLB.HTTPCookie.Attribute.":  noKey,
	"LoadBalancerSettings.ConsistentHashLB.httpQueryParameterName": noKey,
	"LoadBalancerSettings.ConsistentHashLB.useSourceIp": {
		noted(Ignored, "not sent to C-core, which a ring hash has been seen to crash: instances are chosen in turn", nil, coreOnly...),
		noted(Approximated, "each channel of a client has its own instance", nil),
	},
	"LoadBalancerSettings.ConsistentHashLB.maglev":          forAll(row{verdict: Approximated, message: "gRPC has a ring only"}),
	"LoadBalancerSettings.ConsistentHashLB.MagLev.":         forAll(row{verdict: Approximated, message: "gRPC has a ring only"}),
	"LoadBalancerSettings.ConsistentHashLB.RingHash.":       forAll(row{verdict: Approximated, message: "clients cut rings at 4096 entries, unless they are set up otherwise"}),
	"LoadBalancerSettings.ConsistentHashLB.minimumRingSize": forAll(row{verdict: Approximated, message: "clients cut rings at 4096 entries, unless they are set up otherwise"}),

	"LoadBalancerSettings.warmup":                  noWarmup,
	"LoadBalancerSettings.warmupDurationSecs":      noWarmup,
	"WarmupConfiguration.":                         noWarmup,
	"LocalityLoadBalancerSetting.failover":         wholeTiers,
	"LocalityLoadBalancerSetting.failoverPriority": wholeTiers,
	"LocalityLoadBalancerSetting.Failover.":        wholeTiers,
	"ZoneAwareLoadBalancerSetting.":                zonesNot,
	"ZoneAwareLoadBalancerSetting.Failover.":       zonesNot,

	"TrafficPolicy.retryBudget": forAll(not("gRPC's clients over xDS have no retry budget")),

	"ConnectionPoolSettings.TCPSettings.":                      noPool,
	"ConnectionPoolSettings.TCPSettings.TcpKeepalive.":         noPool,
	"ConnectionPoolSettings.HTTPSettings.http2MaxRequests":     forAll(row{message: "counted for each subset and port, by each process"}),
	"ConnectionPoolSettings.HTTPSettings.":                     noPool,
	"ConnectionPoolSettings.HTTPSettings.ConnectionKeepalive.": noPool,

	"OutlierDetection.consecutive5xxErrors":           nearly,
	"OutlierDetection.consecutiveGatewayErrors":       nearly,
	"OutlierDetection.splitExternalLocalOriginErrors": uncounted,
	"OutlierDetection.consecutiveLocalOriginFailures": uncounted,
	"OutlierDetection.minHealthPercent":               uncounted,
	"OutlierDetection.outlierDetectionHttpErrorCodes": uncounted,

	"ClientTLSSettings.mode": {
		noted(Rejected, "workloads have the certificates of their bootstrap only: calls to the host are refused", is("SIMPLE", "MUTUAL")),
		noted(Enforced, "by channels with xDS credentials", is("ISTIO_MUTUAL")),
	},
	"ClientTLSSettings.clientCertificate":  noFiles,
	"ClientTLSSettings.privateKey":         noFiles,
	"ClientTLSSettings.caCertificates":     noFiles,
	"ClientTLSSettings.caCrl":              noFiles,
	"ClientTLSSettings.insecureSkipVerify": noFiles,
	"ClientTLSSettings.sni":                forAll(not("gRPC sends what the channel dials")),

	"ServiceEntry.resolution": {noted(Approximated, "the agent looks up the name that is dialled", is("NONE", "DYNAMIC_DNS"))},
	"WorkloadEntry.weight":    forAll(row{verdict: Approximated, message: "weighs localities against one another; within one only a ring hash weighs instances"}),

	"AuthorizationPolicy.action": {
		noted(Ignored, "gRPC has no AUDIT", is("AUDIT")),
		noted(Rejected, "gRPC asks no provider: what the policy matches is denied", is("CUSTOM")),
		noted(Rejected, "servers on Node refuse rules, and do not serve, unless GRPC_XDS_EXPERIMENTAL_RBAC=true", nil, nodeOnly...),
	},
	"AuthorizationPolicy.rules": {
		noted(Rejected, "servers on Node refuse rules, and do not serve, unless GRPC_XDS_EXPERIMENTAL_RBAC=true", nil, nodeOnly...),
	},
	"AuthorizationPolicy.ExtensionProvider.": forAll(row{verdict: Rejected, message: "gRPC asks no provider: what the policy matches is denied"}),
	"Source.requestPrincipals":               noSuchTokens,
	"Source.notRequestPrincipals":            noSuchTokens,
	"Source.remoteIpBlocks":                  forAll(row{verdict: Approximated, message: "compared with the connection's address"}),
	"Source.notRemoteIpBlocks":               forAll(row{verdict: Approximated, message: "compared with the connection's address"}),
	"Condition.key": {
		noted(Rejected, "gRPC's servers cannot see it: such an ALLOW rule allows nothing, and a DENY rule denies whether it holds or not", begins("request.auth.", "connection.sni")),
		noted(Approximated, "compared with the connection's address", is("remote.ip")),
	},
	"PeerAuthentication.MutualTLS.mode": {
		noted(Rejected, "gRPC's servers cannot be PERMISSIVE: STRICT where workloads have certificates, else plaintext", is("PERMISSIVE")),
	},
	"RequestAuthentication.jwtRules": noTokens,
	"JWTRule.":                       noTokens,
	"JWTHeader.":                     noTokens,
	"ClaimToHeader.":                 noTokens,
}
