// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

// Package entries finds the endpoints of the hosts that ServiceEntries describe.
//
// A ServiceEntry adds a service to those that a registry knows, or describes one of these
// anew. [Finder] turns what policy says of one host into endpoints: they are in the
// document, or DNS is asked for them and asked again, or the name that is called is
// connected to. [Resolver] puts that before a registry: it follows policy, asks the
// registry for all other services, and goes from one to the other when policy changes.
//
//	r := entries.New(entries.Config{Registry: registry, Finder: entries.Finder{DNS: names}})
//	r.Set(snapshot) // and again on every change of policy
//	for set, err := range r.Watch(ctx, "api.example.com") {
//		…
//	}
//
// # What goes before what
//
// An exact host of a ServiceEntry goes before the registry. So does a wildcard such as
// "*.example.com", for all hosts that it holds, but never for a service of the mesh's
// domain unless the wildcard is of that domain itself.
//
// # Limits
//
// A host that DNS does not know is one without endpoints, not an unknown service: policy
// knows it. Endpoints that are sockets (unix://) are left out. What DNS says is not
// doubted here: put a [discovery.Cache] round the resolver that asks it.
package entries
