// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package telemetry_test

import (
	"fmt"

	"github.com/enmesh-go/enmesh/telemetry"
)

// A workload as its labels describe it.
func ExampleWorkloadOf() {
	labels := map[string]string{"app": "reviews", "version": "v2", "service.istio.io/workload-name": "reviews-v2"}
	w := telemetry.WorkloadOf(func(key string) string { return labels[key] })
	w = w.WithIdentity("spiffe://cluster.local/ns/shop/sa/reviews").Canonical()
	fmt.Println(w.Name, w.Namespace, w.CanonicalService, w.CanonicalRevision)
	// Output: reviews-v2 shop reviews v2
}

// A cache finds what was made once for each kind of call.
func ExampleCache() {
	type key struct {
		method string
		status int
	}
	var series telemetry.Cache[key, string]
	for range 2 {
		k := key{"GET", 200}
		hash := uint64(telemetry.Hash(0).String(k.method).Uint(uint64(k.status)))
		name, ok := series.Get(hash, &k)
		if !ok {
			name = fmt.Sprint(k.method, " ", k.status)
			series.Put(hash, k, name)
		}
		fmt.Println(name, ok)
	}
	// Output:
	// GET 200 false
	// GET 200 true
}
