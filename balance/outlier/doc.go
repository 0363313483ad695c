// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

// Package outlier takes an endpoint out of balancing for a while when it keeps
// failing.
//
// # The problem
//
// One of ten instances answers 503 to everything. Retries find another, but every
// tenth call still goes there first. The instance says nothing about itself; only its
// callers can tell.
//
// # The model
//
// A [Detector] gives every endpoint of a cluster a gate, which stands below the pick
// and hears how each attempt ended. So many failures in a row, and the endpoint is
// ejected: no longer each time. There is no loop and no timer: an ejection ends by
// itself. This is passive detection as Istio and Envoy have it (outlierDetection,
// consecutive errors); success rates are not compared yet.
//
//	detector := outlier.New(outlier.Default())
//	cluster.Configure(balance.ClusterConfig{
//		Destination: destination,
//		Gates: func(e *balance.Endpoint) []enmesh.Gate {
//			return []enmesh.Gate{detector.Gate(e)}
//		},
//	})
//
// # What counts
//
// A 5xx counts, and what stands for one: a failed connect, a broken connection, a
// timeout of a policy's, a caller's deadline that left the endpoint time enough, a gRPC
// code whose HTTP status is a 5xx. 502, 503 and 504 are gateway errors, too. Any other
// answer of the far side ends the row. Endings that say nothing about the endpoint (the
// caller cancelled, a policy refused, another attempt won, the chain panicked) neither
// count nor end it.
//
// # Limits
//
// A part of the cluster at most is ejected, but always one endpoint may be; with all
// ejected the pickers take any (see balance.Picker). Every process counts for itself.
package outlier
