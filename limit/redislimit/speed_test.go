// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package redislimit_test

import (
	"context"
	"testing"
	"time"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/internal/redistest"
	"github.com/enmesh-go/enmesh/limit/redislimit"
)

// path is a quota that decides one way.
type path struct {
	name string
	make func(t testing.TB) *redislimit.Quota
	want bool // it admits
}

var paths = []path{
	{"admit", func(t testing.TB) *redislimit.Quota {
		q := open(t, at(redistest.Start(t).Addr), redislimit.Config{Name: "speed", Rate: 1e6, Burst: 1e9, Lease: time.Second}, byAuthority)
		take(q, "", 300_000) // until a lease has its full size
		return q
	}, true},
	{"refuse", func(t testing.TB) *redislimit.Quota {
		q := open(t, at(redistest.Start(t).Addr), redislimit.Config{Name: "speed", Rate: 0.001, Burst: 1}, byAuthority)
		take(q, "", 2)
		return q
	}, false},
	{"refuse without Redis", func(t testing.TB) *redislimit.Quota {
		q := open(t, nowhere(t), redislimit.Config{Name: "speed", Rate: 0.001, Burst: 1}, byAuthority)
		await(t, "the breaker to open", func() bool { take(q, "", 1); return q.Stats().Open == 1 })
		return q
	}, false},
}

func TestQuota_allocatesNothing(t *testing.T) {
	for _, p := range paths {
		q := p.make(t)
		c, ctx := &enmesh.Call{Clock: enmesh.Now()}, context.Background()
		n := testing.AllocsPerRun(1000, func() {
			c.Tick()
			if _, err := q.Admit(ctx, c); (err == nil) != p.want {
				t.Fatalf("%s: got %v", p.name, err)
			}
		})
		if n != 0 {
			t.Errorf("%s costs %v allocations, want 0", p.name, n)
		}
	}
}

func BenchmarkQuota(b *testing.B) {
	for _, p := range paths {
		b.Run(p.name, func(b *testing.B) {
			q := p.make(b)
			c, ctx := &enmesh.Call{Clock: enmesh.Now()}, context.Background()
			b.ReportAllocs()
			for b.Loop() {
				c.Clock++
				_, _ = q.Admit(ctx, c)
			}
		})
		b.Run(p.name+" in parallel", func(b *testing.B) {
			q := p.make(b)
			b.ReportAllocs()
			b.ResetTimer()
			b.RunParallel(func(pb *testing.PB) {
				c, ctx := &enmesh.Call{Clock: enmesh.Now()}, context.Background()
				for pb.Next() {
					c.Clock++
					_, _ = q.Admit(ctx, c)
				}
			})
		})
	}
}
