// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package balance_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/balance"
	"github.com/enmesh-go/enmesh/discovery"
)

func addrs(eps []*balance.Endpoint) []string {
	out := []string{}
	for _, e := range eps {
		out = append(out, e.Addr())
	}
	return out
}

func at(hosts ...string) []discovery.Endpoint {
	eps := []discovery.Endpoint{}
	for _, h := range hosts {
		eps = append(eps, discovery.Endpoint{Addrs: []string{h + ":80"}})
	}
	return eps
}

func TestCluster_endpointsThatStayKeepTheirStatistics(t *testing.T) {
	c := balance.NewCluster(balance.ClusterConfig{})
	c.Apply(at("a", "b", "c"))
	b := c.Set().Endpoints[1]
	serve(t, b, enmesh.Now(), 7*time.Millisecond, nil)
	c.Apply(at("d", "c", "b"))
	set := c.Set()
	if set.Endpoints[2] != b || b.Latency() != 7*time.Millisecond {
		t.Errorf("endpoint b: kept %t, latency %v; want true, 7ms", set.Endpoints[2] == b, b.Latency())
	}
	if got := addrs(set.Added); !slices.Equal(got, []string{"d:80"}) {
		t.Errorf("added = %q, want d", got)
	}
	if got := addrs(set.Removed); !slices.Equal(got, []string{"a:80"}) {
		t.Errorf("removed = %q, want a", got)
	}
	if !set.Removed[0].Gone() || set.Removed[0].Ready() || b.Gone() {
		t.Error("the removed one, and only it, must be gone and not ready")
	}
	c.Apply(at("a", "c", "b"))
	if c.Set().Endpoints[0] == set.Removed[0] {
		t.Error("an endpoint that came back is the old one")
	}
}

func TestCluster_whatPublishes(t *testing.T) {
	list := func(change func(eps []discovery.Endpoint)) []discovery.Endpoint {
		eps := told(3, nil)
		if change != nil {
			change(eps)
		}
		return eps
	}
	for _, tc := range []struct {
		name      string
		eps       []discovery.Endpoint
		published bool
		added     int
	}{
		{"the same", list(nil), false, 0},
		{"another order", list(func(eps []discovery.Endpoint) { slices.Reverse(eps) }), false, 0},
		{"the same twice", append(list(nil), list(nil)...), false, 0},
		{"a weight of 1 for none", list(func(eps []discovery.Endpoint) { eps[0].Weight = 1 }), false, 0},
		{"a weight", list(func(eps []discovery.Endpoint) { eps[0].Weight = 2 }), true, 0},
		{"a label", list(func(eps []discovery.Endpoint) { eps[0].Labels = map[string]string{"a": "b"} }), true, 0},
		{"draining", list(func(eps []discovery.Endpoint) { eps[0].Draining = true }), true, 0},
		{"another service account", list(func(eps []discovery.Endpoint) { eps[0].ServiceAccount = "x" }), true, 1},
		{"a second address", list(func(eps []discovery.Endpoint) { eps[0].Addrs = append(eps[0].Addrs, "[::1]:1") }), true, 1},
		{"no address", list(func(eps []discovery.Endpoint) { eps[0].Addrs = nil }), true, 0},
		{"one less", list(nil)[:2], true, 0},
		{"nothing", nil, true, 0},
	} {
		c := balance.NewCluster(balance.ClusterConfig{})
		c.Apply(told(3, nil))
		c.Apply(tc.eps)
		if set := c.Set(); set.Version != 1 != tc.published || len(set.Added) != tc.added && tc.published {
			t.Errorf("%s: version %d, added %d; want published %t, added %d", tc.name, set.Version, len(set.Added), tc.published, tc.added)
		}
		version := c.Set().Version
		c.Apply(tc.eps)
		if got := c.Set().Version; got != version {
			t.Errorf("%s, again: version = %d, want %d as before", tc.name, got, version)
		}
	}
}

