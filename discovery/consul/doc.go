// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

// Package consul finds and announces services in a Consul catalogue.
//
// A [Registry] talks to the Consul agent on its host, by Consul's own client. It is a
// [discovery.Resolver], a [discovery.Registrar], and can be asked once
// ([Registry.Lookup]).
//
//	registry, err := consul.New(consul.Config{TokenFile: "/etc/reviews/consul-token"})
//	if err != nil {
//		return err
//	}
//	defer registry.Close()
//	go registry.Register(ctx, discovery.Instance{ // until ctx ends
//		Service:  "reviews",
//		ID:       "reviews-v1-0",
//		Endpoint: discovery.Endpoint{Addrs: []string{"10.0.0.7:9080"}, Version: "v1"},
//	})
//	for eps, err := range registry.Watch(ctx, "ratings") {
//		if err != nil {
//			log.Print(err) // news: what was yielded before still holds
//			continue
//		}
//		cluster.Apply(eps)
//	}
//
// # Watching
//
// Each service is one blocking query for each datacenter, shared by all who watch it.
// An answer is taken for what it holds and not for having come: Consul's index moves
// with changes elsewhere, and can go backwards. What went wrong takes nothing away. A
// failed query is repeated with full jitter, from 100 ms to 10 s; meanwhile one small
// request a second or so, for the whole process, finds out when the agent is back, and
// then all go on at once.
//
// An answer that is empty for another reason than that there is nobody is an error:
// no token where one is needed, a token that sees nothing, a server without a leader.
// What else may be wrong with an empty or a much smaller set, no single answer can
// tell. [discovery.Resolver] has the facts; a guard belongs round it.
//
// # From instance to endpoint
//
//   - Address: the tagged address that Config names, else the service's, else its
//     node's. An IPv4 and an IPv6 address (lan_ipv4, lan_ipv6) are one dual-stack host.
//   - Health: the worst of the service's and the node's checks. Critical instances are
//     left out; where all are critical, they are used after all (Config.NoPanic).
//   - Weight: that for passing, or for warnings. A weight of 0, maintenance mode, and the
//     metadata draining=true mean that an instance finishes what it has.
//   - Labels: the metadata, and tags of the form key=value. Keys with another meaning are
//     the constants Meta...: version, namespace, service-account, locality, port-<name>.
//   - Locality: the metadata locality, else Consul's own.
//   - Priority: the place of the datacenter in Config.Datacenters.
//
// Instances that cannot be used are left out one by one and counted. Where they are
// over half, the answer is an error. Of several with one address, the healthiest and
// then the youngest counts.
//
// # Announcing
//
// [Registry.Register] keeps a registration true: it says by a heartbeat that the instance
// is well, or leaves that to a check of the agent's own ([Check]), looks whether the
// agent still has what was registered, and registers again after a restart of the
// agent, an expired check or somebody's mistake. The ID has a part that changes with
// each start of the process, and only that registration is ever withdrawn.
//
// # Documents among the keys
//
// [Registry.Folder] follows the documents under a prefix of Consul's KV store: policy, for
// a mesh or an agent. It is watched as services are, with the same care about indexes,
// failures and empty answers:
//
//	folder, err := registry.Folder("enmesh/policy")
//	if err != nil {
//		return err
//	}
//	m, err := mesh.Open(ctx, mesh.WithResolver(registry), mesh.WithPolicySource(folder))
//
// # Limits
//
// Consul's prepared queries, peering and its own mesh are not used, nor is the cache
// of the agent. At most Config.MaxWatches queries block at once; more take turns.
package consul
