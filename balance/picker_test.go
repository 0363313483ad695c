// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package balance_test

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/balance"
)

// algorithms are all of them, with a fixed seed.
func algorithms() map[string]balance.Algorithm {
	return map[string]balance.Algorithm{
		"round robin":          balance.RoundRobin(),
		"weighted round robin": balance.WeightedRoundRobin(),
		"random":               balance.RandomFrom(seeded()),
		"least request":        balance.LeastRequestFrom(2, seeded()),
		"least request of 5":   balance.LeastRequestFrom(5, seeded()),
		"power of two":         balance.PowerOfTwoFrom(seeded()),
		"ring hash":            balance.RingHashFrom(balance.RingHashConfig{}, seeded()),
		"bounded ring hash":    balance.RingHashFrom(balance.RingHashConfig{BalanceFactor: 125}, seeded()),
		"maglev":               balance.MaglevFrom(balance.MaglevConfig{}, seeded()),
		"bounded maglev":       balance.MaglevFrom(balance.MaglevConfig{BalanceFactor: 125}, seeded()),
	}
}

// unequal gives weights 1 to 5 in turn.
func unequal(i int) uint32 { return uint32(1 + i%5) }

func forEach(t *testing.T, f func(t *testing.T, a balance.Algorithm, weight func(int) uint32)) {
	t.Helper()
	for name, a := range algorithms() {
		t.Run(name, func(t *testing.T) { f(t, a, nil) })
		t.Run(name+", weights", func(t *testing.T) { f(t, a, unequal) })
	}
}

func TestPickers_emptyMeansNoEndpoint(t *testing.T) {
	forEach(t, func(t *testing.T, a balance.Algorithm, weight func(int) uint32) {
		for _, n := range []int{0, 1, 2, 100} {
			eps := endpoints(n, weight)
			for _, e := range eps {
				e.SetReady(false)
			}
			if _, err := a(eps).Pick(nil); err != balance.ErrNoEndpoint {
				t.Errorf("pick among %d that are not ready: %v, want %v", n, err, balance.ErrNoEndpoint)
			}
		}
	})
}

func TestPickers_findTheOneThatIsReady(t *testing.T) {
	for _, weight := range []func(int) uint32{nil, unequal} {
		eps := endpoints(10_000, weight)
		for _, e := range eps {
			e.SetReady(false)
		}
		eps[7777].SetReady(true)
		for name, a := range algorithms() {
			p := a(eps)
			for range 10 {
				if got := mustPick(t, p, nil); got != eps[7777] {
					t.Fatalf("%s picked %s, which is not ready", name, got.Addr())
				}
			}
		}
	}
}

func TestPickers_preferWhatWasNotTried(t *testing.T) {
	forEach(t, func(t *testing.T, a balance.Algorithm, weight func(int) uint32) {
		for _, n := range []int{2, 3, 10} {
			eps := endpoints(n, weight)
			p := a(eps)
			c := callThatTried(eps[:n-1]...)
			for range 100 {
				if got := mustPick(t, p, c); got != eps[n-1] {
					t.Fatalf("%d endpoints: picked %s, which was tried", n, got.Addr())
				}
			}
			eps[n-1].SetReady(false)
			if got := mustPick(t, p, c); got == eps[n-1] {
				t.Fatal("picked the endpoint that is not ready over a tried one")
			}
		}
		only := endpoints(1, weight)
		if got := mustPick(t, a(only), callThatTried(only...)); got != only[0] {
			t.Error("did not take the only endpoint, which was tried")
		}
	})
}

// A call that has failed goes to those that the registry confirms, then to the others, and
// to one it has tried after all of them. A call that has not failed goes anywhere.
func TestPickers_retryWhereTheRegistryConfirms(t *testing.T) {
	forEach(t, func(t *testing.T, a balance.Algorithm, weight func(int) uint32) {
		list := told(10, weight)
		for i := range list[:8] {
			list[i].Unconfirmed = true
		}
		c := balance.NewCluster(balance.ClusterConfig{})
		c.Apply(list)
		eps := c.Set().Endpoints
		p := a(eps)
		first := map[*balance.Endpoint]bool{}
		for range 1000 {
			first[mustPick(t, p, nil)] = true
		}
		for range 100 {
			if got := mustPick(t, p, callThatTried(eps[0])); got != eps[8] && got != eps[9] {
				t.Fatalf("sent again to %s, which is not confirmed", got.Addr())
			}
			if got := mustPick(t, p, callThatTried(eps[8], eps[9], eps[0])); !got.Info().Unconfirmed || got == eps[0] {
				t.Fatalf("sent again to %s, which was tried", got.Addr())
			}
		}
		if len(first) != len(eps) {
			t.Errorf("first attempts go to %d endpoints of %d", len(first), len(eps))
		}
	})
}

