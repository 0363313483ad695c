// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package balance_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/balance"
	"github.com/enmesh-go/enmesh/discovery"
)

// troubled is a cluster of n endpoints in a few places, some of them in trouble.
func troubled(r *rand.Rand, n int, a balance.Algorithm, threshold uint32, p enmesh.Protocol) *balance.Cluster {
	c := balance.NewCluster(balance.ClusterConfig{Algorithm: a, Panic: threshold, Protocol: p, Random: r.Uint64})
	eps := make([]discovery.Endpoint, n)
	for i := range eps {
		eps[i] = discovery.Endpoint{
			Addrs: []string{fmt.Sprintf("10.0.0.%d:80", i)}, Weight: uint32(r.IntN(4)), Draining: r.IntN(12) == 0,
			Locality: discovery.Locality{Region: []string{"r0", "r1"}[r.IntN(2)], Zone: []string{"z0", "z1"}[r.IntN(2)]},
		}
	}
	c.Apply(eps)
	bad := r.IntN(4)
	for _, e := range c.Set().Endpoints {
		switch r.IntN(10) {
		case 0, 1:
			if bad > 0 {
				e.Eject(enmesh.Now().Add(time.Hour))
			}
		case 2:
			if bad > 1 {
				e.SetHealthy(false)
			}
		case 3:
			e.Drain(enmesh.Now().Add(time.Hour))
		}
		if bad == 3 && r.IntN(3) > 0 {
			e.Eject(enmesh.Now().Add(time.Hour))
		}
	}
	return c
}

// What is said of a cluster is what its picker does: whatever is picked was called
// eligible, and where shares are said, picks come in these.
func TestExplain_holdsForPicks(t *testing.T) {
	r := rand.New(rand.NewPCG(4, 15))
	inner := map[string]balance.Algorithm{
		"round robin": balance.RoundRobin(), "weighted": balance.WeightedRoundRobin(), "random": balance.Random(),
		"least": balance.LeastRequest(2), "ewma": balance.PowerOfTwo(), "ring": balance.RingHash(balance.RingHashConfig{}),
		"maglev": balance.Maglev(balance.MaglevConfig{TableSize: 1009}),
	}
	local := discovery.Locality{Region: "r0", Zone: "z0"}
	outer := map[string]func(balance.Algorithm) balance.Algorithm{
		"plain": func(a balance.Algorithm) balance.Algorithm { return a },
		"failover": func(a balance.Algorithm) balance.Algorithm {
			return balance.Locality(balance.LocalityConfig{Local: local, OutlierDetection: true}, a)
		},
		"distribute": func(a balance.Algorithm) balance.Algorithm {
			return balance.Locality(balance.LocalityConfig{Local: local, Distribute: []balance.Distribute{{
				From: "r0/*", To: []balance.LocalityShare{{Locality: "r0/z0/*", Percent: 70}, {Locality: "r1/*", Percent: 30}},
			}}}, a)
		},
	}
	for name, in := range inner {
		for place, out := range outer {
			for _, keyed := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s, %s, key %t", name, place, keyed), func(t *testing.T) {
					for range 12 {
						c := troubled(r, 1+r.IntN(12), out(in), []uint32{0, 50}[r.IntN(2)], enmesh.HTTP)
						call := &enmesh.Call{}
						if keyed {
							call.Key = r.Uint64() | 1
						}
						compare(t, c, call)
					}
				})
			}
		}
	}
}

