// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

// Package balance chooses one endpoint for each call.
//
// # The problem
//
// A service has many instances. They come and go, some are slow, some fail. Whoever
// calls needs, for each attempt, one that is likely to answer soon, within
// nanoseconds, and without forgetting what it has learned each time the registry
// says something.
//
// # The model
//
// A [Source] gives a [Cluster] for a destination and protocol. Discovery tells the
// cluster the full list of endpoints ([Cluster.Apply]), policy tells it the
// algorithm, the subset and the gates ([Cluster.Configure]). The cluster owns an
// [Endpoint] for each, which holds the statistics: they survive every change of the
// set. Each change is published as one immutable [Set].
//
// An [Algorithm] builds a [Picker] over a list of endpoints. Picking, admitting and
// releasing are three steps, since a pick may be refused by a gate of the endpoint
// (a breaker, outlier detection), or be thrown away:
//
//	cluster := source.Cluster(enmesh.Destination{Service: "reviews"}, enmesh.HTTP)
//	if err := cluster.Wait(ctx); err != nil {
//		return err
//	}
//	e, err := cluster.Picker().Pick(call)
//	if err != nil {
//		return err
//	}
//	var admission balance.Admission
//	if err := e.Admit(ctx, call, enmesh.Now(), &admission); err != nil {
//		return err
//	}
//	err = send(ctx, call, e.Addr())
//	admission.Release(call.Result(err))
//
// HTTP picks among all endpoints of the cluster. gRPC, which knows the state of its
// connections, makes a [Endpoint.View] of each, subscribes to the cluster, and builds
// a picker with the set's algorithm over the views whenever one is connected or lost.
//
// # Choosing an algorithm
//
// [LeastRequest] is the default, as in Istio. [PowerOfTwo] looks at latency too and
// is better where instances differ. [RoundRobin] and [WeightedRoundRobin] are for
// calls that cost the same everywhere, [Random] for many clients that each call
// seldom. [RingHash] and [Maglev] keep calls with the same Key (see package affinity) at
// the same endpoint: Maglev spreads them more evenly, a ring moves fewer when endpoints
// come and go.
//
// Where many clients face many endpoints, [SubsetConfig] bounds how many of them each
// connects to. [SlowStart] goes around any that does not hash, and gives new endpoints
// their share step by step.
//
// What each does under load, and with a slow or a new endpoint, package enmeshtest/sim
// shows in virtual time. The guide docs/balancing.md has all of it from the side of policy.
//
// Endpoints that are ejected (package balance/outlier) or found unhealthy (package
// balance/health) are picked only where nothing better is left.
//
// # Near and far, good and bad
//
// [Locality] makes any of these prefer what is near: it sorts the endpoints into tiers, and
// load leaves a tier only as far as its health does not suffice. Within a tier it can give
// localities shares, or prefer the client's own zone by what it can bear. Beneath a
// threshold of health ([ClusterConfig], Panic) calls are spread over all endpoints rather
// than crowd the few good ones.
//
// # Limits
//
// An algorithm by itself takes no notice of priorities and localities: [Locality] does.
// Statistics are this process's own: nothing is shared between processes.
package balance
