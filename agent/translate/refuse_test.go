// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package translate_test

import (
	"testing"

	clusterpb "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	endpointpb "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	listenerpb "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	routepb "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	managerpb "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	"google.golang.org/protobuf/proto"

	"github.com/enmesh-go/enmesh/agent/translate"
	agentxds "github.com/enmesh-go/enmesh/agent/xds"
)

const refusing = `
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: reviews}
spec:
  hosts: [reviews]
  http:
  - redirect: {uri: /elsewhere}
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: reviews}
spec: {host: reviews, trafficPolicy: {loadBalancer: {consistentHash: {httpHeaderName: x-user, ringHash: {minimumRingSize: 500}}}}}
`

// read is a resource for a client, read.
func read[M proto.Message](t *testing.T, c *translate.Catalog, client string, k agentxds.Kind, name string, into M) M {
	t.Helper()
	n := &agentxds.Node{ID: "n", Client: client, Namespace: "default"}
	if err := resource(t, c, n, k, name).UnmarshalTo(into); err != nil {
		t.Fatal(err)
	}
	return into
}

// Node's client rejects, hangs on or throws at what the others take.
func TestRefusal_isWhatEachClientTakes(t *testing.T) {
	c, _ := open(t, translate.Config{}, refusing)
	for client, node := range map[string]bool{"gRPC Go": false, "gRPC Java": false, "gRPC C-core": false, "gRPC Node Pure JS": true} {
		route := read(t, c, client, agentxds.Route, "reviews:80", &routepb.RouteConfiguration{}).GetVirtualHosts()[0].GetRoutes()[0]
		to := route.GetRoute().GetCluster()
		if (route.GetNonForwardingAction() == nil) != node || (to != "") != node || (len(route.GetTypedPerFilterConfig()) == 1) != node {
			t.Errorf("%s: a route that is refused is %v", client, route)
		}
		if node { // nobody knows the service, and its registry may be silent: it has no instances all the same
			if made := read(t, c, client, agentxds.Endpoints, to, &endpointpb.ClusterLoadAssignment{}); len(made.GetEndpoints()) > 0 {
				t.Errorf("calls that are refused have instances: %v", made)
			}
			read(t, c, client, agentxds.Cluster, to, &clusterpb.Cluster{})
		}
		var manager managerpb.HttpConnectionManager
		failing := read(t, c, client, agentxds.Listener, "no/name", &listenerpb.Listener{})
		if err := failing.GetApiListener().GetApiListener().UnmarshalTo(&manager); err != nil {
			t.Fatal(err)
		}
		hosts := manager.GetRouteConfig().GetVirtualHosts()
		if (len(hosts) == 1) != node || node && len(hosts[0].GetRoutes()) > 0 {
			t.Errorf("%s: the routes of a listener that fails are %v", client, hosts)
		}
	}
}

func TestRing_isSaidInTheFormThatEachClientTakes(t *testing.T) {
	c, _ := open(t, translate.Config{}, refusing)
	const name = "outbound|80||reviews.default.svc.cluster.local"
	for client, old := range map[string]bool{"gRPC Go": false, "gRPC Java": false, "gRPC Node Pure JS": true} {
		made := read(t, c, client, agentxds.Cluster, name, &clusterpb.Cluster{})
		if (made.GetLbPolicy() == clusterpb.Cluster_RING_HASH) != old || (made.GetLoadBalancingPolicy() == nil) != old {
			t.Errorf("%s: got %v and %v", client, made.GetLbPolicy(), made.GetLoadBalancingPolicy())
		}
		if n := made.GetRingHashLbConfig().GetMinimumRingSize().GetValue(); old && n != 500 {
			t.Errorf("%s: the ring has %d entries at least, want 500", client, n)
		}
	}
}