// One that cannot be connected to and is not confirmed rests until it is.
func TestEndpoint_restsUntilConfirmed(t *testing.T) {
	list := told(2, nil)
	c := balance.NewCluster(balance.ClusterConfig{})
	list[0].Unconfirmed = true
	c.Apply(list)
	for _, e := range c.Set().Endpoints {
		e.Rest(enmesh.Now().Add(time.Second))
	}
	later := enmesh.Now().Add(20 * time.Second)
	e := c.Set().Endpoints
	if !e[0].Ejected(later) || e[1].Ejected(later) {
		t.Errorf("rest after 20 s: %t and %t, want the first alone", e[0].Ejected(later), e[1].Ejected(later))
	}
	list[0].Unconfirmed = false
	c.Apply(list)
	if !e[0].Ready() || e[1].Ready() {
		t.Errorf("ready once both are confirmed: %t and %t, want the first alone", e[0].Ready(), e[1].Ready())
	}
}

func TestPickers_panicWhenAllAreEjected(t *testing.T) {
	forEach(t, func(t *testing.T, a balance.Algorithm, weight func(int) uint32) {
		eps := endpoints(10, weight)
		p := a(eps)
		for _, e := range eps[1:] {
			e.Eject(enmesh.Now().Add(time.Hour))
		}
		for range 50 {
			if got := mustPick(t, p, nil); got != eps[0] {
				t.Fatalf("picked %s, which is ejected", got.Addr())
			}
		}
		eps[0].SetReady(false)
		eps[1].SetReady(false)
		seen := map[*balance.Endpoint]int{}
		for range 4000 {
			seen[mustPick(t, p, nil)]++
		}
		if len(seen) != 8 || seen[eps[0]]+seen[eps[1]] != 0 {
			t.Errorf("with all ejected, %d of the 8 connected endpoints were picked, unconnected %d times", len(seen), seen[eps[0]]+seen[eps[1]])
		}
	})
}

func TestPickers_leaveOutTheDraining(t *testing.T) {
	forEach(t, func(t *testing.T, a balance.Algorithm, weight func(int) uint32) {
		c := balance.NewCluster(balance.ClusterConfig{Algorithm: a})
		eps := told(4, weight)
		eps[1].Draining = true
		c.Apply(eps)
		for range 100 {
			if got := mustPick(t, c.Picker(), nil); got == c.Set().Endpoints[1] {
				t.Fatal("picked a draining endpoint")
			}
		}
	})
}

// Idle endpoints get calls in proportion to their weights.
func TestPickers_sharesFollowWeights(t *testing.T) {
	const picks = 40_000
	for _, weights := range [][]uint32{{1, 1, 1, 1, 1}, {1, 3}, {1, 2, 3, 4, 10}, {1, 1, 1, 97}} {
		for name, a := range algorithms() {
			if name == "round robin" || strings.HasSuffix(name, "ring hash") || name == "least request of 5" && weights[0] != weights[1] {
				continue
			}
			eps := endpoints(len(weights), func(i int) uint32 { return weights[i] })
			p := a(eps)
			seen := map[*balance.Endpoint]int{}
			var sum float64
			for range picks {
				seen[mustPick(t, p, nil)]++
			}
			for _, w := range weights {
				sum += float64(w)
			}
			for i, e := range eps {
				want := float64(weights[i]) / sum
				sigma := math.Sqrt(want * (1 - want) / picks)
				if got := float64(seen[e]) / picks; math.Abs(got-want) > 4*sigma {
					t.Errorf("%s, weights %v: share of %d = %.4f, want %.4f ± %.4f", name, weights, i, got, want, 4*sigma)
				}
			}
		}
	}
}

func TestRoundRobin_takesTurns(t *testing.T) {
	eps := endpoints(5, unequal)
	p := balance.RoundRobin()(eps)
	first := slices.Index(eps, mustPick(t, p, nil))
	for i := range 50 {
		if got, want := mustPick(t, p, nil), eps[(first+1+i)%5]; got != want {
			t.Fatalf("pick %d = %s, want %s", i, got.Addr(), want.Addr())
		}
	}
}

