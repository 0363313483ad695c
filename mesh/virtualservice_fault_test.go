// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package mesh_test

import (
	"testing"
	"time"
)

// Faults that policy asks for, over both protocols: what the caller sees, how long it takes, and
// whether the service was asked.
func TestVirtualService_faults(t *testing.T) {
	s := newStreet(t, "reviews")
	const web, rpc = "200 reviews v1 /a/b reviews", "OK reviews v1 /a/b reviews" // of the service
	const late = 300 * time.Millisecond
	for _, tt := range []struct {
		name, fault string
		web, rpc    string
		takes       time.Duration // at least; below 20 s in any case
		asked       int           // by one call
	}{
		{"HTTP status", "abort: {httpStatus: 503, percentage: {value: 100}}", "503 fault: injected abort\n", "Unavailable fault: injected abort [FI]", 0, 0},
		{"HTTP status without a code of its own", "abort: {httpStatus: 409, percentage: {value: 100}}", "409 fault: injected abort\n", "Unknown fault: injected abort [FI]", 0, 0},
		{"HTTP status as gRPC maps it", "abort: {httpStatus: 429, percentage: {value: 100}}", "429 fault: injected abort\n", "Unavailable fault: injected abort [FI]", 0, 0},
		{"HTTP success", "abort: {httpStatus: 200, percentage: {value: 100}}", "200 ", "Unknown meshgrpc: a policy's made-up answer has no gRPC message", 0, 0},
		{"gRPC status UNAVAILABLE", "abort: {grpcStatus: UNAVAILABLE, percentage: {value: 100}}", "503 fault: injected abort\n", "Unavailable fault: injected abort [FI]", 0, 0},
		{"gRPC status RESOURCE_EXHAUSTED", "abort: {grpcStatus: RESOURCE_EXHAUSTED, percentage: {value: 100}}", "429 fault: injected abort\n", "ResourceExhausted fault: injected abort [FI]", 0, 0},
		{"gRPC status PERMISSION_DENIED", "abort: {grpcStatus: PERMISSION_DENIED, percentage: {value: 100}}", "403 fault: injected abort\n", "PermissionDenied fault: injected abort [FI]", 0, 0},
		{"gRPC status NOT_FOUND", "abort: {grpcStatus: NOT_FOUND, percentage: {value: 100}}", "404 fault: injected abort\n", "NotFound fault: injected abort [FI]", 0, 0},
		{"aborts of none", "abort: {httpStatus: 503, percentage: {value: 0}}", web, rpc, 0, 1},
		{"gRPC aborts of none", "abort: {grpcStatus: UNAVAILABLE, percentage: {value: 0}}", web, rpc, 0, 1},
		{"aborts without a percentage", "abort: {httpStatus: 503}", web, rpc, 0, 1},
		{"delay", "delay: {fixedDelay: 0.3s, percentage: {value: 100}}", web, rpc, late, 1},
		{"delays of none", "delay: {fixedDelay: 3600s, percentage: {value: 0}}", web, rpc, 0, 1},
		{"delays without a percentage", "delay: {fixedDelay: 3600s}", web, rpc, 0, 1},
		{"delay and abort", "delay: {fixedDelay: 0.3s, percentage: {value: 100}}, abort: {httpStatus: 503, percentage: {value: 100}}",
			"503 fault: injected abort\n", "Unavailable fault: injected abort [FI]", late, 0},
		{"delay of all and abort of none", "delay: {fixedDelay: 0.3s, percentage: {value: 100}}, abort: {grpcStatus: UNAVAILABLE, percentage: {value: 0}}", web, rpc, late, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			documents := subsets + "\n---\n" + forReviews("{fault: {"+tt.fault+"}, "+toReviews+"}")
			see := func(protocol, want string, call func() string) {
				t.Helper()
				for range 3 {
					begun := time.Now()
					if got := call(); got != want {
						t.Errorf("over %s got %q, want %q", protocol, got, want)
					}
					if took := time.Since(begun); took < tt.takes || took > 20*time.Second {
						t.Errorf("over %s it took %v, want at least %v and no hang", protocol, took, tt.takes)
					}
					if got := len(s.take("")); got != tt.asked {
						t.Errorf("over %s the service was asked %d times, want %d", protocol, got, tt.asked)
					}
				}
			}
			m := s.open(t, s.web, documents)
			see("HTTP", tt.web, func() string { got, _ := s.overHTTP(t, m, request{target: "/a/b"}); return got })
			m = s.open(t, s.rpc, documents)
			see("gRPC", tt.rpc, func() string { got, _ := s.overGRPC(t, m, request{target: "/a/b"}); return got })
		})
	}
}
