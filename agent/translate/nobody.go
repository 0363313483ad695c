// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package translate

import (
	"strings"

	clusterpb "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	routepb "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	managerpb "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"

	"google.golang.org/protobuf/types/known/anypb"

	"github.com/enmesh-go/enmesh/agent/xds"
)

// vacant begins the names of clusters that stand for an agent that is not there. What a client
// dials follows behind the last colon and space.
const vacant = "enmesh: "

// unknown is what Nobody makes.
type unknown struct {
	why   string
	ready chan struct{}
}

// Nobody is a catalog that knows nothing, and says why. A client that begins is told of
// listeners whose calls go to a cluster with the reason in its name, and of that cluster as one
// of a type of that name, which gRPC's clients reject: calls end at once with UNAVAILABLE and
// the cluster's name (grpc-go) or its type's (grpc-js). Of a cluster that there is not they would wait 15 s to hear more; of
// a listener that they reject, grpc-go (1.85) does not tell the reason to all. A client that
// has something already, and a server, is told nothing.
//
// A call that is to wait until it can be sent (wait_for_ready) waits for that cluster, whatever
// the client is told of routes later. To a [Catalog] the cluster is another name of the one
// that has the instances of what was dialled, so that the call goes there.
func Nobody(why string) xds.Catalog {
	c := &unknown{why, make(chan struct{})}
	close(c.ready)
	return c
}

func (c *unknown) Watch(n *xds.Node, k xds.Kind, name string, w xds.Watcher) {
	switch {
	case n.Resumed || name == xds.All || isInbound(name):
	case k == xds.Listener:
		cluster := vacant + c.why + ": " + name
		w.Hear(encode(k, name, apiListener(name, &managerpb.HttpConnectionManager{
			RouteSpecifier: &managerpb.HttpConnectionManager_RouteConfig{RouteConfig: &routepb.RouteConfiguration{
				Name: cluster,
				VirtualHosts: []*routepb.VirtualHost{{Name: cluster, Domains: []string{"*"}, Routes: []*routepb.Route{{
					Match: everything(),
					Action: &routepb.Route_Route{Route: &routepb.RouteAction{
						ClusterSpecifier: &routepb.RouteAction_Cluster{Cluster: cluster},
					}},
				}}}},
			}},
		})))
	case k == xds.Cluster:
		w.Hear(encode(k, name, &clusterpb.Cluster{
			Name: name, ClusterDiscoveryType: &clusterpb.Cluster_ClusterType{ClusterType: &clusterpb.Cluster_CustomClusterType{
				Name: name, TypedConfig: &anypb.Any{TypeUrl: name},
			}},
		}))
	}
}

func (c *unknown) Unwatch(*xds.Node, xds.Kind, string, xds.Watcher) {}

func (c *unknown) Ready() <-chan struct{} { return c.ready }

// dialledIn is what a client dialled that has a cluster of Nobody's.
func dialledIn(cluster string) (name string, ok bool) {
	if !strings.HasPrefix(cluster, vacant) {
		return "", false
	}
	return cluster[strings.LastIndex(cluster, ": ")+2:], true
}
