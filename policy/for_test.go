// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package policy_test

import (
	"slices"
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
