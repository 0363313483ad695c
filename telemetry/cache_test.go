// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package telemetry_test

import (
	"sync"
	"testing"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/enmeshtest"
	"github.com/enmesh-go/enmesh/telemetry"
)

// key is like those that observers use.
type key struct {
	endpoint enmesh.Endpoint
	service  string
	status   int
}

func (k *key) hash() uint64 {
	return uint64(telemetry.Hash(0).Uint(uint64(k.status)).String(k.service).Endpoint(k.endpoint))
}

func TestCache_findsWhatWasPut(t *testing.T) {
	var c telemetry.Cache[key, int]
	endpoint := &enmeshtest.Endpoint{Address: "a:1"}
	twin := &enmeshtest.Endpoint{Address: "a:1"}
	keys := []key{{endpoint, "a", 200}, {endpoint, "a", 503}, {twin, "a", 200}, {nil, "a", 200}, {endpoint, "b", 200}, {}}
	for i := range keys {
		if _, ok := c.Get(keys[i].hash(), &keys[i]); ok {
			t.Errorf("key %d is there before it was put", i)
		}
		c.Put(keys[i].hash(), keys[i], i)
	}
	for i := range keys {
		if got, ok := c.Get(keys[i].hash(), &keys[i]); !ok || got != i {
			t.Errorf("key %d gives %d, %v", i, got, ok)
		}
	}
	c.Put(keys[0].hash(), keys[0], 42)
	if got, _ := c.Get(keys[0].hash(), &keys[0]); got != 42 {
		t.Errorf("a key put anew gives %d, want 42", got)
	}
}

func TestCache_isBoundedAndNeverWrong(t *testing.T) {
	var c telemetry.Cache[uint64, uint64]
	found := 0
	for i := range uint64(100_000) {
		c.Put(uint64(telemetry.Hash(0).Uint(i)), i, i)
	}
	for i := range uint64(100_000) {
		switch got, ok := c.Get(uint64(telemetry.Hash(0).Uint(i)), &i); {
		case ok && got != i:
			t.Fatalf("key %d gives %d", i, got)
		case ok:
			found++
		}
	}
	if found > 4096 || found < 2000 {
		t.Errorf("%d of 100,000 are held, want at most 4096 and not many less", found)
	}
}

func TestCache_equalHashesAreToldApart(t *testing.T) {
	var c telemetry.Cache[int, int]
	for i := range 8 {
		c.Put(7, i, i)
	}
	for i := range 8 {
		if got, ok := c.Get(7, &i); !ok || got != i {
			t.Errorf("key %d gives %d, %v", i, got, ok)
		}
	}
	for i := range 1000 { // more than may stand together: one takes another's place
		c.Put(7, i, i)
		if got, ok := c.Get(7, &i); !ok || got != i {
			t.Errorf("key %d gives %d, %v just after it was put", i, got, ok)
		}
	}
}

func TestCache_manyAtOnce(t *testing.T) {
	var c telemetry.Cache[uint64, uint64]
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for i := range uint64(2000) {
				h := uint64(telemetry.Hash(0).Uint(i))
				if got, ok := c.Get(h, &i); ok && got != i {
					t.Errorf("key %d gives %d", i, got)
				}
				c.Put(h, i, i)
			}
		})
	}
	wg.Wait()
}

func BenchmarkCache(b *testing.B) {
	var c telemetry.Cache[key, int]
	k := key{&enmeshtest.Endpoint{Address: "a:1"}, "reviews", 200}
	c.Put(k.hash(), k, 1)
	b.ReportAllocs()
	for b.Loop() {
		if _, ok := c.Get(k.hash(), &k); !ok {
			b.Fatal("lost")
		}
	}
}
