// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package balance_test

import (
	"fmt"
	"testing"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/balance"
)

var fourPlaces = []string{"r1/z1/s1", "r1/z1/s2", "r1/z2/s1", "r2/z1/s1"}

// localities are the ways to prefer, each with a half healthy first tier besides.
func localities() map[string]balance.LocalityConfig {
	zones := zoneAware(2, "r1/z1", "r1/z1", "r1/z2")
	remote := prefer
	remote.RemoteAfter = 2
	return map[string]balance.LocalityConfig{
		"failover": prefer, "zones": zones, "remote": remote,
		"distribute": spreadOver("r1", balance.LocalityShare{Locality: "r1", Percent: 80}, balance.LocalityShare{Locality: "r2", Percent: 20}),
	}
}

func TestLocality_allocatesNothing(t *testing.T) {
	for name, cfg := range localities() {
		for _, dead := range []int{0, 13, 25} {
			for _, below := range []uint32{0, 90} {
				c := balance.NewCluster(balance.ClusterConfig{Algorithm: balance.Locality(cfg, nil), Panic: below})
				c.Apply(in(25, fourPlaces...))
				for _, l := range fourPlaces {
					bad(c, l, dead)
				}
				p, call := c.Picker(), callThatTried(c.Set().Endpoints[0])
				call.Attempt = 4
				mustPick(t, p, call)
				if got := testing.AllocsPerRun(1000, func() { mustPick(t, p, call); mustPick(t, p, nil) }); got != 0 {
					t.Errorf("%s, %d bad of 25 in each place, panic below %d%%: %v allocations, want 0", name, dead, below, got)
				}
			}
		}
	}
}

func BenchmarkLocality(b *testing.B) {
	inner := map[string]balance.Algorithm{"RoundRobin": balance.RoundRobin(), "LeastRequest": balance.LeastRequest(2)}
	for _, n := range []int{10, 100, 1000, 10_000} {
		for name, a := range inner {
			for _, tc := range []struct {
				name string
				a    balance.Algorithm
				bad  int
			}{
				{"alone", a, 0},
				{"healthy", balance.Locality(prefer, a), 0},
				{"half healthy", balance.Locality(prefer, a), n / 4},
				{"distribute", balance.Locality(localities()["distribute"], a), 0},
			} {
				c := balance.NewCluster(balance.ClusterConfig{Algorithm: tc.a})
				c.Apply(in(n/2, "r1/z1/s1", "r2/z1/s1"))
				bad(c, "r1/z1/s1", tc.bad)
				b.Run(fmt.Sprintf("%s/%s/n=%d", name, tc.name, n), func(b *testing.B) {
					b.ReportAllocs()
					call := &enmesh.Call{Clock: enmesh.Now()}
					p := c.Picker()
					for b.Loop() {
						if _, err := p.Pick(call); err != nil {
							b.Fatal(err)
						}
					}
				})
			}
		}
	}
}

func BenchmarkLocalityParallel(b *testing.B) {
	for _, dead := range []int{0, 25} {
		c := balance.NewCluster(balance.ClusterConfig{Algorithm: balance.Locality(prefer, nil)})
		c.Apply(in(50, "r1/z1/s1", "r2/z1/s1"))
		bad(c, "r1/z1/s1", dead)
		b.Run(fmt.Sprintf("bad=%d of 50", dead), func(b *testing.B) {
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				call := &enmesh.Call{Clock: enmesh.Now()}
				for pb.Next() {
					if _, err := c.Picker().Pick(call); err != nil {
						b.Error(err)
						return
					}
				}
			})
		})
	}
}

// What one pick pays when health has changed.
func BenchmarkLocality_sum(b *testing.B) {
	for _, n := range []int{10, 100, 1000, 10_000} {
		b.Run(fmt.Sprintf("n=%d", n), func(b *testing.B) {
			c := balance.NewCluster(balance.ClusterConfig{})
			c.Apply(in(n/2, "r1/z1/s1", "r2/z1/s1"))
			sum := balance.SumOf(balance.Locality(prefer, nil)(c.Set().Endpoints))
			b.ReportAllocs()
			for b.Loop() {
				sum()
			}
		})
	}
}

func BenchmarkLocality_build(b *testing.B) {
	for _, n := range []int{100, 10_000} {
		for name, cfg := range localities() {
			c := balance.NewCluster(balance.ClusterConfig{})
			c.Apply(in(n/4, fourPlaces...))
			a := balance.Locality(cfg, balance.RoundRobin())
			b.Run(fmt.Sprintf("%s/n=%d", name, n), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					a(c.Set().Endpoints)
				}
			})
		}
	}
}
