// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

// Package translate makes xDS resources of policy and of the instances of services, so that
// programs on plain gRPC, in any language, do what Istio's YAML says. It knows no transport:
// package agent/xds serves what a [Catalog] has.
//
//	catalog, err := translate.New(translate.Config{Endpoints: registry, Certificates: "default"})
//	if err != nil {
//		return err
//	}
//	defer catalog.Close()
//	catalog.SetPolicy(snapshot) // and again on every change
//	catalog.Start()             // the first sync is complete: answer, once there is policy, too
//
// # What becomes of what
//
// A client that dials xds:///reviews:9080 asks for the Listener "reviews:9080". Names are
// read as everywhere in enmesh, short or full, in the namespace that the node's metadata
// says. The Listener refers to routes of the same name, which are the rules of the service's
// VirtualService; these to clusters, one for each port and subset of a service, which are its
// DestinationRule; and these to endpoints, sorted for the locality of the node that asks.
// A name that neither a VirtualService nor the registry knows gets a Listener that fails
// every call at once; why, stands in the name of its routes, and in a [Note].
//
// A server asks for a Listener by its address ([ServerListenerTemplate], or the name that
// Istio's agent uses), and gets mutual TLS by PeerAuthentication and filters by
// AuthorizationPolicy.
//
// # What gRPC cannot do
//
// It knows less than a proxy, and ignores most of what it does not know. Nothing of that is
// silent: [policy.Snapshot.FindingsFor] has the verdict on every field for each of gRPC's
// implementations, and a [Note] says what was approximated or refused in a resource. Where
// leaving something out would let a call through that policy stops, the call is stopped:
// see the comments on tls.go, server.go and rbac.go.
//
// # How changes travel
//
// Nodes that see the same share one resource, encoded once. Policy is compiled once for
// each namespace and set of labels that policy selects by; a change of it makes all
// watched resources anew and tells those that differ. A change of a service's instances
// makes only what depends on it: its endpoints, once for all who see the same, and its
// cluster, if that lists who the instances are.
package translate
