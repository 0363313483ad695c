// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package xds

import "strconv"

// Kind is a type of resource that a client of gRPC asks for.
type Kind uint8

// The kinds, in the order in which a client comes to need them.
const (
	Listener  Kind = iota // LDS: what a target or a server's port is
	Route                 // RDS: where the calls of a listener go
	Cluster               // CDS: how a destination is used
	Endpoints             // EDS: the addresses of a destination
	kinds                 // how many there are
)

const typePrefix = "type.googleapis.com/"

var typeURLs = [kinds]string{
	Listener:  typePrefix + "envoy.config.listener.v3.Listener",
	Route:     typePrefix + "envoy.config.route.v3.RouteConfiguration",
	Cluster:   typePrefix + "envoy.config.cluster.v3.Cluster",
	Endpoints: typePrefix + "envoy.config.endpoint.v3.ClusterLoadAssignment",
}

var kindNames = [kinds]string{Listener: "listener", Route: "route", Cluster: "cluster", Endpoints: "endpoints"}

// pushOrder is the order in which changes of several kinds are sent: a cluster is
// there before the route that leads to it.
var pushOrder = [kinds]Kind{Cluster, Endpoints, Listener, Route}

// TypeURL is the kind's type on the wire, in version 3 of the API; empty for a
// value that is no kind.
func (k Kind) TypeURL() string {
	if k >= kinds {
		return ""
	}
	return typeURLs[k]
}

// String is the kind's name in messages: "listener", "route", "cluster" or
// "endpoints".
func (k Kind) String() string {
	if k >= kinds {
		return "kind(" + strconv.Itoa(int(k)) + ")"
	}
	return kindNames[k]
}

// full says that a response of the kind holds the whole of what is subscribed to:
// what is missing in it counts as removed.
//
// Source: xDS protocol, "Grouping resources into responses".
func (k Kind) full() bool { return k == Listener || k == Cluster }

// KindOf is the kind of a type URL; false when it is none of the four.
func KindOf(typeURL string) (Kind, bool) {
	for k, u := range typeURLs {
		if u == typeURL {
			return Kind(k), true
		}
	}
	return kinds, false
}
