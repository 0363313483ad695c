// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package balance_test

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/balance"
)

func bounded() map[string]balance.Algorithm {
	return map[string]balance.Algorithm{
		"ring hash": balance.RingHashFrom(balance.RingHashConfig{BalanceFactor: 125}, seeded()),
		"maglev":    balance.MaglevFrom(balance.MaglevConfig{BalanceFactor: 125}, seeded()),
	}
}

// held are calls in flight.
type held struct{ admissions []*balance.Admission }

func (h *held) admit(t testing.TB, e *balance.Endpoint) {
	t.Helper()
	a := new(balance.Admission)
	if err := e.Admit(context.Background(), nil, enmesh.Now(), a); err != nil {
		t.Fatal(err)
	}
	h.admissions = append(h.admissions, a)
}

func (h *held) release(i int) {
	last := len(h.admissions) - 1
	h.admissions[i].Release(enmesh.Result{})
	h.admissions[i] = h.admissions[last]
	h.admissions = h.admissions[:last]
}

// excess is the largest load over what the bound allows: factor times its share of all
// calls in flight, rounded up.
func excess(eps []*balance.Endpoint, factor float64) (over, maxToMean float64) {
	var calls, weights float64
	for _, e := range eps {
		calls += float64(e.InFlight())
		weights += float64(e.Weight())
	}
	for _, e := range eps {
		share := calls * float64(e.Weight()) / weights
		over = max(over, float64(e.InFlight())-math.Ceil(factor*share))
		maxToMean = max(maxToMean, float64(e.InFlight())/share)
	}
	return over, maxToMean
}

// However uneven the keys, and even if there is only one.
func TestBoundedLoad_noEndpointIsAboveTheBound(t *testing.T) {
	zipf := rand.NewZipf(rand.New(rand.NewPCG(3, 4)), 1.2, 1, 1_000_000)
	for name, a := range bounded() {
		for keys, key := range map[string]func() uint64{
			"one key": func() uint64 { return 4711 },
			"Zipf":    func() uint64 { return zipf.Uint64() + 1 },
			"no key":  func() uint64 { return 0 },
		} {
			for _, n := range []int{2, 10, 100} {
				for _, weight := range []func(int) uint32{nil, unequal} {
					t.Run(fmt.Sprintf("%s, %s, n=%d, %t", name, keys, n, weight == nil), func(t *testing.T) {
						eps := endpoints(n, weight)
						p := a(eps)
						var weights int
						for _, e := range eps {
							weights += int(e.Weight())
						}
						var h held
						for i := range (60*n + 4*weights - 1) / (4 * weights) * 4 * weights { // so that at the end 1.25 times each share is whole
							h.admit(t, mustPick(t, p, &enmesh.Call{Key: key()}))
							if i%n > 20 {
								continue
							}
							if over, _ := excess(eps, 1.25); over > 0 {
								t.Fatalf("with %d calls in flight an endpoint has %v more than 1.25 times its share, rounded up", len(h.admissions), over)
							}
						}
						if _, got := excess(eps, 1.25); got > 1.25 {
							t.Errorf("max/mean = %v, want at most 1.25", got)
						}
					})
				}
			}
		}
	}
}

// While calls end and begin, none is placed beyond the bound of that moment.
func TestBoundedLoad_holdsWhileCallsEnd(t *testing.T) {
	for name, a := range bounded() {
		eps := endpoints(20, nil)
		p := a(eps)
		random := rand.New(rand.NewPCG(5, 6))
		var h held
		for range 20_000 {
			if len(h.admissions) > 400 || len(h.admissions) > 0 && random.IntN(5) < 2 {
				h.release(random.IntN(len(h.admissions)))
				continue
			}
			e := mustPick(t, p, &enmesh.Call{Key: 1 + random.Uint64N(3)})
			h.admit(t, e)
			if got, limit := float64(e.InFlight()), math.Ceil(1.25*float64(len(h.admissions))/20); got > limit {
				t.Fatalf("%s: call %d went to an endpoint that now has %v, want at most %v", name, len(h.admissions), got, limit)
			}
		}
		for len(h.admissions) > 0 {
			h.release(0)
		}
		if got := balance.LeftOver(eps[0].Cluster()); got != 0 {
			t.Errorf("%s: %d calls in flight are counted when all have ended", name, got)
		}
	}
}

// A key stays where it belongs as long as that has room.
func TestBoundedLoad_keepsAffinityBelowTheBound(t *testing.T) {
	for name, a := range bounded() {
		eps := endpoints(10, nil)
		p := a(eps)
		home := mustPick(t, p, &enmesh.Call{Key: 7})
		for _, e := range eps {
			if e != home {
				hold(t, e, 10)
			}
		}
		hold(t, home, 12) // of at most 1.25 · 103/10
		if got := mustPick(t, p, &enmesh.Call{Key: 7}); got != home {
			t.Errorf("%s: the key left its endpoint at 1.2 times the mean", name)
		}
		hold(t, home, 1)
		second := mustPick(t, p, &enmesh.Call{Key: 7})
		if second == home {
			t.Errorf("%s: the key stays with its endpoint above the bound", name)
		}
		if again := mustPick(t, p, &enmesh.Call{Key: 7}); again != second {
			t.Errorf("%s: a key that is passed on goes here and there", name)
		}
	}
}

// With most endpoints away, the bound is that of the others.
func TestBoundedLoad_spreadsOverThoseThatAreThere(t *testing.T) {
	for name, a := range bounded() {
		eps := endpoints(40, nil)
		for _, e := range eps[10:] {
			e.Eject(enmesh.Now().Add(time.Hour))
		}
		p := a(eps)
		var h held
		for range 1000 {
			h.admit(t, mustPick(t, p, &enmesh.Call{Key: 9, Clock: enmesh.Now()}))
		}
		if over, got := excess(eps[:10], 1.25); over > 0 || got > 1.25 {
			t.Errorf("%s: max/mean = %.3f among the ten that are ready, want 1.25", name, got)
		}
		for _, e := range eps[10:] {
			if e.InFlight() != 0 {
				t.Fatalf("%s: an ejected endpoint has %d calls", name, e.InFlight())
			}
		}
	}
}

// Calls that began before anybody wanted to know are not counted, nor taken off.
func TestBoundedLoad_countsFromTheFirstPicker(t *testing.T) {
	eps := endpoints(4, nil)
	var before, after held
	before.admit(t, eps[0])
	p := bounded()["maglev"](eps)
	after.admit(t, mustPick(t, p, nil))
	before.release(0)
	if got := balance.LeftOver(eps[0].Cluster()); got != 1 {
		t.Errorf("counted in flight: %d, want 1", got)
	}
	after.release(0)
	if got := balance.LeftOver(eps[0].Cluster()); got != 0 {
		t.Errorf("counted in flight: %d, want 0", got)
	}
}
