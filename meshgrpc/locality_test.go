// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package meshgrpc_test

import (
	"context"
	"math"
	"net"
	"testing"

	testpb "google.golang.org/grpc/interop/grpc_testing"

	"google.golang.org/grpc"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/balance"
	"github.com/enmesh-go/enmesh/discovery"
)

// A zone loses half of its instances, then all of them: load follows, and no call fails.
func TestBalancer_zoneLost(t *testing.T) {
	const each = 4
	near, far := discovery.Locality{Region: "r", Zone: "near"}, discovery.Locality{Region: "r", Zone: "far"}
	servers, list := []*grpc.Server{}, []discovery.Endpoint{}
	for i := range 2 * each {
		at := near
		if i >= each {
			at = far
		}
		lis, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		servers = append(servers, serveOn(t, lis, named(at.Zone)))
		list = append(list, discovery.Endpoint{Addrs: []string{lis.Addr().String()}, Locality: at})
	}
	src := &clusters{}
	c := src.Cluster(enmesh.Destination{Service: "ratings"}, enmesh.GRPC)
	cfg := c.Config()
	cfg.Algorithm = balance.Locality(balance.LocalityConfig{Local: near, OutlierDetection: true}, balance.RoundRobin())
	c.Configure(cfg)
	c.Apply(list)
	_, client := dial(t, "enmesh:///ratings", enmesh.Fixed(true, retry(3)), src)
	ctx := testContext(t)
	nearby := func() float64 { return nearShare(ctx, t, client, 1000) }
	eventually(t, "all calls stay near", func() bool { return nearShare(ctx, t, client, 100) == 1 })

	starting := discovery.Endpoint{Addrs: []string{refusing(t)}, Locality: near}
	c.Apply(append(list[:len(list):len(list)], starting, starting))
	if got := nearby(); got != 1 {
		t.Errorf("while one more starts: %.3f of the calls stay near, want all", got)
	}
	c.Apply(list)
	for _, s := range servers[:each/2] {
		s.Stop()
	}
	eventually(t, "half of the zone is lost", func() bool { return math.Abs(nearby()-0.7) < 0.06 })
	for _, s := range servers[each/2 : each] {
		s.Stop()
	}
	eventually(t, "all of the zone is lost", func() bool { return nearby() == 0 })
}

// nearShare is how many of n calls stayed near.
func nearShare(ctx context.Context, t *testing.T, client testpb.TestServiceClient, n int) float64 {
	t.Helper()
	near := 0
	for range n {
		answer, err := client.UnaryCall(ctx, &testpb.SimpleRequest{})
		if err != nil {
			t.Fatal(err)
		}
		if string(answer.GetPayload().GetBody()) == "near" {
			near++
		}
	}
	return float64(near) / float64(n)
}
