// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package policy

import "strings"

// Enforcer is what enforces policy.
type Enforcer uint8

// The enforcers: this module in a program of one's own, and gRPC's implementations, driven
// by an agent over xDS.
const (
	Embedded Enforcer = iota
	GRPCGo
	GRPCJava
	GRPCCpp
	GRPCPython
	GRPCNode
)

var enforcerNames = [...]string{"embedded", "grpc-go", "grpc-java", "grpc-cpp", "grpc-python", "grpc-node"}

// String is "embedded", "grpc-go", "grpc-java", "grpc-cpp", "grpc-python" or "grpc-node".
func (e Enforcer) String() string {
	if int(e) >= len(enforcerNames) {
		return "enforcer(?)"
	}
	return enforcerNames[e]
}

// ParseEnforcer reads what [Enforcer.String] writes.
func ParseEnforcer(s string) (Enforcer, bool) {
	for i, name := range enforcerNames {
		if strings.EqualFold(s, name) {
			return Enforcer(i), true
		}
	}
	return 0, false
}
