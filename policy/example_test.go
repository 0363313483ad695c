// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package policy_test

import (
	"context"
	"fmt"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/policy"
)

const reviews = `
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata:
  name: reviews
spec:
  hosts: [reviews]
  http:
  - name: even
    timeout: 2s
    corsPolicy: {maxAge: 24h}
    route:
    - destination: {host: reviews, subset: v1}
      weight: 90
    - destination: {host: reviews, subset: v2}
      weight: 10
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata:
  name: reviews
spec:
  host: reviews
  trafficPolicy:
    loadBalancer: {simple: ROUND_ROBIN}
  subsets:
  - {name: v1, labels: {version: v1}}
  - {name: v2, labels: {version: v2}}
`

func ExampleParse() {
	s, err := policy.Parse([]policy.File{{Name: "reviews.yaml", Data: []byte(reviews)}})
	if err != nil {
		fmt.Println(err)
		return
	}
	key := enmesh.Naming{}.Key("reviews")
	rule := s.Service(key).Find(&enmesh.Call{Method: "GET", Path: "/reviews/0"})
	fmt.Println(rule.Name, rule.Timeout)
	for _, to := range rule.Split {
		fmt.Println(to.Weight, to.Destination, s.Destination(key).Traffic(to.Subset, to.Port).Algorithm)
	}
	for _, f := range s.Notes() {
		fmt.Println(f)
	}
	// Output:
	// even 2s
	// 90 reviews.default.svc.cluster.local/v1 ROUND_ROBIN
	// 10 reviews.default.svc.cluster.local/v2 ROUND_ROBIN
	// reviews.yaml:11:5: VirtualService "reviews" (document 1): spec.http[0].corsPolicy: ignored: no origin is allowed, so that it does nothing: add allowOrigins
}

func ExampleParse_refused() {
	_, err := policy.Parse([]policy.File{{Name: "reviews.yaml", Data: []byte(`
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: reviews}
spec:
  hosts: [reviews]
  http:
  - timeuot: 2s
    route:
    - destination: {host: reviews}
      weight: -1
`)}})
	fmt.Println(err)
	// Output:
	// policy: reviews.yaml:8:5: VirtualService "reviews" (document 1): spec.http[0].timeuot: no such field in HTTPRoute: did you mean timeout?
	// policy: reviews.yaml:11:7: VirtualService "reviews" (document 1): spec.http[0].route[0].weight: -1 is negative: write 0 or more
}

func ExampleLoad() {
	s, err := policy.Load("testdata/documents")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(len(s.Documents), "documents,", len(s.Services), "services,", len(s.Destinations), "destinations")
	// Output:
	// 9 documents, 3 services, 3 destinations
}

// A consumer of Watch keeps what it has while a load is refused.
func ExampleWatch() {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var inForce *policy.Snapshot
	for s, err := range policy.Watch(ctx, "testdata/documents") {
		if err != nil {
			fmt.Println(err)
			continue
		}
		inForce = s
		cancel() // a program goes on until it ends
	}
	fmt.Println(len(inForce.Services), "services")
	// Output:
	// 3 services
}

// A Loader says for which process policy is loaded.
func ExampleLoader() {
	rules := []policy.File{{Name: "ratings.yaml", Data: []byte(`
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: ratings, namespace: shop}
spec:
  hosts: [ratings]
  http:
  - name: canary
    match: [{sourceLabels: {version: v3}}]
    route: [{destination: {host: ratings-canary}}]
  - name: stable
    route: [{destination: {host: ratings}}]
`)}}
	for _, version := range []string{"v2", "v3"} {
		l := policy.Loader{Namespace: "shop", Labels: map[string]string{"app": "reviews", "version": version}}
		s, err := l.Parse(rules)
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(version, s.Service("ratings.shop.svc.cluster.local").Find(&enmesh.Call{}).Name)
	}
	// Output:
	// v2 stable
	// v3 canary
}
