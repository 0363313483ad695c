// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package balance_test

import (
	"errors"
	"testing"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/balance"
)

// viewsOf makes views of a cluster's endpoints, as a gRPC client does, all of them ready.
func viewsOf(c *balance.Cluster) []*balance.Endpoint {
	var views []*balance.Endpoint
	for _, e := range c.Set().Endpoints {
		v := e.View(e.Addr())
		v.SetReady(true)
		views = append(views, v)
	}
	return views
}

func circles() map[string]balance.Algorithm {
	return map[string]balance.Algorithm{
		"ring": balance.RingHash(balance.RingHashConfig{}), "maglev": balance.Maglev(balance.MaglevConfig{}),
		"bounded": balance.RingHash(balance.RingHashConfig{BalanceFactor: 1000}),
	}
}

// A key waits for its owner while that is awaited, and no longer: not for one that is
// ejected, that it has tried, or that has failed. Then it goes where HTTP's keys go.
func TestAwait_keysWaitForTheirOwner(t *testing.T) {
	for name, a := range circles() {
		c := balance.NewCluster(balance.ClusterConfig{Algorithm: a})
		c.Apply(in(10, "r1/z1/s1"))
		views := viewsOf(c)
		owner, e := views[3], c.Set().Endpoints[3]
		p := a(views)
		var call *enmesh.Call
		for key := uint64(1); call == nil; key++ {
			if got := mustPick(t, p, &enmesh.Call{Key: key}); got == owner {
				call = &enmesh.Call{Key: key}
			}
		}
		tried := callThatTried(owner)
		tried.Key = call.Key
		owner.Await()
		if _, err := p.Pick(call); !errors.Is(err, balance.ErrAwaited) {
			t.Errorf("%s: its owner is awaited: %v, want %v", name, err, balance.ErrAwaited)
		}
		if got := testing.AllocsPerRun(100, func() { _, _ = p.Pick(call) }); got != 0 {
			t.Errorf("%s: %v allocations to wait, want 0", name, got)
		}
		for range 1000 {
			mustPick(t, p, nil)
		}
		mustPick(t, p, tried)
		e.Eject(enmesh.Now().Add(1 << 40))
		second := mustPick(t, p, call)
		want := mustPick(t, c.Picker(), call)
		e.Eject(enmesh.Now())
		owner.SetReady(false)
		if got := mustPick(t, p, call); got != second || !got.Same(want) {
			t.Errorf("%s: its owner has failed: goes to %s, to %s when it was ejected, over HTTP to %s; want the same", name, got.Addr(), second.Addr(), want.Addr())
		}
		owner.SetReady(true)
		if got := mustPick(t, p, call); got != owner {
			t.Errorf("%s: its owner is ready: goes to %s", name, got.Addr())
		}
	}
}

// A call waits for the first connection of the nearest tier, and for nothing when that has
// one. Who is awaited counts as healthy.
func TestAwait_nearestTier(t *testing.T) {
	for name, inner := range map[string]balance.Algorithm{
		"round robin": balance.RoundRobin(), "least request": nil, "random": balance.Random(), "weighted": balance.WeightedRoundRobin(),
		"ewma": balance.PowerOfTwo(), "ring": circles()["ring"],
	} {
		for _, threshold := range []uint32{0, 50} {
			c := balance.NewCluster(balance.ClusterConfig{Algorithm: balance.Locality(prefer, inner), Panic: threshold})
			c.Apply(in(4, "r1/z1/s1", "r2/z1/s1"))
			views := viewsOf(c)
			regions := func() map[string]int {
				got, p := map[string]int{}, c.Set().Algorithm(views)
				for range 1000 {
					e, err := p.Pick(nil)
					switch {
					case errors.Is(err, balance.ErrAwaited):
						got["none"]++
					case err != nil:
						t.Fatal(name, err)
					default:
						got[e.Info().Locality.Region]++
					}
				}
				return got
			}
			want := func(what, region string) {
				t.Helper()
				if got := regions(); got[region] != 1000 {
					t.Errorf("%s, panic below %d%%: %s: calls go to %v, want %q", name, threshold, what, got, region)
				}
			}
			near := []*balance.Endpoint{}
			for _, v := range views {
				if v.Info().Locality.Region == "r1" {
					near = append(near, v)
					v.Await()
				}
			}
			want("all near are awaited", "none")
			near[0].SetReady(false)
			near[1].SetReady(false)
			if got := regions()["none"]; got < 600 || got > 800 {
				t.Errorf("%s: %d of 1000 calls wait for two of four, want about 700", name, got)
			}
			near[2].SetReady(true)
			near[0].SetReady(true)
			want("three of four are there or awaited", "r1")
			if tier := balance.TiersOf(c.Set().Algorithm(views))[0]; tier.Healthy != 3 || tier.Total != 4 {
				t.Errorf("%s: %d of %d are healthy, want 3 of 4", name, tier.Healthy, tier.Total)
			}
			for _, v := range near {
				v.SetReady(false)
			}
			want("all near have failed", "r2")
		}
	}
}
