// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package limit_test

import (
	"context"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/time/rate"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/enmeshtest"
	"github.com/enmesh-go/enmesh/limit"
)

// BenchmarkAlgorithms is a call through the middleware of each limit, admitted and
// refused, from one goroutine and from all.
func BenchmarkAlgorithms(b *testing.B) {
	for _, m := range []struct {
		name string
		n    int
	}{{"admit", 1e6}, {"refuse", 1}} {
		for name, g := range algorithms(b, m.n, limit.Terms{}) {
			if m.n == 1 {
				for g.AllowAt(start, 1) {
				}
			}
			next := g.Middleware()(func(context.Context, *enmesh.Call) error { return nil })
			var step int64 // admitting: a call each 2 us; refusing: time stands still
			if m.n > 1 {
				step = 2000
			}
			b.Run(m.name+"/"+name+"/serial", func(b *testing.B) {
				c, ctx := &enmesh.Call{Clock: start, Header: enmeshtest.Header{"X-Key": {"who"}}}, context.Background()
				b.ReportAllocs()
				for b.Loop() {
					c.Clock += enmesh.Instant(step)
					_ = next(ctx, c)
				}
			})
			b.Run(m.name+"/"+name+"/parallel", func(b *testing.B) {
				b.ReportAllocs()
				b.RunParallel(func(pb *testing.PB) {
					c, ctx := &enmesh.Call{Clock: start, Header: enmeshtest.Header{"X-Key": {"who"}}}, context.Background()
					for pb.Next() {
						c.Clock += enmesh.Instant(step)
						_ = next(ctx, c)
					}
				})
			})
		}
	}
}

// gcra is the limit of what a rate limit can cost: one word, compared and swapped.
type gcra struct {
	tat              atomic.Int64
	interval, window int64
}

func (g *gcra) allow(t int64) bool {
	for {
		tat := g.tat.Load()
		next := max(tat, t) + g.interval
		if next-t > g.window {
			return false
		}
		if g.tat.CompareAndSwap(tat, next) {
			return true
		}
	}
}

// BenchmarkAllow reads the clock, as x/time/rate and a bare compare-and-swap beside it.
func BenchmarkAllow(b *testing.B) {
	allow := map[string]func() bool{}
	for name, g := range algorithms(b, 1e6, limit.Terms{}) {
		if a, ok := g.(interface{ Allow() bool }); ok {
			allow[name] = a.Allow
		}
	}
	leaky := must[*limit.LeakyBucket](b)(limit.NewLeakyBucket(limit.LeakyConfig{Rate: 1e9, Queue: 1000}))
	allow["leaky bucket"] = func() bool { return leaky.AllowAt(enmesh.Now(), 1) }
	allow["control, x/time/rate"] = rate.NewLimiter(1e6, 1e6).Allow
	bare := &gcra{interval: 1000, window: 1e9}
	allow["control, one word"] = func() bool { return bare.allow(int64(enmesh.Now())) }
	for name, f := range allow {
		b.Run(name+"/serial", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				f()
			}
		})
		b.Run(name+"/parallel", func(b *testing.B) {
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					f()
				}
			})
		})
	}
}

// open is what a keyed limit can cost at the least: hashes given, open addressing, one
// word of state, nothing ever given up.
type open struct{ hashes, tats []atomic.Int64 }

func (o *open) allow(hash, t int64) bool {
	mask := uint64(len(o.hashes) - 1)
	for i := (uint64(hash) >> 32) & mask; ; i = (i + 1) & mask {
		h := o.hashes[i].Load()
		if h == 0 && o.hashes[i].CompareAndSwap(0, hash) {
			h = hash
		}
		if h != hash {
			continue
		}
		for {
			tat := o.tats[i].Load()
			next := max(tat, t) + 1000
			if next-t > 1e9 {
				return false
			}
			if o.tats[i].CompareAndSwap(tat, next) {
				return true
			}
		}
	}
}

// BenchmarkKeyed_million asks for one of a million keys at random.
func BenchmarkKeyed_million(b *testing.B) {
	const keys = 1 << 20
	// Keys are made as they are asked for, so that no text of theirs is fetched from memory.
	text := func(i int) string { return numbered(uint64(i)) }
	hash := func(i int) int64 { return int64((uint64(i) + 1) * 0x9e3779b97f4a7c15) }
	before := heap()
	k := must[*limit.Keyed](b)(limit.NewKeyed(limit.KeyedConfig{By: limit.ByPath(), Each: limit.Config{Rate: 1e6, Burst: 1e6}, MaxKeys: keys}))
	for i := range keys {
		k.AllowAt(start, text(i), 1)
	}
	size := float64(heap()-before) / keys
	control := &open{hashes: make([]atomic.Int64, 2*keys), tats: make([]atomic.Int64, 2*keys)}
	for i := range keys {
		control.allow(hash(i), int64(start))
	}
	for name, allow := range map[string]func(i int, t enmesh.Instant){
		"keyed":                   func(i int, t enmesh.Instant) { k.AllowAt(t, text(i), 1) },
		"control, one word a key": func(i int, t enmesh.Instant) { control.allow(hash(i), int64(t)) },
	} {
		b.Run(name+"/serial", func(b *testing.B) {
			random := rand.New(rand.NewPCG(1, 2))
			b.ReportAllocs()
			for b.Loop() {
				allow(int(random.Uint64N(keys)), enmesh.Now())
			}
			b.ReportMetric(size, "B/key")
		})
		b.Run(name+"/parallel", func(b *testing.B) {
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				random := rand.New(rand.NewPCG(rand.Uint64(), 2))
				for pb.Next() {
					allow(int(random.Uint64N(keys)), enmesh.Now())
				}
			})
			b.ReportMetric(size, "B/key")
		})
	}
	if got := k.Keys(); got != keys {
		b.Errorf("%d keys, want %d", got, keys)
	}
}

// BenchmarkKeyed_attack is the 99th hundredth of what a known key waits for its answer,
// alone and between new keys that nobody has seen before, which come twice as often and
// find the table full.
func BenchmarkKeyed_attack(b *testing.B) {
	for name, attack := range map[string]int{"calm": 0, "attacked": 2} {
		b.Run(name, func(b *testing.B) {
			k := must[*limit.Keyed](b)(limit.NewKeyed(limit.KeyedConfig{By: limit.ByPath(), Each: limit.FixedConfig{Limit: 10, Window: time.Hour}}))
			for i := range uint64(200_000) {
				k.AllowAt(aligned, numbered(i), 1)
			}
			other := uint64(1 << 32)
			took := make([]time.Duration, 0, 1<<20)
			b.ReportAllocs()
			for i := uint64(0); b.Loop(); i++ {
				for range attack {
					other++
					k.AllowAt(aligned, numbered(other), 1)
				}
				began := enmesh.Now()
				k.AllowAt(aligned, numbered(i%100_000), 1)
				if len(took) < cap(took) {
					took = append(took, enmesh.Now().Sub(began))
				}
			}
			slices.Sort(took)
			b.ReportMetric(float64(took[len(took)*99/100]), "p99-ns")
		})
	}
}
