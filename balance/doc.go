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
// a picker with the set's algorithm over the views that are connected.
//
// # Choosing an algorithm
//
// [LeastRequest] is the default, as in Istio. [PowerOfTwo] looks at latency too and
// is better where instances differ. [RoundRobin] and [WeightedRoundRobin] are for
// calls that cost the same everywhere, [Random] for many clients that each call
// seldom.
//
// # Limits
//
// Priorities and localities are carried ([Endpoint.Info]) and not yet preferred.
// Statistics are this process's own: nothing is shared between processes.
package balance
