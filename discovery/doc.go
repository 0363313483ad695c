// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

// Package discovery says where services are.
//
// A registry knows which hosts serve a name. A [Resolver] follows one name in
// it: Watch yields the full set of endpoints, and the full set again whenever it
// changes. A [Registrar] is the other direction: a process announces its own
// [Instance] for as long as a context lives. Everything else is built on these
// two methods: Consul in package discovery/consul, DNS in discovery/dns, watched files
// in discovery/file, and here the two that need nothing, [Static] for a fixed map and
// [Memory] for a registry inside the process.
//
//	registry := discovery.NewMemory()
//	go registry.Register(ctx, discovery.Instance{
//		Service: "reviews",
//		ID:      "reviews-v1-0",
//		Endpoint: discovery.Endpoint{
//			Addrs:          []string{"127.0.0.1:9080"},
//			Labels:         map[string]string{"version": "v1"},
//			Namespace:      "default",
//			ServiceAccount: "bookinfo-reviews",
//		},
//	})
//	for eps, err := range registry.Watch(ctx, "reviews") {
//		if err != nil {
//			log.Print(err) // news: what was yielded before still holds
//			continue
//		}
//		cluster.Apply(eps)
//	}
//
// # The rules of a watch
//
// Full sets are yielded, never differences, so a consumer that was slow has lost
// nothing but history. An error does not end a watch and takes no endpoint away.
// The empty set does: it says that the registry knows of no host, and calls then
// fail at once rather than wait. A set is yielded again only when its content
// changed, in whatever order the registry listed it ([EqualSets]).
//
// # What an endpoint says
//
// An [Endpoint] is one host, with a second address when it is dual-stack. It
// carries what balancing needs (weight, priority, locality, labels), what mutual
// TLS needs (the service account and namespace its certificate names) and which
// ports it offers. A service may offer HTTP on one port and gRPC on another;
// [Endpoint.Address] gives the address to dial for a service port and a protocol.
//
// # Resolvers over resolvers
//
// A [Cache] makes of any Resolver one that an outage of the registry does not hurt: it
// watches each service once for all readers, keeps the last good set without expiry,
// doubts a sudden loss ([Guard]), and keeps sets on disk for a start while the registry
// is down. A mesh puts one round its resolver by itself. [Merge] adds up what several
// registries know of a service, and [Failover] takes it from the first that knows it.
// A registry that can be asked once besides is a [Looker].
//
// # Limits
//
// Names are opaque and matched exactly. Health is what the registry says of it: what
// calls find out is the work of package balance.
package discovery
