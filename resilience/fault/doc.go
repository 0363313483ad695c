// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

// Package fault delays and aborts a share of the calls, to see what happens then.
//
// Whether callers bear a slow or failing neighbour is best learned before it is one.
// A fault is drawn per call: first whether to wait, then, apart from that, whether to
// end the call with a made-up answer instead of sending it.
//
//	slow, err := fault.New(fault.Config{
//		Delay: 7 * time.Second, DelayPPM: 100_000, // a tenth of the calls
//		AbortStatus: 503, AbortPPM: 10_000, // a hundredth
//	})
//	if err != nil {
//		return err
//	}
//	router := enmesh.Fixed(false, slow, timeout.Overall(3*time.Second))
//
// Faults can be kept to calls with a header ([Config.Header]), left to the calls to ask for
// ([Config.FromHeaders], off by default), and bounded in number ([Config.MaxActive]).
//
// It stands outermost of the policies, as in Istio: the delay does not count against
// the route's timeout, though the caller's own deadline ends it, and an abort is not
// retried. An abort is Neutral and trips nothing.
package fault
