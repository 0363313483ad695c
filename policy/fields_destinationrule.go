// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package policy

// Rows that several fields of a DestinationRule share.
var (
	eachInstance = row{verdict: Approximated, message: "counted for each instance, not for all of them together, and over HTTP only: gRPC has one connection to each"}
	httpOnly     = row{message: "over HTTP only: gRPC has one connection to each instance, and keeps it"}
	budgetNearly = row{verdict: Approximated, message: "retries are bounded by the calls of a window (10 s unless budgetInterval says), not by the calls in flight"}
	secrets      = row{verdict: Rejected, message: "secrets of Kubernetes are not read: name files instead; until then calls to the host are refused, not sent in plaintext"}
)

// destinationRuleFields has one row for each field that a DestinationRule can hold
// and a VirtualService cannot. See virtualServiceFields.
var destinationRuleFields = map[string]row{
	"DestinationRule.host":             yes,
	"DestinationRule.trafficPolicy":    yes,
	"DestinationRule.subsets":          yes,
	"DestinationRule.exportTo":         yes,
	"DestinationRule.workloadSelector": yes,

	"WorkloadSelector.matchLabels": yes,

	"Subset.name":          yes,
	"Subset.labels":        yes,
	"Subset.trafficPolicy": yes,

	"TrafficPolicy.loadBalancer":      yes,
	"TrafficPolicy.connectionPool":    yes,
	"TrafficPolicy.outlierDetection":  yes,
	"TrafficPolicy.tls":               yes,
	"TrafficPolicy.portLevelSettings": yes,
	"TrafficPolicy.tunnel":            l4,
	"TrafficPolicy.proxyProtocol":     l4,
	"TrafficPolicy.retryBudget":       budgetNearly,

	"TrafficPolicy.PortTrafficPolicy.port":             yes,
	"TrafficPolicy.PortTrafficPolicy.loadBalancer":     yes,
	"TrafficPolicy.PortTrafficPolicy.connectionPool":   yes,
	"TrafficPolicy.PortTrafficPolicy.outlierDetection": yes,
	"TrafficPolicy.PortTrafficPolicy.tls":              yes,

	"TrafficPolicy.TunnelSettings.protocol":   l4,
	"TrafficPolicy.TunnelSettings.targetHost": l4,
	"TrafficPolicy.TunnelSettings.targetPort": l4,

	"TrafficPolicy.ProxyProtocol.version": l4,

	"TrafficPolicy.RetryBudget.percent":             budgetNearly,
	"TrafficPolicy.RetryBudget.minRetryConcurrency": budgetNearly,
	"TrafficPolicy.RetryBudget.budgetInterval":      budgetNearly,

	"LoadBalancerSettings.simple": {values: map[string]row{
		"PASSTHROUGH": {verdict: Approximated, message: "an instance is picked at random: enmesh has no original destination to keep"},
		"LEAST_CONN":  {verdict: Warned, message: "the deprecated name of LEAST_REQUEST, which is used; write that"},
	}},
	"LoadBalancerSettings.consistentHash":     yes,
	"LoadBalancerSettings.localityLbSetting":  yes,
	"LoadBalancerSettings.zoneAwareLbSetting": yes,
	"LoadBalancerSettings.warmupDurationSecs": yes,
	"LoadBalancerSettings.warmup":             yes,

	"LoadBalancerSettings.ConsistentHashLB.httpHeaderName":         yes,
	"LoadBalancerSettings.ConsistentHashLB.httpCookie":             yes,
	"LoadBalancerSettings.ConsistentHashLB.useSourceIp":            yes,
	"LoadBalancerSettings.ConsistentHashLB.httpQueryParameterName": yes,
	"LoadBalancerSettings.ConsistentHashLB.ringHash":               yes,
	"LoadBalancerSettings.ConsistentHashLB.maglev":                 yes,
	"LoadBalancerSettings.ConsistentHashLB.minimumRingSize":        yes,

	"LoadBalancerSettings.ConsistentHashLB.RingHash.minimumRingSize":   yes,
	"LoadBalancerSettings.ConsistentHashLB.MagLev.tableSize":           yes,
	"LoadBalancerSettings.ConsistentHashLB.HTTPCookie.name":            yes,
	"LoadBalancerSettings.ConsistentHashLB.HTTPCookie.path":            yes,
	"LoadBalancerSettings.ConsistentHashLB.HTTPCookie.ttl":             yes,
	"LoadBalancerSettings.ConsistentHashLB.HTTPCookie.attributes":      yes,
	"LoadBalancerSettings.ConsistentHashLB.HTTPCookie.Attribute.name":  yes,
	"LoadBalancerSettings.ConsistentHashLB.HTTPCookie.Attribute.value": yes,

	"LocalityLoadBalancerSetting.distribute":       yes,
	"LocalityLoadBalancerSetting.failover":         yes,
	"LocalityLoadBalancerSetting.failoverPriority": yes,
	"LocalityLoadBalancerSetting.enabled":          yes,
	"LocalityLoadBalancerSetting.Distribute.from":  yes,
	"LocalityLoadBalancerSetting.Distribute.to":    yes,
	"LocalityLoadBalancerSetting.Failover.from":    yes,
	"LocalityLoadBalancerSetting.Failover.to":      yes,

	"ZoneAwareLoadBalancerSetting.enabled":          yes,
	"ZoneAwareLoadBalancerSetting.failover":         yes,
	"ZoneAwareLoadBalancerSetting.failoverPriority": yes,
	"ZoneAwareLoadBalancerSetting.minClusterSize":   yes,
	"ZoneAwareLoadBalancerSetting.Failover.from":    yes,
	"ZoneAwareLoadBalancerSetting.Failover.to":      yes,

	"WarmupConfiguration.duration":       yes,
	"WarmupConfiguration.minimumPercent": yes,
	"WarmupConfiguration.aggression":     yes,

	"ConnectionPoolSettings.tcp":  yes,
	"ConnectionPoolSettings.http": yes,

	"ConnectionPoolSettings.TCPSettings.maxConnections":        eachInstance,
	"ConnectionPoolSettings.TCPSettings.connectTimeout":        yes,
	"ConnectionPoolSettings.TCPSettings.tcpKeepalive":          yes,
	"ConnectionPoolSettings.TCPSettings.maxConnectionDuration": yes,
	"ConnectionPoolSettings.TCPSettings.idleTimeout":           httpOnly,
	"ConnectionPoolSettings.TCPSettings.TcpKeepalive.probes":   yes,
	"ConnectionPoolSettings.TCPSettings.TcpKeepalive.time":     yes,
	"ConnectionPoolSettings.TCPSettings.TcpKeepalive.interval": yes,

	"ConnectionPoolSettings.HTTPSettings.http1MaxPendingRequests":  eachInstance,
	"ConnectionPoolSettings.HTTPSettings.http2MaxRequests":         yes,
	"ConnectionPoolSettings.HTTPSettings.maxRequestsPerConnection": httpOnly,
	"ConnectionPoolSettings.HTTPSettings.maxRetries":               yes,
	"ConnectionPoolSettings.HTTPSettings.idleTimeout":              httpOnly,
	"ConnectionPoolSettings.HTTPSettings.h2UpgradePolicy":          {message: "over HTTP only: gRPC always speaks HTTP/2"},
	"ConnectionPoolSettings.HTTPSettings.useClientProtocol":        {verdict: Approximated, message: "a request that a program makes has no protocol of its own: HTTP/1.1 and HTTP/2 are both offered"},
	"ConnectionPoolSettings.HTTPSettings.maxConcurrentStreams":     {message: "over HTTP only: gRPC has one connection to each instance, with as many calls as that allows"},
	"ConnectionPoolSettings.HTTPSettings.http2KeepAlive":           yes,

	"ConnectionPoolSettings.HTTPSettings.ConnectionKeepalive.interval": yes,
	"ConnectionPoolSettings.HTTPSettings.ConnectionKeepalive.timeout":  yes,

	"OutlierDetection.consecutiveErrors":              not("deprecated, and without effect in Istio too; write consecutive5xxErrors or consecutiveGatewayErrors"),
	"OutlierDetection.splitExternalLocalOriginErrors": yes,
	"OutlierDetection.consecutiveLocalOriginFailures": yes,
	"OutlierDetection.consecutiveGatewayErrors":       yes,
	"OutlierDetection.consecutive5xxErrors":           yes,
	"OutlierDetection.interval":                       yes,
	"OutlierDetection.baseEjectionTime":               yes,
	"OutlierDetection.maxEjectionPercent":             yes,
	"OutlierDetection.minHealthPercent":               yes,
	"OutlierDetection.outlierDetectionHttpErrorCodes": yes,

	"ClientTLSSettings.mode":               yes,
	"ClientTLSSettings.clientCertificate":  yes,
	"ClientTLSSettings.privateKey":         yes,
	"ClientTLSSettings.caCertificates":     yes,
	"ClientTLSSettings.credentialName":     secrets,
	"ClientTLSSettings.subjectAltNames":    yes,
	"ClientTLSSettings.sni":                {message: "with SIMPLE and MUTUAL; between workloads of the mesh names are in the certificates"},
	"ClientTLSSettings.insecureSkipVerify": yes,
	"ClientTLSSettings.caCrl":              yes,
}