// compare picks many times, and compares with what is said.
func compare(t *testing.T, c *balance.Cluster, call *enmesh.Call) {
	t.Helper()
	said := c.Explain(call, nil)
	by := map[*balance.Endpoint]balance.Candidate{}
	eligible := 0
	for _, one := range said.Candidates {
		by[one.Endpoint] = one
		if one.Eligible {
			eligible++
		} else if one.Why == "" {
			t.Errorf("%s is not eligible, and nobody says why", one.Addr)
		}
	}
	const picks = 4000
	got := map[*balance.Endpoint]int{}
	for range picks {
		e, err := c.Picker().Pick(call)
		if err != nil {
			if eligible > 0 {
				t.Fatalf("a pick failed: %v, of %d eligible", err, eligible)
			}
			return
		}
		got[e]++
	}
	for e, n := range got {
		if one := by[e]; !one.Eligible {
			t.Fatalf("%s was picked %d times, and said not to be eligible: %s\n%s", e.Addr(), n, one.Why, listing(said))
		}
	}
	for _, one := range said.Candidates {
		if !one.Eligible || one.Share < 0 {
			continue
		}
		if share := float64(got[one.Endpoint]) / picks; math.Abs(share-one.Share) > 0.05 {
			t.Errorf("%s got %.3f of the picks, and was said to get %.3f\n%s", one.Addr, share, one.Share, listing(said))
		}
	}
}

func listing(x balance.Explanation) string {
	var b strings.Builder
	for _, c := range x.Candidates {
		fmt.Fprintf(&b, "%s tier %d weight %d %s share %.3f eligible %t %s\n", c.Addr, c.Tier, c.Weight, c.Health, c.Share, c.Eligible, c.Why)
	}
	for i := range x.Tiers {
		fmt.Fprintf(&b, "tier %d: load %.3f, %d of %d healthy, panic %t\n", i, x.Tiers[i].Load, x.Tiers[i].Healthy, x.Tiers[i].Total, x.Tiers[i].Panic)
	}
	return b.String()
}

func TestExplain_beforeAnythingIsKnown(t *testing.T) {
	c := balance.NewCluster(balance.ClusterConfig{})
	if x := c.Explain(nil, nil); x.Known || x.Candidates != nil {
		t.Errorf("before the first set: %+v", x)
	}
	c.Refuse(balance.ErrNoCluster)
	if x := c.Explain(nil, nil); !x.Known || x.Refusal != balance.ErrNoCluster {
		t.Errorf("refused: %+v", x)
	}
}

// What the cluster has no use for is said to be so.
func TestExplain_leftOut(t *testing.T) {
	c := balance.NewCluster(balance.ClusterConfig{
		Destination: enmesh.Destination{Service: "reviews", Subset: "v2", Port: 80}, Subset: map[string]string{"version": "v2"},
		Subsetting: balance.SubsetConfig{Size: 1, Count: 2},
	})
	v2 := map[string]string{"version": "v2"}
	c.Apply([]discovery.Endpoint{
		{Addrs: []string{"10.0.0.1:80"}, Labels: v2},
		{Addrs: []string{"10.0.0.2:80"}, Labels: map[string]string{"version": "v1"}},
		{Addrs: []string{"10.0.0.3:80"}, Labels: v2, Ports: []discovery.Port{{Number: 81, Protocol: "http"}}},
		{Addrs: []string{"10.0.0.4:80"}, Labels: v2},
	})
	var why []string
	for _, one := range c.Explain(nil, nil).Candidates {
		why = append(why, one.Why)
	}
	got := strings.Join(why, "\n")
	for _, want := range []string{
		"not in subset v2: want label version=v2, have v1", "it has no port 80 for http",
		"not in this client's subset: it has 1 of 4 endpoints",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("nothing says %q:\n%s", want, got)
		}
	}
}

// In a gRPC client only what is connected counts.
func TestExplain_connections(t *testing.T) {
	c := troubled(rand.New(rand.NewPCG(1, 1)), 0, nil, 0, enmesh.GRPC)
	c.Apply(told(3, func(int) uint32 { return 1 }))
	if x := c.Explain(nil, nil); !x.Candidates[2].Eligible || x.Candidates[2].Connected != -1 {
		t.Errorf("before any connection: %+v", x.Candidates[2])
	}
	views := make([]*balance.Endpoint, 3)
	for i, e := range c.Set().Endpoints {
		views[i] = e.View(i)
		views[i].SetReady(i < 2)
	}
	x := c.Explain(nil, nil)
	if last := x.Candidates[2]; last.Eligible || last.Why != "not connected" || last.Connected != 0 || x.Candidates[0].Connected != 1 {
		t.Errorf("two of three connected:\n%s", listing(x))
	}
	for range 2 {
		views[0].SetReady(false)
		views[1].SetReady(false)
	}
	if x := c.Explain(nil, nil); x.Candidates[0].Eligible {
		t.Errorf("none connected:\n%s", listing(x))
	}
}

