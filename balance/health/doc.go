// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

// Package health asks endpoints whether they are well, before a call has to find out.
//
// # The problem
//
// Outlier detection learns that an endpoint is ill from the calls that fail there. A
// service that is called seldom learns late, and whether an ejected endpoint is well
// again only another call can tell.
//
// # The model
//
// A [Monitor] follows a cluster. It has a [Checker] ask each endpoint at its interval,
// and says what it found with [balance.Endpoint.SetHealthy]: an unhealthy endpoint is
// picked only where nothing better is left, and one that is healthy again begins a
// slow start. These are active health checks as Envoy has them; Istio's API does not.
//
//	checker, err := health.NewHTTP(health.HTTPConfig{Path: "/healthz"}, nil)
//	if err != nil {
//		return err
//	}
//	monitor := health.New(cluster, health.Config{Interval: 5 * time.Second}, checker)
//	go monitor.Run(ctx)
//
// [NewHTTP] and [NewTCP] make checkers; package meshgrpc has one for grpc.health.v1, and
// anything with a method Check, or a [CheckerFunc], is one.
//
// # What decides
//
// The first check of an endpoint decides at once, whichever way it ends; later ones in
// rows: so many failures make it unhealthy, so many successes healthy. Any failure
// counts alike, a wrong status too (where Envoy does not wait for a row). A [Checker]
// that wraps [ErrNow] decides at once. New endpoints take calls before their first
// check, unless [balance.ClusterConfig] has AwaitCheck. Endpoints that the registry
// calls draining are not asked; the checks of those that leave end.
//
// # Load
//
// New endpoints are asked at a random time within a second, and each keeps a random
// phase of the interval from then on, with jitter: neither does one client ask all
// endpoints at once, nor do many clients ask one endpoint in step. A bounded number of
// checks runs at a time. One that hangs has failed after its timeout and holds up no
// others, one that panics has failed.
//
// # Limits
//
// Every process asks for itself: a thousand clients with an interval of 10 s are a
// hundred checks each second to every endpoint. Checks do not go through the mesh, so
// none of its policies apply to them.
package health
