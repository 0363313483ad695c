// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package xds

import "google.golang.org/protobuf/types/known/anypb"

// Kind is a type of xDS resource that gRPC clients and servers ask for.
type Kind uint8

// The kinds, each of the v3 API.
const (
	Listener Kind = iota
	Route
	Cluster
	Endpoints
)

// kinds are the names and the type URLs of the kinds.
var kinds = [...]struct{ name, url string }{
	Listener:  {"Listener", "type.googleapis.com/envoy.config.listener.v3.Listener"},
	Route:     {"RouteConfiguration", "type.googleapis.com/envoy.config.route.v3.RouteConfiguration"},
	Cluster:   {"Cluster", "type.googleapis.com/envoy.config.cluster.v3.Cluster"},
	Endpoints: {"ClusterLoadAssignment", "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment"},
}

// String is the kind's message: "Listener", "RouteConfiguration", "Cluster",
// "ClusterLoadAssignment".
func (k Kind) String() string {
	if int(k) >= len(kinds) {
		return "kind(?)"
	}
	return kinds[k].name
}

// TypeURL is the kind's type URL; "" for no kind.
func (k Kind) TypeURL() string {
	if int(k) >= len(kinds) {
		return ""
	}
	return kinds[k].url
}

// Node is who asks, as its first request says.
type Node struct {
	ID, Cluster               string
	Region, Zone, SubZone     string
	Client                    string // user_agent_name: "gRPC Go", "gRPC C-core", …
	Version                   string // user_agent_version
	Namespace, ServiceAccount string // of the metadata
	Labels                    map[string]string
	Metadata                  map[string]any // all of it
}

// Resource is one resource, encoded. It is never written again, and may be shared by any
// number of nodes.
type Resource struct {
	Kind    Kind
	Name    string
	Version string     // a hash of the content
	Body    *anypb.Any // nil: there is no such resource
}

// Catalog has the resources.
type Catalog interface {
	// Watch tells f of the resource now, if it is known, and whenever it changes, until stop
	// is called. A Resource with a nil Body says that there is none, and never will be as long
	// as nothing changes. f does not block and does not call the Catalog. Resources that are
	// equal for many nodes are encoded once and shared.
	Watch(n *Node, k Kind, name string, f func(Resource)) (stop func())
	// Ready is closed when the first sync of all sources is complete: before it nothing is
	// answered.
	Ready() <-chan struct{}
}
