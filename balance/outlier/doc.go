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
// and hears how each attempt ended. One that fails so often in a row, or so much more
// than its peers in an interval, is ejected: no longer each time. This is passive
// detection as Istio and Envoy have it (outlierDetection):
//
//	detector := outlier.New(outlier.Default())
//	cluster.Configure(balance.ClusterConfig{
//		Destination: destination,
//		Gates: func(e *balance.Endpoint) []enmesh.Gate {
//			return []enmesh.Gate{detector.Gate(e)}
//		},
//	})
//
// There is no loop and no timer: an ejection ends by itself, and an interval ends with
// the first call that ends after it. That call looks at all endpoints, for the instant
// at which the interval was over; no other call waits for it.
//
// [Default] is what Istio does when nothing is said, [Envoy] what Envoy alone does: it
// compares success rates too. [Detector.Report] tells what is held of each endpoint, for
// metrics and for whoever asks why one gets no calls; [OnEvent] tells of each ejection.
//
// # What counts
//
// A 5xx counts, and what stands for one: a failed connect, a broken connection, a
// timeout of a policy's, a caller's deadline that left the endpoint time enough, a gRPC
// code whose HTTP status is a 5xx. 502, 503 and 504 are gateway errors, too. Any other
// answer of the far side ends the row. An HTTP 501 counts as in Envoy, whose rule is the
// status, though nothing else holds it against an endpoint; UNIMPLEMENTED, gRPC's word for a
// caller's own fault, does not, where Envoy counts one that comes without an answer. Endings that say nothing about the endpoint (the
// caller cancelled, a policy refused, another attempt won, the chain panicked) neither
// count nor end it.
//
// [Config.Codes] puts statuses of the operator's choice in the place of the 5xx: only
// then can a caller's own fault, such as a 404, eject. [Config.SplitLocalOrigin] gives
// what failed on the way, and not by an answer, a row and rates of its own. What still
// comes back from an endpoint that is ejected was sent before, and is not held against
// it.
//
// # Limits
//
// A part of the cluster at most is ejected, but always one endpoint may be (Envoy's
// always_eject_one_host; without it 10% of nine endpoints are none). Istio's
// minHealthPercent is not here: it is the share of healthy endpoints below which load
// goes to all of them, ejected or not, and so a matter of picking. Where a rate and
// room for only some ejections meet, the worst go first. Every process counts for
// itself.
package outlier
