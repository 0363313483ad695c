// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package balance_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/balance"
)

// shares sends n calls one after another, each at its instant, to endpoints that
// answer after latency(e); it returns the share of each.
func shares(t *testing.T, eps []*balance.Endpoint, from enmesh.Instant, n int, gap time.Duration, answer func(i int) (time.Duration, error)) []float64 {
	t.Helper()
	p := balance.PowerOfTwoFrom(seeded())(eps)
	index := map[*balance.Endpoint]int{}
	for i, e := range eps {
		index[e] = i
	}
	out := make([]float64, len(eps))
	for k := range n {
		c := &enmesh.Call{Clock: from.Add(time.Duration(k) * gap)}
		e := mustPick(t, p, c)
		latency, err := answer(index[e])
		serve(t, e, c.Clock, latency, err)
		out[index[e]] += 1 / float64(n)
	}
	return out
}

// farm is a queueing simulation: every endpoint serves its calls side by side, and
// calls come at random with the given mean gap. It returns shares and the mean
// latency.
func farm(t *testing.T, eps []*balance.Endpoint, n int, gap time.Duration, latency func(i int) time.Duration) []float64 {
	t.Helper()
	rnd := rand.New(rand.NewPCG(5, 6))
	p := balance.PowerOfTwoFrom(rnd.Uint64)(eps)
	index := map[*balance.Endpoint]int{}
	for i, e := range eps {
		index[e] = i
	}
	type running struct {
		a   *balance.Admission
		end enmesh.Instant
	}
	var flight []running
	out := make([]float64, len(eps))
	now := enmesh.Now()
	for range n {
		now = now.Add(time.Duration(rnd.ExpFloat64() * float64(gap)))
		kept := flight[:0]
		for _, r := range flight {
			if r.end <= now {
				r.a.Release(enmesh.Result{Answered: r.end, Ended: r.end})
			} else {
				kept = append(kept, r)
			}
		}
		flight = kept
		e := mustPick(t, p, &enmesh.Call{Clock: now})
		a := new(balance.Admission)
		if err := e.Admit(t.Context(), nil, now, a); err != nil {
			t.Fatal(err)
		}
		flight = append(flight, running{a, now.Add(latency(index[e]))})
		out[index[e]] += 1 / float64(n)
	}
	for _, r := range flight {
		r.a.Release(enmesh.Result{Answered: r.end, Ended: r.end})
	}
	return out
}

const ms = time.Millisecond

func TestPowerOfTwo_avoidsTheSlow(t *testing.T) {
	got := farm(t, endpoints(10, nil), 50_000, ms, func(i int) time.Duration {
		if i == 0 {
			return 100 * ms
		}
		return 10 * ms
	})
	if got[0] > 0.03 || got[0] == 0 {
		t.Errorf("share of the endpoint that is 10 times slower = %.4f, want more than 0 and at most 0.03", got[0])
	}
	for i, s := range got[1:] {
		if s < 0.07 || s > 0.15 {
			t.Errorf("share of fast endpoint %d = %.3f, want 0.07 to 0.15", i+1, s)
		}
	}
}

func TestPowerOfTwo_weightsDivideTheLoad(t *testing.T) {
	for _, gap := range []time.Duration{100 * ms, ms, 100 * time.Microsecond} { // idle, busy, very busy
		got := farm(t, endpoints(4, func(i int) uint32 { return uint32(1 + i) }), 50_000, gap,
			func(int) time.Duration { return 10 * ms })
		for i, s := range got {
			if want := float64(1+i) / 10; s < 0.8*want || s > 1.2*want {
				t.Errorf("gap %v: share of weight %d = %.3f, want %.1f ± 20%%", gap, 1+i, s, want)
			}
		}
	}
}

// A new endpoint among ten gets about its fair share while nothing is known of it,
// and no more than its fair share of calls in flight while it does not answer.
func TestPowerOfTwo_neitherStarvesNorFloodsTheNew(t *testing.T) {
	eps := endpoints(10, nil)
	now := enmesh.Now()
	for i, e := range eps[1:] {
		serve(t, e, now, time.Duration(1+i)*ms, nil)
	}
	p := balance.PowerOfTwoFrom(seeded())(eps)
	fresh := 0
	for range 20_000 {
		if mustPick(t, p, &enmesh.Call{Clock: now}) == eps[0] {
			fresh++
		}
	}
	if fresh < 1000 || fresh > 4000 {
		t.Errorf("the unknown endpoint was picked %d of 20000 times, want about the fair 2000", fresh)
	}
	for range 500 {
		hold(t, mustPick(t, p, &enmesh.Call{Clock: now}), 1)
	}
	if got := eps[0].InFlight(); got < 10 || got > 100 {
		t.Errorf("the unknown endpoint holds %d of 500 calls, want about the fair 50", got)
	}
}

// An endpoint that was slow, then idle for a minute, is not flooded by a burst.
func TestPowerOfTwo_doesNotFloodTheForgiven(t *testing.T) {
	eps := endpoints(10, nil)
	now := enmesh.Now()
	serve(t, eps[0], now, 100*ms, nil)
	now = now.Add(10 * time.Minute)
	for _, e := range eps[1:] {
		serve(t, e, now, ms, nil)
	}
	p := balance.PowerOfTwoFrom(seeded())(eps)
	for range 200 {
		hold(t, mustPick(t, p, &enmesh.Call{Clock: now}), 1)
	}
	if got := eps[0].InFlight(); got < 5 || got > 40 {
		t.Errorf("the forgiven endpoint holds %d of 200 calls, want about the fair 20", got)
	}
}

func TestPowerOfTwo_quickFailuresDrawNoTraffic(t *testing.T) {
	for _, tc := range []struct {
		gap  time.Duration
		most float64
	}{{ms, 0.001}, {10 * ms, 0.005}, {100 * ms, 0.02}} {
		got := shares(t, endpoints(10, nil), enmesh.Now(), 20_000, tc.gap, func(i int) (time.Duration, error) {
			if i == 0 {
				return 50 * time.Microsecond, errServer
			}
			return 10 * ms, nil
		})
		if got[0] > tc.most || got[0] == 0 {
			t.Errorf("a call every %v: share of the failing endpoint = %.5f, want more than 0 and at most %g", tc.gap, got[0], tc.most)
		}
	}
}

// One failure in a hundred, everywhere alike, leaves the traffic spread.
func TestPowerOfTwo_rareFailuresKeepTheSpread(t *testing.T) {
	for _, gap := range []time.Duration{ms, 100 * ms} {
		n := 0
		got := shares(t, endpoints(10, nil), enmesh.Now(), 50_000, gap, func(int) (time.Duration, error) {
			n++
			if n%101 == 0 {
				return ms, errServer
			}
			return 10 * ms, nil
		})
		for i, s := range got {
			if s < 0.05 || s > 0.2 {
				t.Errorf("a call every %v: share of %d = %.3f, want 0.05 to 0.2", gap, i, s)
			}
		}
	}
}

func TestPowerOfTwo_recoversTheRecovered(t *testing.T) {
	eps := endpoints(10, nil)
	now := enmesh.Now()
	for _, e := range eps {
		serve(t, e, now, 10*ms, nil)
	}
	serve(t, eps[0], now, 10*ms, errServer)
	got := shares(t, eps, now.Add(time.Minute), 5000, 10*ms, func(int) (time.Duration, error) { return 10 * ms, nil })
	if got[0] < 0.05 {
		t.Errorf("share of the recovered endpoint = %.3f a minute later, want at least 0.05", got[0])
	}
}
