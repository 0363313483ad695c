// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package policy

// Rows that several fields of the security kinds share.
var (
	// A DestinationRule's workloadSelector has the same message.
	elsewhereOnly = row{verdict: Ignored, message: "for gateways and waypoints only, which enmesh has none of: the document has no effect; write selector"}
	forwarded     = row{message: "the connection's address, unless mesh.WithTrustedProxies says how far X-Forwarded-For is believed"}
	ownPort       = row{message: "the port of this process that the call came in at"}
)

// securityFields has one row for each field that an AuthorizationPolicy, a
// PeerAuthentication or a RequestAuthentication can hold and no other kind. See
// virtualServiceFields.
var securityFields = map[string]row{
	"AuthorizationPolicy.selector":   yes,
	"AuthorizationPolicy.targetRef":  elsewhereOnly,
	"AuthorizationPolicy.targetRefs": elsewhereOnly,
	"AuthorizationPolicy.rules":      yes,
	"AuthorizationPolicy.action":     yes,
	"AuthorizationPolicy.provider":   yes,

	"AuthorizationPolicy.ExtensionProvider.name": {message: "of mesh.WithAuthorizer"},

	"PolicyTargetReference.group":     elsewhereOnly,
	"PolicyTargetReference.kind":      elsewhereOnly,
	"PolicyTargetReference.name":      elsewhereOnly,
	"PolicyTargetReference.namespace": elsewhereOnly,

	"Rule.from": yes,
	"Rule.to":   yes,
	"Rule.when": yes,

	"Rule.From.source":  yes,
	"Rule.To.operation": yes,

	"Source.principals":           yes,
	"Source.notPrincipals":        yes,
	"Source.requestPrincipals":    yes,
	"Source.notRequestPrincipals": yes,
	"Source.namespaces":           yes,
	"Source.notNamespaces":        yes,
	"Source.serviceAccounts":      yes,
	"Source.notServiceAccounts":   yes,
	"Source.ipBlocks":             yes,
	"Source.notIpBlocks":          yes,
	"Source.remoteIpBlocks":       forwarded,
	"Source.notRemoteIpBlocks":    forwarded,
	"Source.trustDomains":         yes,
	"Source.notTrustDomains":      yes,

	"Operation.hosts":      yes,
	"Operation.notHosts":   yes,
	"Operation.ports":      ownPort,
	"Operation.notPorts":   ownPort,
	"Operation.methods":    yes,
	"Operation.notMethods": yes,
	"Operation.paths":      yes,
	"Operation.notPaths":   yes,

	"Condition.key":       yes,
	"Condition.values":    yes,
	"Condition.notValues": yes,

	"PeerAuthentication.selector":       yes,
	"PeerAuthentication.mtls":           yes,
	"PeerAuthentication.portLevelMtls":  {message: "by the port of this process that is connected to"},
	"PeerAuthentication.MutualTLS.mode": {message: "on listeners of mesh.Listen; Mesh.ServerTLS alone is always strict"},

	"RequestAuthentication.selector":   yes,
	"RequestAuthentication.targetRef":  elsewhereOnly,
	"RequestAuthentication.targetRefs": elsewhereOnly,
	"RequestAuthentication.jwtRules":   yes,

	"JWTRule.issuer":                yes,
	"JWTRule.audiences":             yes,
	"JWTRule.jwksUri":               yes,
	"JWTRule.jwks":                  yes,
	"JWTRule.fromHeaders":           yes,
	"JWTRule.fromParams":            {message: "of HTTP requests: a gRPC call has no query"},
	"JWTRule.fromCookies":           yes,
	"JWTRule.outputPayloadToHeader": yes,
	"JWTRule.forwardOriginalToken":  yes,
	"JWTRule.outputClaimToHeaders":  yes,
	"JWTRule.timeout":               yes,
	"JWTRule.spaceDelimitedClaims":  yes,

	"JWTHeader.name":       yes,
	"JWTHeader.prefix":     yes,
	"ClaimToHeader.header": yes,
	"ClaimToHeader.claim":  yes,
}
