// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package mesh_test

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/enmesh-go/enmesh/discovery"
	"github.com/enmesh-go/enmesh/mesh"
)

// All instances beside the caller fail, and none is ejected. With retryRemoteLocalities the
// third attempt goes to another locality, without it all of them stay.
func TestVirtualService_retriesInOtherLocalities(t *testing.T) {
	const forbears = `
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: reviews}
spec: {host: reviews, trafficPolicy: {outlierDetection: {consecutive5xxErrors: 1000}}}
`
	here, elsewhere := discovery.Locality{Region: "eu", Zone: "a"}, discovery.Locality{Region: "us", Zone: "c"}
	for _, tt := range []struct {
		allowed         string
		code, near, far int
	}{
		{"true", 200, 2, 1},
		{"false", 503, 3, 0},
	} {
		documents := strings.Replace(retryTwice, "retries: {", "retries: {retryRemoteLocalities: "+tt.allowed+", ", 1) + forbears
		t.Run(tt.allowed, func(t *testing.T) {
			eachProtocol(t, documents, func(t *testing.T, y *yard) {
				var hits [4]atomic.Int64 // of three that are near and one that is far
				all := make([]discovery.Endpoint, len(hits))
				for i := range all {
					code, at := 503, here
					if i == 3 {
						code, at = 200, elsewhere
					}
					all[i] = y.serve(y.server, func(context.Context) int { hits[i].Add(1); return code })
					all[i].Locality = at
				}
				near := func() int64 { return hits[0].Load() + hits[1].Load() + hits[2].Load() }
				y.registry.Set("reviews", all...)
				caller := y.open("productpage", "v1", mesh.WithWorkload(mesh.Workload{Service: "productpage", Version: "v1", Locality: here}))
				y.client, y.conn = y.town.client(caller), y.town.conn(caller, "enmesh:///reviews")
				until(t, "all that are called are connected", func() bool {
					code, _ := y.call(t.Context())
					return code == tt.code && hits[0].Load() > 0 && hits[1].Load() > 0 && hits[2].Load() > 0
				})
				for i := range hits {
					hits[i].Store(0)
				}
				const calls = 5
				if got := y.calls(calls); got[tt.code] != calls || near() != int64(calls*tt.near) || hits[3].Load() != int64(calls*tt.far) {
					t.Errorf("got %v, %d attempts near and %d far; want all %d, %d and %d", got, near(), hits[3].Load(), tt.code, calls*tt.near, calls*tt.far)
				}
			})
		})
	}
}
