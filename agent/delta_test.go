// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package agent_test

import (
	"context"
	"maps"
	"slices"
	"strings"
	"testing"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/enmesh-go/enmesh/agent"
	"github.com/enmesh-go/enmesh/agent/xds"
)

// incremental is a client that is told of changes alone.
type incremental struct {
	t      testing.TB
	stream discoveryv3.AggregatedDiscoveryService_DeltaAggregatedResourcesClient
	has    map[xds.Kind]map[string]*discoveryv3.Resource
}

func (c *incremental) connect(addr string) {
	c.t.Helper()
	cc, err := grpc.NewClient(addr, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		c.t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), hang)
	c.t.Cleanup(func() { cancel(); _ = cc.Close() })
	if c.stream, err = discoveryv3.NewAggregatedDiscoveryServiceClient(cc).DeltaAggregatedResources(ctx); err != nil {
		c.t.Fatal(err)
	}
}

func (c *incremental) send(m *discoveryv3.DeltaDiscoveryRequest) {
	c.t.Helper()
	meta, err := structpb.NewStruct(map[string]any{"namespace": "default"})
	if err != nil {
		c.t.Fatal(err)
	}
	m.Node = &corev3.Node{Id: "n1", Locality: &corev3.Locality{Region: "eu", Zone: "a"}, Metadata: meta}
	if err := c.stream.Send(m); err != nil {
		c.t.Fatalf("send: %v", err)
	}
}

// ask subscribes to names, of which it says what it has.
func (c *incremental) ask(k xds.Kind, names ...string) {
	c.t.Helper()
	had := map[string]string{}
	for n, r := range c.has[k] {
		had[n] = r.GetVersion()
	}
	c.send(&discoveryv3.DeltaDiscoveryRequest{TypeUrl: k.TypeURL(), ResourceNamesSubscribe: names, InitialResourceVersions: had})
}

// hears takes the next response, and gives the kind and names of what is in it.
func (c *incremental) hears() (said []string) {
	c.t.Helper()
	m, err := c.stream.Recv()
	if err != nil {
		c.t.Fatalf("the stream ended: %v", err)
	}
	k, _ := xds.KindOf(m.GetTypeUrl())
	if c.has[k] == nil {
		c.has[k] = map[string]*discoveryv3.Resource{}
	}
	for _, r := range m.GetResources() {
		c.has[k][r.GetName()] = r
		said = append(said, k.String()+" "+r.GetName())
	}
	for _, n := range m.GetRemovedResources() {
		delete(c.has[k], n)
		said = append(said, "no "+k.String()+" "+n)
	}
	c.send(&discoveryv3.DeltaDiscoveryRequest{TypeUrl: m.GetTypeUrl(), ResponseNonce: m.GetNonce()})
	return said
}

// wants holds that the next response says just this.
func (c *incremental) wants(want ...string) {
	c.t.Helper()
	if got := c.hears(); !slices.Equal(got, want) {
		c.t.Fatalf("got %q, want %q", got, want)
	}
}

// TestAgent_tellsChangesAlone: a client of delta xDS finds its way from the listener to the endpoints,
// hears of a change in policy or discovery only what changed, and from an agent that was started anew
// nothing that it has.
func TestAgent_tellsChangesAlone(t *testing.T) {
	registry, path := ab(t), write(t, toward("a"))
	cfg := agent.Config{Resolver: registry, Listen: "127.0.0.1:0", Policies: []string{path}}
	c := &incremental{t: t, has: map[xds.Kind]map[string]*discoveryv3.Resource{}}
	var listener, route string
	clusterOf := func() string {
		t.Helper()
		var cfg routev3.RouteConfiguration
		if err := c.has[xds.Route][route].GetResource().UnmarshalTo(&cfg); err != nil {
			t.Fatal(err)
		}
		return cfg.GetVirtualHosts()[0].GetRoutes()[0].GetRoute().GetCluster()
	}
	t.Run("found", func(t *testing.T) {
		c.t = t
		c.connect(start(t, cfg).Addr().String())
		listener, route = "reviews:80", "reviews:80"
		c.ask(xds.Listener, listener)
		c.wants("listener " + listener)
		if !strings.Contains(c.has[xds.Listener][listener].GetResource().String(), route) {
			t.Fatalf("the listener %v does not lead to %s", c.has[xds.Listener][listener], route)
		}
		c.ask(xds.Route, route)
		c.wants("route " + route)
		a := clusterOf()
		c.ask(xds.Cluster, a)
		c.wants("cluster " + a)
		c.ask(xds.Endpoints, a)
		c.wants("endpoints " + a)

		registry.Set("a", backend(t, "a2"))
		c.wants("endpoints " + a)
		// The route says first where it will lead, and leads there when the client knows the way.
		rewrite(t, path, toward("b"))
		c.wants("route " + route)
		b := strings.Replace(a, "||a.", "||b.", 1)
		if got := clusterOf(); got != a || !strings.Contains(c.has[xds.Route][route].GetResource().String(), b) {
			t.Fatalf("the route leads to %s, want %s, and %s to be announced", got, a, b)
		}
		c.ask(xds.Cluster, b)
		c.ask(xds.Endpoints, b)
		var said []string
		for clusterOf() != b {
			said = append(said, c.hears()...)
		}
		slices.Sort(said)
		if want := []string{"cluster " + b, "endpoints " + b, "route " + route}; !slices.Equal(said, want) {
			t.Errorf("got %q, want %q", said, want)
		}
	})
	t.Run("from an agent that is started anew", func(t *testing.T) {
		c.t = t
		c.connect(start(t, cfg).Addr().String())
		for _, k := range []xds.Kind{xds.Listener, xds.Route, xds.Cluster, xds.Endpoints} {
			c.ask(k, slices.Sorted(maps.Keys(c.has[k]))...)
		}
		registry.Set("b", backend(t, "b2"))
		c.wants("endpoints " + clusterOf())
	})
}
