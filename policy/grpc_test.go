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
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: c, annotations: {enmesh.dev/load-balancer: PEAK_EWMA}}
spec: {host: c}
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
		{annotationPath(loadBalancerAnnotation), Embedded, Enforced},
		{annotationPath(loadBalancerAnnotation), GRPCGo, Approximated},
		{annotationPath(loadBalancerAnnotation), GRPCNode, Approximated},
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

// Node's client has the algorithms of the annotation only where it is told to.
func TestFindingsFor_algorithmsOfTheAnnotation(t *testing.T) {
	for _, tc := range []struct {
		value string
		on    Enforcer
		want  string
	}{
		{"PICK_FIRST", Embedded, "approximated: for gRPC's clients over xDS: here it is LEAST_REQUEST"},
		{"PICK_FIRST", GRPCGo, "enforced: each channel stays with one instance"},
		{"PICK_FIRST", GRPCPython, "enforced: each channel stays with one instance"},
		{"PICK_FIRST", GRPCNode, "approximated: with GRPC_EXPERIMENTAL_PICKFIRST_LB_CONFIG=true each channel stays"},
		{"PEAK_EWMA", Embedded, "enforced"},
		{"PEAK_EWMA", GRPCJava, "approximated: instances are weighted by the load that they report (ORCA)"},
		{"PEAK_EWMA", GRPCNode, "approximated: with GRPC_EXPERIMENTAL_XDS_WRR_LB=true instances are weighted"},
	} {
		s, err := Parse([]File{{Name: "p.yaml", Data: []byte("apiVersion: networking.istio.io/v1\nkind: DestinationRule\n" +
			"metadata: {name: a, annotations: {enmesh.dev/load-balancer: " + tc.value + "}}\nspec: {host: a}\n")}})
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, f := range s.FindingsFor(tc.on) {
			if f.Field == annotationPath(loadBalancerAnnotation) {
				got = append(got, f.String())
			}
		}
		if len(got) != 1 || !strings.Contains(got[0], tc.want) {
			t.Errorf("%v on %s: got %q, want %q", tc.on, tc.value, got, tc.want)
		}
	}
}
