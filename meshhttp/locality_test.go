// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package meshhttp_test

import (
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/balance"
	"github.com/enmesh-go/enmesh/discovery"
	"github.com/enmesh-go/enmesh/meshhttp"
)

// A zone loses half of its instances, then all of them: load follows, and no call fails.
func TestTransport_zoneLost(t *testing.T) {
	const each = 4
	near, far := discovery.Locality{Region: "r", Zone: "near"}, discovery.Locality{Region: "r", Zone: "far"}
	servers, list := []*httptest.Server{}, []discovery.Endpoint{}
	for i := range 2 * each {
		at := near
		if i >= each {
			at = far
		}
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, at.Zone) }))
		t.Cleanup(s.Close)
		servers = append(servers, s)
		list = append(list, discovery.Endpoint{Addrs: []string{s.Listener.Addr().String()}, Locality: at})
	}
	c := balance.NewCluster(balance.ClusterConfig{
		Algorithm: balance.Locality(balance.LocalityConfig{Local: near, OutlierDetection: true}, balance.RoundRobin()),
	})
	c.Apply(list)
	tr := meshhttp.NewTransport(nil, enmesh.Fixed(true, again(4)), oneCluster{c})
	t.Cleanup(func() { _ = tr.Close() })
	client := &http.Client{Transport: tr}
	if got := nearShare(t, client, 1000); got != 1 {
		t.Errorf("all well: %.3f of the calls stay near, want all", got)
	}
	for _, s := range servers[:each/2] {
		s.Close()
	}
	eventually(t, "half of the zone is lost", func() bool { return math.Abs(nearShare(t, client, 1000)-0.7) < 0.06 })
	for _, s := range servers[each/2 : each] {
		s.Close()
	}
	eventually(t, "all of the zone is lost", func() bool { return nearShare(t, client, 1000) == 0 })
}

// nearShare is how many of n calls stayed near.
func nearShare(t *testing.T, client *http.Client, n int) float64 {
	t.Helper()
	near := 0
	for range n {
		resp, err := client.Get("http://ratings/")
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if err != nil || resp.StatusCode != http.StatusOK {
			t.Fatalf("status %d, %v", resp.StatusCode, err)
		}
		if string(body) == "near" {
			near++
		}
	}
	return float64(near) / float64(n)
}