// Any sequence of lists leaves the cluster with exactly the last one, and with the
// endpoints that were in every list since they came.
func TestCluster_followsAnySequence(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 4))
	c := balance.NewCluster(balance.ClusterConfig{Subset: map[string]string{"keep": "yes"}})
	alive := map[string]*balance.Endpoint{}
	heard := map[*balance.Endpoint]bool{}
	cancel := c.Subscribe(func(s *balance.Set) {
		for _, e := range s.Removed {
			if !heard[e] {
				t.Error("removed an endpoint that was not there")
			}
			delete(heard, e)
		}
		for _, e := range s.Added {
			if heard[e] {
				t.Error("added an endpoint that was there")
			}
			heard[e] = true
		}
	})
	defer cancel()
	list := []discovery.Endpoint{}
	for range 1000 {
		list = mutate(rnd, slices.Clone(list))
		c.Apply(list)
		want := map[string]discovery.Endpoint{}
		for _, ep := range list {
			if _, twice := want[ep.Addrs[0]]; !twice && ep.Labels["keep"] == "yes" {
				want[ep.Addrs[0]] = ep
			}
		}
		got := map[string]*balance.Endpoint{}
		for _, e := range c.Set().Endpoints {
			got[e.Addr()] = e
			if before := alive[e.Addr()]; before != nil && before != e {
				t.Fatalf("%s is another endpoint than before", e.Addr())
			}
			if !e.Info().Equal(want[e.Addr()]) {
				t.Fatalf("%s is told as %+v, want %+v", e.Addr(), e.Info(), want[e.Addr()])
			}
		}
		if len(got) != len(want) || len(c.Set().Endpoints) != len(want) || len(heard) != len(want) {
			t.Fatalf("cluster has %d endpoints, subscriber %d; want %d of %v", len(got), len(heard), len(want), list)
		}
		alive = got
	}
}

// mutate makes a few random changes to a list.
func mutate(rnd *rand.Rand, eps []discovery.Endpoint) []discovery.Endpoint {
	for range rnd.IntN(4) {
		where := rnd.IntN(len(eps) + 1)
		switch rnd.IntN(6) {
		case 0, 1:
			ep := discovery.Endpoint{
				Addrs:  []string{fmt.Sprint(rnd.IntN(20), ":80")},
				Labels: map[string]string{"keep": []string{"yes", "yes", "no"}[rnd.IntN(3)]},
				Weight: uint32(rnd.IntN(3)),
			}
			eps = slices.Insert(eps, where, ep)
		case 2:
			if where < len(eps) {
				eps = slices.Delete(eps, where, where+1)
			}
		case 3:
			if where < len(eps) {
				eps[where].Weight = uint32(rnd.IntN(3))
			}
		case 4:
			rnd.Shuffle(len(eps), func(i, j int) { eps[i], eps[j] = eps[j], eps[i] })
		case 5:
			if where < len(eps) {
				labels := maps.Clone(eps[where].Labels)
				labels["keep"] = "no"
				eps[where].Labels = labels
			}
		}
	}
	return eps
}

func TestCluster_choosesPortAndProtocol(t *testing.T) {
	ep := discovery.Endpoint{Addrs: []string{"10.0.0.1"}, Ports: []discovery.Port{
		{Number: 80, Target: 8080, Protocol: "http"}, {Number: 90, Protocol: "grpc"},
	}}
	for _, tc := range []struct {
		port     uint16
		protocol enmesh.Protocol
		want     []string
	}{
		{0, enmesh.HTTP, []string{"10.0.0.1:8080"}},
		{0, enmesh.GRPC, []string{"10.0.0.1:90"}},
		{90, enmesh.GRPC, []string{"10.0.0.1:90"}},
		{91, enmesh.HTTP, []string{}},
	} {
		d := enmesh.Destination{Service: "s", Port: tc.port}
		c := balance.NewCluster(balance.ClusterConfig{Destination: d, Protocol: tc.protocol})
		c.Apply([]discovery.Endpoint{ep})
		if got := addrs(c.Set().Endpoints); !slices.Equal(got, tc.want) {
			t.Errorf("port %d, %v: %q, want %q", tc.port, tc.protocol, got, tc.want)
		}
	}
}

