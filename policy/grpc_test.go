// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"strings"
	"testing"
)

// Every row of the table for gRPC is about a field, or a message, that there is.
func TestGRPCFields_areFields(t *testing.T) {
	fields, messages := map[string]bool{}, map[string]bool{}
	for _, rows := range istioFields {
		for key := range rows {
			fields[key], messages[key[:strings.LastIndexByte(key, '.')+1]] = true, true
		}
	}
	for key, rows := range grpcFields {
		if !fields[key] && !messages[key] {
			t.Errorf("%s is neither a field nor a message with a dot", key)
		}
		for _, r := range rows {
			if r.message == "" {
				t.Errorf("%s: a row says nothing", key)
			}
		}
	}
}

func TestFindingsFor_eachImplementation(t *testing.T) {
	s, err := Parse([]File{{Name: "p.yaml", Data: []byte(`
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: a}
spec:
  hosts: [a]
  http:
  - retries: {attempts: 2, perTryTimeout: 1s, retryOn: "5xx,unavailable"}
    timeout: 3s
    mirror: {host: b}
    route: [{destination: {host: a}}]
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: a}
spec:
  host: a
  trafficPolicy:
    loadBalancer: {consistentHash: {httpHeaderName: x}}
    tls: {mode: SIMPLE}
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: b}
spec: {host: b, trafficPolicy: {loadBalancer: {simple: LEAST_REQUEST}}}
---
apiVersion: enmesh.dev/v1
kind: RetryBudget
metadata: {name: a}
spec: {host: a, ratio: 0.2}
`)}})
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		field string
		on    Enforcer
		want  Verdict
	}{
		{"spec.http[0].retries.perTryTimeout", Embedded, Enforced},
		{"spec.http[0].retries.perTryTimeout", GRPCGo, Ignored},
		{"spec.http[0].retries.retryOn", GRPCJava, Approximated},
		{"spec.http[0].retries.attempts", GRPCGo, Enforced},
		{"spec.http[0].timeout", GRPCNode, Enforced},
		{"spec.http[0].mirror", GRPCGo, Ignored},
		{"spec.trafficPolicy.loadBalancer.consistentHash.httpHeaderName", GRPCGo, Enforced},
		{"spec.trafficPolicy.loadBalancer.consistentHash.httpHeaderName", GRPCPython, Ignored},
		{"spec.trafficPolicy.tls.mode", GRPCGo, Rejected},
		{"spec.trafficPolicy.loadBalancer.simple", GRPCGo, Enforced},
		{"spec.trafficPolicy.loadBalancer.simple", GRPCNode, Approximated},
		{"spec.ratio", GRPCGo, Ignored},
	} {
		found := false
		for _, f := range s.FindingsFor(tc.on) {
			if within(f.Field, tc.field) {
				found = true
				if f.Verdict != tc.want || f.Line == 0 {
					t.Errorf("%v on %s: %v, want %v", tc.on, tc.field, f, tc.want)
				}
			}
		}
		if !found {
			t.Errorf("%v on %s: no finding", tc.on, tc.field)
		}
	}
}
