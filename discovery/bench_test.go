// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package discovery_test

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"github.com/enmesh-go/enmesh/discovery"
)

// BenchmarkCache is the way of a set of 10,000 endpoints from a registry in memory through
// a cache to its reader: with another one of a hundred in it each time, and all of them
// others.
func BenchmarkCache(b *testing.B) {
	const n = 10_000
	list := func(from int) []discovery.Endpoint {
		eps := make([]discovery.Endpoint, n)
		for i := range eps {
			eps[i].Addrs = []string{fmt.Sprintf("10.%d.%d.%d:80", (from+i)>>16, (from+i)>>8&255, (from+i)&255)}
		}
		return eps
	}
	full, others := list(0), list(n)
	churned := slices.Clone(full)
	for i := 0; i < n; i += 100 {
		churned[i] = others[i]
	}
	for name, next := range map[string][]discovery.Endpoint{"churn 1%": churned, "all others": others} {
		b.Run(name, func(b *testing.B) {
			registry := discovery.NewMemory()
			registry.Set("big", full...)
			cache, err := discovery.NewCache(registry, discovery.CacheConfig{Debounce: -1, Guard: discovery.Guard{Trust: true}})
			if err != nil {
				b.Fatal(err)
			}
			defer cache.Close()
			ctx, cancel := context.WithCancel(b.Context())
			seen, done := make(chan int), make(chan struct{})
			go func() {
				defer close(done)
				for set, err := range cache.Watch(ctx, "big") {
					if err == nil {
						select {
						case seen <- len(set):
						case <-ctx.Done():
						}
					}
				}
			}()
			<-seen
			sets, i := [][]discovery.Endpoint{next, full}, 0
			b.ReportAllocs()
			for b.Loop() {
				registry.Set("big", sets[i%2]...)
				if got := <-seen; got != n {
					b.Fatalf("%d endpoints, want %d", got, n)
				}
				i++
			}
			cancel()
			<-done
		})
	}
}
