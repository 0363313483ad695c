// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package balance_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/balance"
)

func TestEndpoint_unhealthyIsPickedOnlyWhenNothingBetterIsLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := balance.NewCluster(balance.ClusterConfig{})
		c.Apply(at("a", "b", "c"))
		eps := c.Set().Endpoints
		at := c.HealthVersion()
		for _, e := range eps[1:] {
			e.SetHealthy(false)
			e.SetHealthy(false)
		}
		if got := c.HealthVersion(); got != at+2 {
			t.Errorf("health version moved by %d, want 2: once for each that changed", got-at)
		}
		for range 50 {
			if e, err := c.Picker().Pick(nil); err != nil || e != eps[0] {
				t.Fatalf("picked %v, %v: want the healthy one", e, err)
			}
		}
		eps[0].SetHealthy(false)
		if eps[0].Ready() || eps[0].Healthy(enmesh.Now()) {
			t.Error("an unhealthy endpoint is ready")
		}
		if _, err := c.Picker().Pick(nil); err != nil {
			t.Errorf("all unhealthy: %v, want a pick all the same", err)
		}
	})
}

func TestClusterConfig_AwaitCheck(t *testing.T) {
	c := balance.NewCluster(balance.ClusterConfig{})
	c.Apply(at("a"))
	c.Configure(balance.ClusterConfig{AwaitCheck: true})
	c.Apply(at("a", "b"))
	a, b := c.Set().Endpoints[0], c.Set().Endpoints[1]
	if !a.Ready() || b.Ready() {
		t.Errorf("ready: %t and %t; want the one that was there, not the new one", a.Ready(), b.Ready())
	}
	b.SetHealthy(true)
	if !b.Ready() {
		t.Error("a new endpoint that was found healthy is not ready")
	}
}

func TestEndpoint_healthEndsAnEjection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := balance.NewCluster(balance.ClusterConfig{})
		c.Apply(at("a", "b", "c"))
		e := c.Set().Endpoints[0]
		e.Eject(enmesh.Now().Add(time.Minute))
		e.SetHealthy(true)
		if e.Ready() {
			t.Error("what was healthy before says nothing about the ejection")
		}
		e.SetHealthy(false)
		e.SetHealthy(true)
		if !e.Ready() || !e.Healthy(enmesh.Now()) {
			t.Error("an endpoint that was found healthy again is still ejected")
		}
	})
}
