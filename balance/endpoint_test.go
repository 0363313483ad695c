// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package balance_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/balance"
	"github.com/enmesh-go/enmesh/discovery"
)

func TestEndpoint_tellsWhatTheRegistrySaid(t *testing.T) {
	c := balance.NewCluster(balance.ClusterConfig{})
	c.Apply([]discovery.Endpoint{{
		Addrs: []string{"10.0.0.1:80", "[::1]:80"}, Version: "v3", Weight: 7,
		Labels: map[string]string{"app": "reviews"}, Locality: discovery.Locality{Region: "eu"},
	}, {Addrs: []string{"10.0.0.2:80"}}})
	e, plain := c.Set().Endpoints[0], c.Set().Endpoints[1]
	for _, tc := range []struct{ what, got, want string }{
		{"Addr", e.Addr(), "10.0.0.1:80"},
		{"second of Addrs", e.Addrs()[1], "[::1]:80"},
		{"label app", e.Label("app"), "reviews"},
		{"label version", e.Label("version"), "v3"},
		{"missing label", e.Label("tier"), ""},
		{"region", e.Info().Locality.Region, "eu"},
	} {
		if tc.got != tc.want {
			t.Errorf("%s = %q, want %q", tc.what, tc.got, tc.want)
		}
	}
	if e.Weight() != 7 || plain.Weight() != 1 {
		t.Errorf("weights = %d, %d; want 7, 1", e.Weight(), plain.Weight())
	}
	if e.Cluster() != c {
		t.Error("Cluster is not the one that made the endpoint")
	}
}

func TestEndpoint_viewsShareAllButReadiness(t *testing.T) {
	e := endpoints(1, nil)[0]
	v := e.View("conn")
	if !e.Ready() || v.Ready() {
		t.Errorf("ready: endpoint %t, view %t; want true, false", e.Ready(), v.Ready())
	}
	if v.Attachment() != "conn" || e.Attachment() != nil {
		t.Errorf("attachments = %v, %v; want conn, nil", v.Attachment(), e.Attachment())
	}
	v.SetReady(true)
	e.SetReady(false)
	if e.Ready() || !v.Ready() {
		t.Errorf("after SetReady: endpoint %t, view %t; want false, true", e.Ready(), v.Ready())
	}
	serve(t, v, enmesh.Now(), 5*time.Millisecond, nil)
	if got := e.Latency(); got != 5*time.Millisecond {
		t.Errorf("latency learned through a view = %v, want 5ms", got)
	}
	e.Eject(enmesh.Now().Add(time.Hour))
	if v.Ready() {
		t.Error("view of an ejected endpoint is ready")
	}
	if !v.Same(e) || v.Same(endpoints(1, nil)[0]) {
		t.Error("Same does not tell views of one endpoint from another")
	}
}

func TestEndpoint_comesBackAfterItsEjection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := endpoints(1, nil)[0]
		until := enmesh.Now().Add(30 * time.Second)
		e.Eject(until)
		if e.Ready() || !e.Ejected(enmesh.Now()) || e.EjectedUntil() != until {
			t.Errorf("just ejected: ready %t, ejected %t", e.Ready(), e.Ejected(enmesh.Now()))
		}
		time.Sleep(30*time.Second - 1)
		if e.Ready() {
			t.Error("ready 1 ns before the ejection ends")
		}
		time.Sleep(time.Nanosecond)
		if !e.Ready() || e.Ejected(enmesh.Now()) {
			t.Error("not ready when the ejection has ended")
		}
		e.Eject(enmesh.Now().Add(time.Hour))
		e.Eject(enmesh.Now())
		if !e.Ready() {
			t.Error("not ready though the ejection was ended early")
		}
	})
}

func TestEndpoint_drainingIsNotReady(t *testing.T) {
	eps := told(2, nil)
	c := balance.NewCluster(balance.ClusterConfig{})
	c.Apply(eps)
	e := c.Set().Endpoints[0]
	eps[0].Draining = true
	c.Apply(eps)
	if c.Set().Endpoints[0] != e || e.Ready() {
		t.Errorf("draining endpoint: kept %t, ready %t; want true, false", c.Set().Endpoints[0] == e, e.Ready())
	}
	for range 10 {
		if got := mustPick(t, c.Picker(), nil); got == e {
			t.Fatal("picked a draining endpoint")
		}
	}
	eps[0].Draining = false
	c.Apply(eps)
	if !e.Ready() {
		t.Error("not ready though it drains no longer")
	}
}
