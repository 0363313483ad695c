// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package policy

// ownFields has a row for each field of an own kind about which there is something to
// know. All the others are plainly enforced, by an embedded client or server: to a
// proxyless gRPC client the own kinds say nothing.
var ownFields = map[string]row{
	"ConcurrencyLimit.status":     {message: "for HTTP calls; those of gRPC are refused with RESOURCE_EXHAUSTED by servers, UNAVAILABLE by clients"},
	"Fallback.static.status":      {message: "for HTTP calls; those of gRPC are answered with grpcMessage"},
	"Fallback.static.grpcMessage": {message: "for unary gRPC calls"},
	"RateLimit.rules.status":      {message: "for HTTP calls; those of gRPC are refused with RESOURCE_EXHAUSTED"},
}
