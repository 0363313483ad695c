// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package balance_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/balance"
)

// Below the threshold every algorithm spreads over all that are connected and take calls,
// by weight as ever, and gives the endpoints themselves.
func TestPanic_spreadsOverAll(t *testing.T) {
	for name, a := range algorithms() {
		synctest.Test(t, func(t *testing.T) {
			eps := told(10, nil)
			eps[9].Draining = true
			c := balance.NewCluster(balance.ClusterConfig{Algorithm: a, Panic: 50})
			c.Apply(eps)
			all := map[string]*balance.Endpoint{}
			for i, e := range c.Set().Endpoints {
				all[e.Addr()] = e
				if i < 4 {
					e.Eject(enmesh.Now().Add(time.Minute))
				}
			}
			if got := picked(t, c.Picker(), 1000); len(got) != 5 {
				t.Errorf("%s: 5 of 9 healthy: %d endpoints picked, want the healthy ones", name, len(got))
			}
			c.Set().Endpoints[4].SetHealthy(false)
			const picks = 18_000
			got := picked(t, c.Picker(), picks)
			if len(got) != 9 {
				t.Errorf("%s: 4 of 9 healthy: %d endpoints picked, want 9", name, len(got))
			}
			off := picks / 9 / 10
			if strings.HasSuffix(name, "ring hash") {
				off *= 3 // arcs differ in length
			}
			for addr, n := range got {
				if n < picks/9-off || n > picks/9+off {
					t.Errorf("%s: %s got %d of %d picks, want a ninth", name, addr, n, picks)
				}
			}
			if e := mustPick(t, c.Picker(), nil); all[e.Addr()] != e {
				t.Errorf("%s: picked something else than an endpoint of the set", name)
			}
			c.Set().Endpoints[4].SetHealthy(true)
			if got := picked(t, c.Picker(), 1000); len(got) != 5 {
				t.Errorf("%s: healthy again: %d endpoints picked, want 5", name, len(got))
			}
		})
	}
}

func TestPanic_prefersWhatWasNotTried(t *testing.T) {
	for name, a := range algorithms() {
		c := balance.NewCluster(balance.ClusterConfig{Algorithm: a, Panic: 50})
		c.Apply(told(3, nil))
		eps := c.Set().Endpoints
		for _, e := range eps {
			e.SetHealthy(false)
		}
		for range 100 {
			if got := mustPick(t, c.Picker(), callThatTried(eps[0], eps[2])); got != eps[1] {
				t.Fatalf("%s: picked %s, want the one that was not tried", name, got.Addr())
			}
		}
	}
}

// What is about to end is no part of a panic, and still better than a refusal.
func TestPanic_leavesWhatEndsToTheLast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := balance.NewCluster(balance.ClusterConfig{Panic: 50})
		c.Apply(at("a", "b", "c"))
		eps := c.Set().Endpoints
		eps[0].Drain(enmesh.Now().Add(time.Minute))
		eps[1].SetHealthy(false)
		eps[2].SetHealthy(false)
		if got := picked(t, c.Picker(), 200); got["a:80"] != 0 || len(got) != 2 {
			t.Errorf("picks %v, want the two that are found unhealthy", got)
		}
		eps[1].Drain(enmesh.Now().Add(time.Minute))
		eps[2].Drain(enmesh.Now().Add(time.Minute))
		if got := picked(t, c.Picker(), 200); len(got) == 0 {
			t.Errorf("all about to end: %v, want picks", got)
		}
	})
}

// gRPC's views: one that is not connected is not picked in panic either.
func TestPanic_asksForConnections(t *testing.T) {
	c := balance.NewCluster(balance.ClusterConfig{Panic: 50})
	c.Apply(told(4, nil))
	views := []*balance.Endpoint{}
	for i, e := range c.Set().Endpoints {
		e.SetHealthy(false)
		v := e.View(i)
		v.SetReady(true)
		views = append(views, v)
	}
	p := c.Set().Algorithm(views)
	views[2].SetReady(false)
	seen := map[*balance.Endpoint]bool{}
	for range 200 {
		e := mustPick(t, p, nil)
		if e == views[2] || e.Attachment() == nil {
			t.Fatalf("picked %s with attachment %v", e.Addr(), e.Attachment())
		}
		seen[e] = true
	}
	if len(seen) != 3 {
		t.Errorf("%d views picked, want the 3 that are connected", len(seen))
	}
}

// With tiers: no panic while they can take the load together; then each for itself; and
// when all panic, load goes by size.
func TestPanic_inTiers(t *testing.T) {
	near, far := "r1/z1/s1", "r2/z1/s1"
	for _, tc := range []struct {
		name             string
		badNear, badFar  int // of 10 and 30
		near, far        float64
		allNear, endsFar bool // the bad ones are picked too
	}{
		{"far takes over", 8, 0, 28, 72, false, false},
		{"both are weak, near panics", 8, 15, 28 * 100 / 98., 70 * 100 / 98., true, false},
		{"both panic", 8, 18, 25, 75, true, true},
		{"all are bad", 10, 30, 25, 75, true, true},
	} {
		eps := append(in(10, near), in(30, far)...)
		c := placed(prefer, eps, 50)
		bad(c, near, tc.badNear)
		bad(c, far, tc.badFar)
		got, seen := map[string]float64{}, map[string]map[*balance.Endpoint]bool{near: {}, far: {}}
		const picks = 100_000
		for range picks {
			e := mustPick(t, c.Picker(), nil)
			at := e.Info().Locality.String()
			got[at] += 100. / picks
			seen[at][e] = true
		}
		wantSplit(t, tc.name, got, map[string]float64{near: tc.near, far: tc.far}, 0.6)
		count := func(all bool, n, bad int) int {
			if all {
				return n
			}
			return n - bad
		}
		if g, w := len(seen[near]), count(tc.allNear, 10, tc.badNear); g != w {
			t.Errorf("%s: %d near endpoints picked, want %d", tc.name, g, w)
		}
		if g, w := len(seen[far]), count(tc.endsFar, 30, tc.badFar); g != w {
			t.Errorf("%s: %d far endpoints picked, want %d", tc.name, g, w)
		}
	}
}

// Without a threshold nothing changes: when all are ejected they are picked all the same.
func TestPanic_withoutThreshold(t *testing.T) {
	c := placed(prefer, in(10, "r1/z1/s1", "r2/z1/s1"), 0)
	bad(c, "r1/z1/s1", 9)
	bad(c, "r2/z1/s1", 10)
	if got := picked(t, c.Picker(), 1000); len(got) != 1 {
		t.Errorf("one healthy: %d endpoints picked, want that one", len(got))
	}
	bad(c, "r1/z1/s1", 10)
	if got := picked(t, c.Picker(), 10_000); len(got) != 20 {
		t.Errorf("all ejected: %d endpoints picked, want all", len(got))
	}
}
