// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package mesh_test

import (
	"context"
	"testing"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/enmeshtest"
	"github.com/enmesh-go/enmesh/mesh"
)

// What a rule does not say costs nothing: its calls allocate no more than those to a
// host without rules, whatever the other rules of the host do.
func TestVirtualService_allocations(t *testing.T) {
	if raced {
		t.Skip("the race detector allocates")
	}
	s := newStreet(t, "reviews", "ratings")
	m := s.open(t, s.web, forReviews(`
	  {match: [{uri: {prefix: /old/}}, {uri: {prefix: /older/}}], rewrite: {uri: /new/}, mirror: {host: ratings}, route: [{destination: {host: ratings}}]},
	  {match: [{uri: {exact: /gone}}], directResponse: {status: 410}},
	  {match: [{uri: {exact: /moved}, name: one}, {uri: {exact: /left}, name: two}], redirect: {uri: /here}},
	  {route: [{destination: {host: reviews}}]}`))
	plain, named := spent(t, m, "ratings"), spent(t, m, "reviews")
	if named > plain {
		t.Errorf("a call by a rule without actions allocates %v times, one without rules %v times", named, plain)
	}
	c := &enmesh.Call{Destination: enmesh.Destination{Service: "reviews"}, Path: "/a/b", Method: "GET"}
	if got := testing.AllocsPerRun(100, func() { m.Outbound().Route(c) }); got != 0 {
		t.Errorf("choosing a route allocates %v times", got)
	}
	for path, want := range map[string]string{
		"/old/x": "reviews-0", "/gone": "reviews-1", "/moved": "reviews-2.one", "/left": "reviews-2.two", "/x": "reviews-3",
	} {
		c.Path = path
		if got := m.Outbound().Route(c).Name; got != want {
			t.Errorf("%s takes the route %q, want %q", path, got, want)
		}
	}
}

// What is chosen by the port of a call is made beforehand.
func TestPortLevelSettings_allocations(t *testing.T) {
	if raced {
		t.Skip("the race detector allocates")
	}
	s := newStreet(t, "reviews")
	const hash = "loadBalancer: {consistentHash: {httpHeaderName: x-none}}, connectionPool: {http: {http2MaxRequests: 5}}"
	rule := func(policy string) string {
		return "apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {name: reviews}\nspec: {host: reviews, trafficPolicy: {" + policy + "}}\n"
	}
	whole := spent(t, s.open(t, s.web, rule(hash)), "reviews")
	port := spent(t, s.open(t, s.web, rule("portLevelSettings: [{port: {number: 80}, loadBalancer: {simple: RANDOM}}, {port: {number: 9080}, "+hash+"}]")), "reviews")
	if port > whole {
		t.Errorf("a call to a port with settings of its own allocates %v times, one to a host with the same %v times", port, whole)
	}
}

// spent is what a call to a host allocates in its chain.
func spent(t *testing.T, m *mesh.Mesh, host string) float64 {
	t.Helper()
	return testing.AllocsPerRun(200, func() {
		w := enmeshtest.NewWire()
		c := w.Call()
		c.Service, c.Port, c.Authority, c.Path, c.Method, c.Protocol = host, 9080, host, "/a/b", "GET", enmesh.GRPC
		if err := w.Do(context.Background(), m.Outbound()); err != nil {
			t.Error(err)
		}
	})
}