func TestCluster_configureKeepsStatistics(t *testing.T) {
	type counter struct{ n int }
	made := 0
	gates := func(owner string) func(*balance.Endpoint) []enmesh.Gate {
		return func(e *balance.Endpoint) []enmesh.Gate {
			e.Keep(owner, func() any { made++; return &counter{} }).(*counter).n++
			return nil
		}
	}
	c := balance.NewCluster(balance.ClusterConfig{Gates: gates("breaker")})
	c.Apply(told(6, nil))
	before := c.Set()
	serve(t, before.Endpoints[0], enmesh.Now(), time.Millisecond, nil)

	c.Configure(balance.ClusterConfig{Gates: gates("breaker"), Algorithm: balance.Random()})
	set := c.Set()
	if !slices.Equal(set.Endpoints, before.Endpoints) || set.Version != 2 || len(set.Added)+len(set.Removed) != 0 {
		t.Errorf("configured set has version %d, +%d -%d; want the same endpoints as version 2", set.Version, len(set.Added), len(set.Removed))
	}
	if made != 6 {
		t.Errorf("gate states made = %d, want the 6 of the first configuration", made)
	}
	c.Configure(balance.ClusterConfig{Gates: gates("other")})
	c.Configure(balance.ClusterConfig{Gates: gates("breaker")})
	if made != 18 {
		t.Errorf("gate states made = %d, want 18: what was not asked for is forgotten", made)
	}

	c.Configure(balance.ClusterConfig{Subset: map[string]string{"version": "v0"}})
	if got := c.Set(); len(got.Endpoints) != 2 || len(got.Removed) != 4 || got.Endpoints[0] != before.Endpoints[0] {
		t.Errorf("subset has %d endpoints, %d removed; want 2, 4", len(got.Endpoints), len(got.Removed))
	}
	if got := before.Endpoints[0].Latency(); got != time.Millisecond {
		t.Errorf("latency after all that = %v, want 1ms", got)
	}
	c.Configure(balance.ClusterConfig{})
	if got := len(c.Set().Endpoints); got != 6 {
		t.Errorf("endpoints without the subset = %d, want 6 again", got)
	}
}

func TestCluster_knowsWhyItIsEmpty(t *testing.T) {
	c := balance.NewCluster(balance.ClusterConfig{})
	pick := func() error { _, err := c.Picker().Pick(nil); return err }
	if c.Set() != nil || pick() != balance.ErrNoEndpoint {
		t.Errorf("before the first set: %v, %v; want nil, %v", c.Set(), pick(), balance.ErrNoEndpoint)
	}
	c.Configure(balance.ClusterConfig{})
	if c.Set() != nil {
		t.Error("Configure before the first Apply published a set")
	}
	c.Refuse(balance.ErrNoCluster)
	c.Refuse(balance.ErrNoCluster)
	if err := pick(); err != balance.ErrNoCluster || c.Set().Version != 1 {
		t.Errorf("refused: %v, version %d; want %v, 1", err, c.Set().Version, balance.ErrNoCluster)
	}
	c.Apply(nil)
	if err := pick(); !errors.Is(err, balance.ErrNoEndpoint) || enmesh.ErrorOf(err).RetryAfter >= 0 || err.Error() != balance.ErrNoEndpoint.Error() {
		t.Errorf("known to be empty: %v, want %v, and no attempt more", err, balance.ErrNoEndpoint)
	}
	c.Apply(told(2, nil))
	if err := pick(); err != nil {
		t.Errorf("with endpoints: %v", err)
	}
	gone := c.Set().Endpoints[0]
	c.Refuse(balance.ErrNoCluster)
	if !gone.Gone() || len(c.Set().Removed) != 2 {
		t.Error("refusing did not remove the endpoints")
	}
}

func TestCluster_waitsForTheFirstSet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := balance.NewCluster(balance.ClusterConfig{})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := c.Wait(ctx); err != enmesh.ErrDeadline {
			t.Errorf("Wait without a set = %v, want %v", err, enmesh.ErrDeadline)
		}
		go func() {
			time.Sleep(time.Minute)
			c.Apply(nil)
		}()
		start := time.Now()
		if err := c.Wait(t.Context()); err != nil || time.Since(start) != time.Minute {
			t.Errorf("Wait = %v after %v, want nil after 1m", err, time.Since(start))
		}
		if err := c.Wait(ctx); err != nil {
			t.Errorf("Wait with a set, context over = %v, want nil", err)
		}
	})
}