// A new endpoint has the part of its share that slow start leaves it.
func TestExplain_slowStart(t *testing.T) {
	a := balance.SlowStart(balance.SlowStartConfig{Window: time.Hour}, balance.Random())
	c := balance.NewCluster(balance.ClusterConfig{Algorithm: a})
	c.Apply(told(2, func(int) uint32 { return 1 }))
	c.Apply(told(3, func(int) uint32 { return 1 }))
	if _, err := c.Picker().Pick(nil); err != nil {
		t.Fatal(err)
	}
	fresh := 0
	for _, one := range c.Explain(nil, nil).Candidates {
		if one.SlowStart == 1 {
			continue
		}
		fresh++
		if math.Abs(one.Effective-0.1) > 0.01 || math.Abs(one.Share-0.1/2.1) > 0.01 || one.Why != "slow start: at most 10 % of its share" {
			t.Errorf("the new endpoint: %+v", one)
		}
	}
	if fresh != 1 {
		t.Errorf("%d are new, want 1", fresh)
	}
}

// Each algorithm says what it goes by.
func TestExplain_scores(t *testing.T) {
	for name, tt := range map[string]struct {
		a           balance.Algorithm
		weight      uint32 // of the second of two
		first, last string
	}{
		"least request of 3":                        {balance.LeastRequest(3), 1, "in flight 1", "in flight 0"},
		"least request of 2":                        {balance.LeastRequest(2), 3, "in flight 1, 2 for its weight", "in flight 0, 0 for its weight"},
		"peak EWMA, the cheaper of 2":               {balance.PowerOfTwo(), 1, "latency 20ms × (in flight 1 + 1)", "latency not known × (in flight 0 + 1)"},
		"round robin":                               {balance.RoundRobin(), 1, "1 turn in 2", "1 turn in 2"},
		"weighted round robin":                      {balance.WeightedRoundRobin(), 3, "1 turns in 4", "3 turns in 4"},
		"random":                                    {balance.Random(), 3, "weight 1", "weight 3"},
		"Maglev with loads up to 125 % of the mean": {balance.Maglev(balance.MaglevConfig{TableSize: 2, BalanceFactor: 125}), 1, "owns 50 % of the keys", "owns 50 % of the keys"},
		"custom":                                    {func(eps []*balance.Endpoint) balance.Picker { return only{eps[0]} }, 1, "", ""},
	} {
		c := balance.NewCluster(balance.ClusterConfig{Algorithm: tt.a})
		c.Apply(told(2, func(i int) uint32 { return []uint32{1, tt.weight}[i] }))
		eps := c.Set().Endpoints
		serve(t, eps[0], enmesh.Now(), 20*time.Millisecond, nil)
		var a balance.Admission
		if err := eps[0].Admit(t.Context(), nil, enmesh.Now(), &a); err != nil {
			t.Fatal(err)
		}
		x := c.Explain(nil, nil)
		a.Release(enmesh.Result{Ended: enmesh.Now()})
		by := map[*balance.Endpoint]balance.Candidate{}
		for _, one := range x.Candidates {
			by[one.Endpoint] = one
		}
		if first, last := by[eps[0]].Score, by[eps[1]].Score; x.Picker != name || first != tt.first || last != tt.last {
			t.Errorf("%s: got %q %q, %q", name, x.Picker, first, last)
		}
	}
}

// only picks one endpoint: an algorithm of a program's own.
type only struct{ *balance.Endpoint }

func (o only) Pick(*enmesh.Call) (*balance.Endpoint, error) { return o.Endpoint, nil }
