// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package balance_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/balance"
	"github.com/enmesh-go/enmesh/discovery"
)

func production() map[string]balance.Algorithm {
	return map[string]balance.Algorithm{
		"RoundRobin":         balance.RoundRobin(),
		"WeightedRoundRobin": balance.WeightedRoundRobin(),
		"Random":             balance.Random(),
		"LeastRequest":       balance.LeastRequest(2),
		"PowerOfTwo":         balance.PowerOfTwo(),
		"RingHash":           balance.RingHash(balance.RingHashConfig{}),
		"RingHashBounded":    balance.RingHash(balance.RingHashConfig{BalanceFactor: 125}),
		"Maglev":             balance.Maglev(balance.MaglevConfig{}),
		"MaglevBounded":      balance.Maglev(balance.MaglevConfig{BalanceFactor: 125}),
	}
}

// cycle is pick, admit and release.
func cycle(tb testing.TB, p balance.Picker, c *enmesh.Call, a *balance.Admission) {
	e, err := p.Pick(c)
	if err != nil {
		tb.Fatal(err)
	}
	now := c.Clock
	if err := e.Admit(context.Background(), c, now, a); err != nil {
		tb.Fatal(err)
	}
	end := now.Add(time.Duration(1+now/1000%7) * time.Millisecond)
	a.Release(enmesh.Result{Answered: end, Ended: end})
}

func BenchmarkPick(b *testing.B) {
	for name, a := range production() {
		for _, n := range []int{10, 100, 1000, 10_000} {
			for _, weights := range []string{"even", "uneven"} {
				var weight func(int) uint32
				if weights == "uneven" {
					weight = unequal
				}
				p := a(endpoints(n, weight))
				b.Run(fmt.Sprintf("%s/%s/n=%d", name, weights, n), func(b *testing.B) {
					b.ReportAllocs()
					c := &enmesh.Call{Clock: enmesh.Now()}
					var adm balance.Admission
					for b.Loop() {
						c.Clock += 1000
						c.Key++
						cycle(b, p, c, &adm)
					}
				})
			}
		}
	}
}

func BenchmarkPickParallel(b *testing.B) {
	for name, a := range production() {
		p := a(endpoints(100, nil))
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				c := &enmesh.Call{Clock: enmesh.Now()}
				var adm balance.Admission
				for pb.Next() {
					c.Clock += 1000
					c.Key++
					cycle(b, p, c, &adm)
				}
			})
		})
	}
}

func BenchmarkPickOneReady(b *testing.B) {
	eps := endpoints(10_000, nil)
	for _, e := range eps[1:] {
		e.SetReady(false)
	}
	p := balance.PowerOfTwo()(eps)
	b.ReportAllocs()
	for b.Loop() {
		mustPick(b, p, nil)
	}
}

func TestPick_allocatesNothing(t *testing.T) {
	for name, a := range algorithms() {
		for _, weight := range []func(int) uint32{nil, unequal} {
			c := balance.NewCluster(balance.ClusterConfig{Algorithm: a, Gates: func(*balance.Endpoint) []enmesh.Gate {
				return []enmesh.Gate{openGate{}, openGate{}, openGate{}}
			}})
			c.Apply(told(100, weight))
			p := c.Picker()
			call := callThatTried(c.Set().Endpoints[0])
			var adm balance.Admission
			if got := testing.AllocsPerRun(1000, func() { cycle(t, p, call, &adm) }); got != 0 {
				t.Errorf("%s: pick, admit past 3 gates and release allocate %v times, want 0", name, got)
			}
		}
	}
}

type openGate struct{}

func (openGate) Admit(context.Context, *enmesh.Call) (enmesh.Token, error) {
	return enmesh.Token{}, nil
}
func (openGate) Done(enmesh.Token, enmesh.Result) {}

func BenchmarkApply(b *testing.B) {
	for _, n := range []int{1000, 10_000} {
		full := told(n, nil)
		churned := slices.Clone(full)
		for i := 0; i < n; i += 100 { // 1%
			churned[i].Addrs = []string{fmt.Sprintf("10.200.%d.%d:8080", i>>8, i&255)}
		}
		again := told(n, nil)
		b.Run(fmt.Sprintf("first/n=%d", n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				balance.NewCluster(balance.ClusterConfig{}).Apply(full)
			}
		})
		for _, tc := range []struct {
			name string
			a, b []discovery.Endpoint
		}{{"churn 1%", full, churned}, {"unchanged", full, again}, {"reversed", full, reversed(full)}} {
			b.Run(fmt.Sprintf("%s/n=%d", tc.name, n), func(b *testing.B) {
				b.ReportAllocs()
				c := balance.NewCluster(balance.ClusterConfig{})
				c.Apply(tc.a)
				for b.Loop() {
					c.Apply(tc.b)
					tc.a, tc.b = tc.b, tc.a
				}
			})
		}
	}
}

func reversed(eps []discovery.Endpoint) []discovery.Endpoint {
	eps = slices.Clone(eps)
	slices.Reverse(eps)
	return eps
}

func BenchmarkBuild(b *testing.B) {
	for name, a := range production() {
		for _, n := range []int{1000, 10_000} {
			eps := endpoints(n, unequal)
			b.Run(fmt.Sprintf("%s/n=%d", name, n), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					a(eps)
				}
			})
		}
	}
}

func BenchmarkStaticSource(b *testing.B) {
	s := balance.NewStaticSource(map[string][]discovery.Endpoint{"reviews": told(3, nil)}, nil)
	d := enmesh.Destination{Service: "reviews", Port: 9080}
	b.ReportAllocs()
	for b.Loop() {
		s.Cluster(d, enmesh.HTTP)
	}
}

// What is left to pick when all are ejected, without a panic threshold.
func BenchmarkPickAllEjected(b *testing.B) {
	for _, n := range []int{100, 10_000} {
		eps := endpoints(n, nil)
		for _, e := range eps {
			e.Eject(enmesh.Now().Add(time.Hour))
		}
		p := balance.LeastRequest(2)(eps)
		b.Run(fmt.Sprintf("n=%d", n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				mustPick(b, p, nil)
			}
		})
	}
}
