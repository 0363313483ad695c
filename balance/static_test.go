// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package balance_test

import (
	"testing"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/balance"
	"github.com/enmesh-go/enmesh/discovery"
)

func TestStaticSource_namesMeet(t *testing.T) {
	s := balance.NewStaticSource(map[string][]discovery.Endpoint{
		"reviews": {{Addrs: []string{"127.0.0.1:1"}, Version: "v1"}, {Addrs: []string{"127.0.0.1:2"}, Version: "v2"}},
	}, balance.RoundRobin())
	full := s.Cluster(enmesh.Destination{Service: "reviews.default.svc.cluster.local"}, enmesh.HTTP)
	if got := s.Cluster(enmesh.Destination{Service: "reviews"}, enmesh.HTTP); got != full {
		t.Errorf("cluster of the short name = %p, want that of the full one, %p", got, full)
	}
	if got := s.Cluster(enmesh.Destination{Service: "reviews"}, enmesh.GRPC); got == full {
		t.Error("clusters of two protocols are one, want two")
	}
	v2 := s.Cluster(enmesh.Destination{Service: "reviews", Subset: "v2"}, enmesh.HTTP)
	for range 3 {
		e, err := v2.Picker().Pick(nil)
		if err != nil || e.Addr() != "127.0.0.1:2" {
			t.Fatalf("pick from subset v2 = %v, %v; want 127.0.0.1:2", e, err)
		}
	}
	if _, err := s.Cluster(enmesh.Destination{Service: "nobody"}, enmesh.HTTP).Picker().Pick(nil); err != balance.ErrNoCluster {
		t.Errorf("pick from an unknown service: err = %v, want %v", err, balance.ErrNoCluster)
	}
}
