// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package policy_test

import (
	"reflect"
	"slices"
	"sync"
	"testing"

	"github.com/enmesh-go/enmesh/policy"
)

const twoNamespaces = `
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: reviews}
spec:
  hosts: [reviews]
  http:
  - match: [{sourceLabels: {app: web}}]
    timeout: 1s
    route: [{destination: {host: reviews}}]
  - route: [{destination: {host: reviews}}]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: private, namespace: shop}
spec:
  hosts: [private]
  exportTo: ["."]
  http:
  - route: [{destination: {host: private}}]
---
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {name: strict, namespace: shop}
spec: {selector: {matchLabels: {tier: back}}, mtls: {mode: STRICT}}
`

func TestSnapshotFor_isTheLoadOfAnotherProcess(t *testing.T) {
	s, err := policy.Parse([]policy.File{{Name: "p.yaml", Data: []byte(twoNamespaces)}})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := s.LabelKeys(), []string{"app", "tier"}; !slices.Equal(got, want) {
		t.Errorf("LabelKeys: %q, want %q", got, want)
	}
	shop, err := s.For("shop", map[string]string{"app": "web", "tier": "back"})
	if err != nil {
		t.Fatal(err)
	}
	reviews := shop.Service("reviews.default.svc.cluster.local")
	if reviews == nil || len(reviews.Rules) != 2 {
		t.Errorf("reviews in shop: %+v, want both rules, in the namespace that the document was in", reviews)
	}
	if shop.Service("private.shop.svc.cluster.local") == nil {
		t.Error("a document that is exported to its own namespace is not seen from there")
	}
	if !shop.Security.Peers.Set || s.Security.Peers.Set {
		t.Errorf("PeerAuthentication: %t in shop, %t in default; want it in shop only", shop.Security.Peers.Set, s.Security.Peers.Set)
	}
	if again, err := shop.For("", nil); err != nil || len(again.Service("reviews.default.svc.cluster.local").Rules) != 1 {
		t.Errorf("back in default without labels: %v", err)
	}
}

// TestSnapshotFor_leavesNothingBehind holds that what one process sees does not show in what
// another does, whichever comes first.
func TestSnapshotFor_leavesNothingBehind(t *testing.T) {
	processes := []map[string]string{{"app": "web"}, {"tier": "back"}, nil}
	load := func() *policy.Snapshot {
		s, err := policy.Parse([]policy.File{{Name: "p.yaml", Data: []byte(twoNamespaces)}})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	see := func(s *policy.Snapshot, namespace string, labels map[string]string) *policy.Snapshot {
		made, err := s.For(namespace, labels)
		if err != nil {
			t.Fatal(err)
		}
		return made
	}
	shared := load()
	var wait sync.WaitGroup
	for _, namespace := range []string{"shop", "", "third", "shop"} {
		for _, labels := range processes {
			wait.Go(func() {
				got, want := see(shared, namespace, labels), see(load(), namespace, labels)
				if !reflect.DeepEqual(got.Findings, want.Findings) || !reflect.DeepEqual(got.Security, want.Security) {
					t.Errorf("%q %v: got %+v, want %+v", namespace, labels, got.Findings, want.Findings)
				}
				if !reflect.DeepEqual(got.FindingsFor(policy.GRPCGo), want.FindingsFor(policy.GRPCGo)) {
					t.Errorf("%q %v: the findings for grpc-go differ", namespace, labels)
				}
				if len(got.Services) != len(want.Services) {
					t.Errorf("%q %v: got %d services, want %d", namespace, labels, len(got.Services), len(want.Services))
				}
			})
		}
	}
	wait.Wait()
}
