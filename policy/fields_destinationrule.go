// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package policy

// Rows that several fields of a DestinationRule share.
var (
	hashLater     = not("not enforced yet: calls are spread as LEAST_REQUEST does")
	localityLater = not("not enforced yet: instances are picked whatever their locality")
	warmupLater   = not("not enforced yet: a new instance gets its full share at once")
	poolLater     = not("not enforced yet: connections follow the client's own settings")
	budgetNearly  = row{verdict: Approximated, message: "retries are bounded by the calls of a window (10 s unless budgetInterval says), not by the calls in flight"}
	tlsLater      = row{verdict: Rejected, message: "not enforced yet: calls to the host are refused, not sent in plaintext"}
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
	"LoadBalancerSettings.consistentHash":     hashLater,
	"LoadBalancerSettings.localityLbSetting":  localityLater,
	"LoadBalancerSettings.zoneAwareLbSetting": localityLater,
	"LoadBalancerSettings.warmupDurationSecs": warmupLater,
	"LoadBalancerSettings.warmup":             warmupLater,

	"LoadBalancerSettings.ConsistentHashLB.httpHeaderName":         hashLater,
	"LoadBalancerSettings.ConsistentHashLB.httpCookie":             hashLater,
	"LoadBalancerSettings.ConsistentHashLB.useSourceIp":            hashLater,
	"LoadBalancerSettings.ConsistentHashLB.httpQueryParameterName": hashLater,
	"LoadBalancerSettings.ConsistentHashLB.ringHash":               hashLater,
	"LoadBalancerSettings.ConsistentHashLB.maglev":                 hashLater,
	"LoadBalancerSettings.ConsistentHashLB.minimumRingSize":        hashLater,

	"LoadBalancerSettings.ConsistentHashLB.RingHash.minimumRingSize":   hashLater,
	"LoadBalancerSettings.ConsistentHashLB.MagLev.tableSize":           hashLater,
	"LoadBalancerSettings.ConsistentHashLB.HTTPCookie.name":            hashLater,
	"LoadBalancerSettings.ConsistentHashLB.HTTPCookie.path":            hashLater,
	"LoadBalancerSettings.ConsistentHashLB.HTTPCookie.ttl":             hashLater,
	"LoadBalancerSettings.ConsistentHashLB.HTTPCookie.attributes":      hashLater,
	"LoadBalancerSettings.ConsistentHashLB.HTTPCookie.Attribute.name":  hashLater,
	"LoadBalancerSettings.ConsistentHashLB.HTTPCookie.Attribute.value": hashLater,

	"LocalityLoadBalancerSetting.distribute":       localityLater,
	"LocalityLoadBalancerSetting.failover":         localityLater,
	"LocalityLoadBalancerSetting.failoverPriority": localityLater,
	"LocalityLoadBalancerSetting.enabled":          localityLater,
	"LocalityLoadBalancerSetting.Distribute.from":  localityLater,
	"LocalityLoadBalancerSetting.Distribute.to":    localityLater,
	"LocalityLoadBalancerSetting.Failover.from":    localityLater,
	"LocalityLoadBalancerSetting.Failover.to":      localityLater,

	"ZoneAwareLoadBalancerSetting.enabled":          localityLater,
	"ZoneAwareLoadBalancerSetting.failover":         localityLater,
	"ZoneAwareLoadBalancerSetting.failoverPriority": localityLater,
	"ZoneAwareLoadBalancerSetting.minClusterSize":   localityLater,
	"ZoneAwareLoadBalancerSetting.Failover.from":    localityLater,
	"ZoneAwareLoadBalancerSetting.Failover.to":      localityLater,

	"WarmupConfiguration.duration":       warmupLater,
	"WarmupConfiguration.minimumPercent": warmupLater,
	"WarmupConfiguration.aggression":     warmupLater,

	"ConnectionPoolSettings.tcp":  yes,
	"ConnectionPoolSettings.http": yes,

	"ConnectionPoolSettings.TCPSettings.maxConnections":        poolLater,
	"ConnectionPoolSettings.TCPSettings.connectTimeout":        poolLater,
	"ConnectionPoolSettings.TCPSettings.tcpKeepalive":          poolLater,
	"ConnectionPoolSettings.TCPSettings.maxConnectionDuration": poolLater,
	"ConnectionPoolSettings.TCPSettings.idleTimeout":           poolLater,
	"ConnectionPoolSettings.TCPSettings.TcpKeepalive.probes":   poolLater,
	"ConnectionPoolSettings.TCPSettings.TcpKeepalive.time":     poolLater,
	"ConnectionPoolSettings.TCPSettings.TcpKeepalive.interval": poolLater,

	"ConnectionPoolSettings.HTTPSettings.http1MaxPendingRequests":  not("not enforced yet: calls that wait for a connection are not counted; http2MaxRequests bounds calls in flight"),
	"ConnectionPoolSettings.HTTPSettings.http2MaxRequests":         yes,
	"ConnectionPoolSettings.HTTPSettings.maxRequestsPerConnection": poolLater,
	"ConnectionPoolSettings.HTTPSettings.maxRetries":               not("not enforced yet: the retry budget bounds retries"),
	"ConnectionPoolSettings.HTTPSettings.idleTimeout":              poolLater,
	"ConnectionPoolSettings.HTTPSettings.h2UpgradePolicy":          poolLater,
	"ConnectionPoolSettings.HTTPSettings.useClientProtocol":        poolLater,
	"ConnectionPoolSettings.HTTPSettings.maxConcurrentStreams":     poolLater,
	"ConnectionPoolSettings.HTTPSettings.http2KeepAlive":           poolLater,

	"ConnectionPoolSettings.HTTPSettings.ConnectionKeepalive.interval": poolLater,
	"ConnectionPoolSettings.HTTPSettings.ConnectionKeepalive.timeout":  poolLater,

	"OutlierDetection.consecutiveErrors":              not("deprecated, and without effect in Istio too; write consecutive5xxErrors or consecutiveGatewayErrors"),
	"OutlierDetection.splitExternalLocalOriginErrors": not("not enforced yet: connect failures count with the other errors"),
	"OutlierDetection.consecutiveLocalOriginFailures": not("not enforced yet: connect failures count with the other errors"),
	"OutlierDetection.consecutiveGatewayErrors":       yes,
	"OutlierDetection.consecutive5xxErrors":           yes,
	"OutlierDetection.interval":                       yes,
	"OutlierDetection.baseEjectionTime":               yes,
	"OutlierDetection.maxEjectionPercent":             yes,
	"OutlierDetection.minHealthPercent":               yes,
	"OutlierDetection.outlierDetectionHttpErrorCodes": not("not enforced yet: errors are the 5xx statuses"),

	"ClientTLSSettings.mode": {values: map[string]row{
		"SIMPLE": tlsLater,
		"MUTUAL": tlsLater,
	}},
	"ClientTLSSettings.clientCertificate":  tlsLater,
	"ClientTLSSettings.privateKey":         tlsLater,
	"ClientTLSSettings.caCertificates":     tlsLater,
	"ClientTLSSettings.credentialName":     tlsLater,
	"ClientTLSSettings.subjectAltNames":    yes,
	"ClientTLSSettings.sni":                not("not enforced yet: the mesh's own server names are used"),
	"ClientTLSSettings.insecureSkipVerify": tlsLater,
	"ClientTLSSettings.caCrl":              tlsLater,
}
