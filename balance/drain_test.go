// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package balance_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/balance"
	"github.com/enmesh-go/enmesh/discovery"
)

// picked counts n picks by address.
func picked(t *testing.T, p balance.Picker, n int) map[string]int {
	t.Helper()
	got := map[string]int{}
	for range n {
		e, err := p.Pick(nil)
		if err != nil {
			t.Fatal(err)
		}
		got[e.Addr()]++
	}
	return got
}

var drainAlgorithms = []string{"ROUND_ROBIN", "LEAST_REQUEST", "RANDOM", "PEAK_EWMA"}

func TestEndpoint_Drain(t *testing.T) {
	for _, name := range drainAlgorithms {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { drains(t, name) })
		})
	}
}

// drains goes through the life of a drain, with three endpoints.
func drains(t *testing.T, name string) {
	t.Helper()
	algorithm, _ := balance.ByName(name)
	c := balance.NewCluster(balance.ClusterConfig{Algorithm: algorithm})
	c.Apply([]discovery.Endpoint{{Addrs: []string{"a:1"}}, {Addrs: []string{"b:1"}}, {Addrs: []string{"c:1"}}})
	eps := c.Set().Endpoints
	a, b := eps[0], eps[1]

	view := a.View(nil)
	view.SetReady(true)
	view.Drain(enmesh.Now().Add(30 * time.Second))
	if a.Ready() || view.Ready() || !a.Draining(enmesh.Now()) {
		t.Errorf("draining through a view: ready %t, its view %t; want neither", a.Ready(), view.Ready())
	}
	if got := picked(t, c.Picker(), 200); got["a:1"] != 0 {
		t.Errorf("picks %v; want none of a, which drains", got)
	}

	b.Drain(enmesh.Now().Add(30 * time.Second))
	eps[2].Eject(enmesh.Now().Add(30 * time.Second))
	if got := picked(t, c.Picker(), 200); got["c:1"] != 0 || got["a:1"]+got["b:1"] != 200 {
		t.Errorf("nothing ready: picks %v; want a and b, which drain, before c, which is ejected", got)
	}

	time.Sleep(31 * time.Second)
	if got := picked(t, c.Picker(), 300); len(got) != 3 {
		t.Errorf("after the drain: picks %v; want all three", got)
	}
}

func TestEndpoint_Drain_doesNotOutliveTheRegistry(t *testing.T) {
	c := balance.NewCluster(balance.ClusterConfig{})
	c.Apply([]discovery.Endpoint{{Addrs: []string{"a:1"}}})
	c.Set().Endpoints[0].Drain(enmesh.Now().Add(time.Hour))
	c.Apply(nil)
	if _, err := c.Picker().Pick(nil); !errors.Is(err, balance.ErrNoEndpoint) {
		t.Errorf("after it has left: got %v, want %v", err, balance.ErrNoEndpoint)
	}
	c.Apply([]discovery.Endpoint{{Addrs: []string{"a:1"}}})
	if e := c.Set().Endpoints[0]; !e.Ready() {
		t.Error("one that comes back is another endpoint: it is to be ready")
	}
}

func TestEndpoint_Drain_endsEarly(t *testing.T) {
	c := balance.NewCluster(balance.ClusterConfig{})
	c.Apply([]discovery.Endpoint{{Addrs: []string{"a:1"}}})
	e := c.Set().Endpoints[0]
	now := enmesh.Now()
	e.Drain(now.Add(time.Hour))
	e.Eject(now.Add(-time.Second))
	if e.Ready() {
		t.Error("an ejection that is over ended the drain")
	}
	e.Drain(now)
	if !e.Ready() {
		t.Error("not ready after the drain was ended")
	}
}
