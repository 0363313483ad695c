// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

// Package intentions authorizes calls by Consul's intentions, as Consul's own proxies do:
// the service-intentions for one destination, of layer 4 and of layer 7, in force within a
// moment of their change.
//
//	identity, err := connect.New(ctx, connect.Config{Service: "api"})
//	...
//	allowed, err := intentions.New(ctx, intentions.Config{Service: "api"})
//	if err != nil {
//		return err
//	}
//	defer allowed.Close()
//	chain := enmesh.Chain(enmesh.Guard(allowed), ...)
//
// Who calls is read from the certificate that the handshake has verified: an ID
// "spiffe://<trust domain>/ns/<namespace>/dc/<datacenter>/svc/<service>" of the agent's own
// trust domain. A caller without one is refused, whatever the intentions say.
//
// # How it is decided
//
// The intention of the highest precedence that speaks of the caller counts, and no other:
// a source by its name goes before "*", and before both goes the destination by its name.
// One of layer 4 says it; one of layer 7 has permissions, of which the first that matches the
// call says it, and when none does the default. Where no intention speaks of the caller it is
// the default too: see [Config].Default.
//
// Paths are compared with the canonical, decoded path, and regular expressions with the
// whole of it. Of a header with several values a denial is matched by any, and an allowance
// by all.
//
// # Beside Istio's documents
//
// As a gate of its own it stands beside an engine of package authz, and both must allow. As
// the engine's checker it is a CUSTOM policy. [Set.Policies] writes the intentions as
// policies of that engine, as far as these can say it; let them have an engine of their
// own, since another's ALLOW would allow what they do not.
//
// # When Consul does not answer
//
// The last intentions stay in force, and [Authorizer.Err] and [Config].OnUpdate say why. New
// waits for the first: nothing is served on a guess. An answer that is hidden in part from
// the token is no answer. An intention that is not understood, as one with a field that this
// package does not know in a permission, denies.
//
// # Limits
//
// Conditions on tokens (JWT) are not looked at: an allowance that has one never allows, and
// a denial that has one denies without it. Sources of other partitions, peers and sameness
// groups match nobody.
package intentions