// Over any stretch, an endpoint has had its share of turns, to within two.
func TestWeightedRoundRobin_isSmooth(t *testing.T) {
	for _, weights := range [][]uint32{{5, 1, 1}, {1, 2, 3, 4, 5}, {100, 1}, {7, 7, 3}, {4_000_000_000, 1_000_000_000, 5}} {
		eps := endpoints(len(weights), func(i int) uint32 { return weights[i] })
		p := balance.WeightedRoundRobin()(eps)
		var sum float64
		for _, w := range weights {
			sum += float64(w)
		}
		seen := make([]float64, len(eps))
		for n := 1; n <= 3000; n++ {
			seen[slices.Index(eps, mustPick(t, p, nil))]++
			for i, w := range weights {
				want := float64(w) / sum * float64(n)
				if math.Abs(seen[i]-want) > 2 {
					t.Fatalf("weights %v: after %d picks endpoint %d had %v, want %.1f ± 2", weights, n, i, seen[i], want)
				}
			}
		}
	}
}

func TestLeastRequest_takesTheLessBusy(t *testing.T) {
	eps := endpoints(2, nil)
	p := balance.LeastRequestFrom(2, seeded())(eps)
	hold(t, eps[0], 1)
	for range 100 {
		if got := mustPick(t, p, nil); got != eps[1] {
			t.Fatal("picked the busier of two")
		}
	}
	// Weight 3 with 4 calls is less busy than weight 1 with 2.
	eps = endpoints(2, func(i int) uint32 { return uint32(1 + 2*i) })
	p = balance.LeastRequestFrom(16, seeded())(eps)
	hold(t, eps[0], 2)
	hold(t, eps[1], 4)
	light := 0
	for range 1000 {
		if mustPick(t, p, nil) == eps[0] {
			light++
		}
	}
	if light > 20 {
		t.Errorf("the busier endpoint was picked %d of 1000 times, want at most 20", light)
	}
}

// hold leaves n calls in flight at e.
func hold(t *testing.T, e *balance.Endpoint, n int) {
	t.Helper()
	for range n {
		var a balance.Admission
		if err := e.Admit(context.Background(), nil, enmesh.Now(), &a); err != nil {
			t.Fatal(err)
		}
	}
}

func TestByName(t *testing.T) {
	eps := endpoints(3, unequal)
	for name, want := range map[string]string{
		"": "*balance.leastRequest", "UNSPECIFIED": "*balance.leastRequest",
		"LEAST_REQUEST": "*balance.leastRequest", "LEAST_CONN": "*balance.leastRequest",
		"ROUND_ROBIN": "*balance.weighted", "RANDOM": "*balance.randomPicker",
		"PASSTHROUGH": "*balance.randomPicker", "PEAK_EWMA": "*balance.powerOfTwo", "PICK_FIRST": "*balance.leastRequest",
	} {
		a, ok := balance.ByName(name)
		if !ok {
			t.Errorf("ByName(%q) is not known", name)
			continue
		}
		if got := fmt.Sprintf("%T", a(eps)); got != want {
			t.Errorf("ByName(%q) builds a %s, want %s", name, got, want)
		}
	}
	if _, ok := balance.ByName("round_robin"); ok {
		t.Error(`ByName("round_robin") is known, want Istio's spelling only`)
	}
}

// Half of the list is ejected, in a row: the rest gets all of it in equal parts.
func TestPickers_spreadWhatARowOfBadOnesWouldGet(t *testing.T) {
	const n, picks = 200, 100_000
	for name, a := range algorithms() {
		eps := endpoints(n, nil)
		for _, e := range eps[50:150] {
			e.Eject(enmesh.Now().Add(time.Hour))
		}
		p, seen := a(eps), map[*balance.Endpoint]int{}
		for range picks {
			seen[mustPick(t, p, nil)]++
		}
		for e, got := range seen {
			if got > 3*picks/n || got < picks/n {
				t.Errorf("%s: %s got %d of %d picks, want about %d", name, e.Addr(), got, picks, 2*picks/n)
			}
		}
		if len(seen) != n/2 {
			t.Errorf("%s: %d endpoints picked, want %d", name, len(seen), n/2)
		}
	}
}
