// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package lane_test

import (
	"sync"
	"sync/atomic"
	"testing"

	"github.com/enmesh-go/enmesh/internal/lane"
)

func TestCounter_countsWhatAllAdd(t *testing.T) {
	const workers, each = 16, 10_000
	var c lane.Counter
	var set lane.Set[atomic.Int64]
	var wait sync.WaitGroup
	for range workers {
		wait.Go(func() {
			for range each {
				c.Add(2)
				c.AddIn(lane.Here(), 1)
				set.In(lane.Here()).Add(1)
			}
		})
	}
	wait.Wait()
	if got := c.Load(); got != 3*workers*each {
		t.Errorf("the counter has %d, want %d", got, 3*workers*each)
	}
	var sum int64
	set.All(func(n *atomic.Int64) { sum += n.Load() })
	if sum != workers*each {
		t.Errorf("the set has %d, want %d", sum, workers*each)
	}
}

func TestHere_isOneOfTheLanes(t *testing.T) {
	for range 1000 {
		if here := lane.Here(); here < 0 || here >= lane.Most {
			t.Fatalf("lane %d, want one below %d", here, lane.Most)
		}
	}
}

func TestCounter_allocatesNothing(t *testing.T) {
	var c lane.Counter
	var set lane.Set[atomic.Int64]
	for i := range lane.Most {
		set.In(i)
	}
	if n := testing.AllocsPerRun(1000, func() { c.Add(1); set.In(lane.Here()).Add(1) }); n != 0 {
		t.Errorf("%v allocations, want 0", n)
	}
}

func BenchmarkCounter(b *testing.B) {
	var c lane.Counter
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			c.Add(1)
		}
	})
}

// BenchmarkCounter_oneWord is what it is instead of.
func BenchmarkCounter_oneWord(b *testing.B) {
	var c atomic.Int64
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			c.Add(1)
		}
	})
}
