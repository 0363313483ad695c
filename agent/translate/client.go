// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package translate

import (
	"strings"

	"github.com/enmesh-go/enmesh/policy"
)

// EnforcerOf is the implementation of gRPC that calls itself by a user agent, such as "gRPC
// Go" or "gRPC C-core". One that is not known is taken for C++, which does least. Python,
// Ruby and PHP are C-core, and do not say which of them they are.
func EnforcerOf(userAgent string) policy.Enforcer {
	switch name := strings.ToLower(userAgent); {
	case strings.Contains(name, "grpc go"), strings.Contains(name, "grpc-go"):
		return policy.GRPCGo
	case strings.Contains(name, "java"):
		return policy.GRPCJava
	case strings.Contains(name, "node"):
		return policy.GRPCNode
	}
	return policy.GRPCCpp
}

// core reports whether a client is C-core, whose ring hash has been seen to crash.
func core(e policy.Enforcer) bool { return e == policy.GRPCCpp || e == policy.GRPCPython }
