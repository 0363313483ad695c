// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package reserved_test

import (
	"strings"
	"testing"

	"github.com/enmesh-go/enmesh/internal/reserved"
)

func TestNames(t *testing.T) {
	long := "X-Long-" + strings.Repeat("a", 100)
	names := reserved.New([]string{"X-Role", "tenant", long}, []string{"X-Envoy-Deadline"})
	for key, want := range map[string]bool{
		"X-Forwarded-Client-Cert": true, "x-forwarded-client-cert": true, "X_Forwarded-Client_cert": true,
		"X-Envoy-Original-Path": true, "X-Envoy-Internal": true, "X-Envoy-External-Address": true, "X-Envoy-" + strings.Repeat("z", 100): true,
		"L5d-Client-Id": true, "l5d-dst-override": true, "X-Jwt-Payload": true, "X-Original-Url": true, "X-Rewrite-Url": true,
		"X-Forwarded-Prefix": true, "X-Forwarded-Uri": true, "X-Http-Method-Override": true, "Host": true,
		"X-Role": true, "x_role": true, "X-ROLE": true, "Tenant": true, "TENANT": true, long: true, strings.ToLower(long): true,
		"X-Envoy-Attempt-Count": false, "x-envoy-expected-rq-timeout-ms": false, "X-Envoy-Fault-Delay-Request": false, "X-Envoy-Deadline": false,
		"": false, "X-Roles": false, "X-Rol": false, "X-Forwarded-For": false, "X-Request-Id": false, "Content-Type": false, "Accept": false,
		"X-Envoy": false, "\u212aey": false, "X-Long-": false, "Connection": false,
	} {
		if got := names.Has(key); got != want {
			t.Errorf("%q: %v, want %v", key, got, want)
		}
	}
}

// What the program names is reserved, whatever else is kept.
func TestNames_moreGoesFirst(t *testing.T) {
	names := reserved.New([]string{"X-Envoy-Attempt-Count", ""}, []string{"X-Envoy-Attempt-Count"})
	if !names.Has("X-Envoy-Attempt-Count") || !names.Has("x_envoy_attempt_count") {
		t.Error("it is kept")
	}
}

func TestNames_costNoAllocation(t *testing.T) {
	names := reserved.New(nil, nil)
	for _, key := range []string{"Content-Type", "X-Request-Id", "X-Envoy-Attempt-Count", "X-Envoy-Internal", "User-Agent"} {
		if n := testing.AllocsPerRun(100, func() { _ = names.Has(key) }); n != 0 {
			t.Errorf("%q: %.0f allocations, want none", key, n)
		}
	}
}

func BenchmarkNames(b *testing.B) {
	names := reserved.New(nil, nil)
	for _, key := range []string{"User-Agent", "Content-Type", "X-Envoy-Attempt-Count"} {
		b.Run(key, func(b *testing.B) {
			for b.Loop() {
				_ = names.Has(key)
			}
		})
	}
}
