// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

// Package concurrency bounds how many calls run at once.
//
// What a program can bear is a number of calls in its memory, not a rate: when the
// calls slow down, a rate limit lets them pile up, and this does not.
//
// [Fixed] is for who knows the number, [Adaptive] finds it out:
//
//	gate, err := concurrency.NewAdaptive(concurrency.AdaptiveConfig{})
//	if err != nil {
//		return err
//	}
//	router := enmesh.Fixed(false, enmesh.Guard(gate))
//
// On a server it protects the handler. On a client it protects the service, in a route's
// chain, or one endpoint, below the pick; and it protects the client from both, which
// keeps no more calls waiting than they can do.
//
// A call that is one too many is refused at once; nothing queues. The refusal is
// [ErrFull] and, unless set otherwise, [ErrOverflow] on a client and [ErrExhausted] on a
// server. [Shares] keeps a part of the limit for the calls that matter more.
//
// A call is in flight until it has finished, whatever ends it: a limit whose callers all
// give up is empty soon after.
//
// # Which algorithm
//
// Gradient2 needs nothing to be known, and holds about as many calls in flight as the far
// side can do at once, and a few more. Vegas allows fewer to wait, and is misled sooner
// where calls vary in length. AIMD is for who knows which latency is too much.
//
// Ten seconds after the far side can do half or twice as much, the limit is within 30% of
// that at every moment where calls take equally long. Where they vary, as evenly up to twice the
// mean, it is so for nine tenths of the time, and within 40% always: a window of some
// dozen calls is in part luck, and once in 30 s Gradient2 and Vegas lower the limit to 65% for a few
// windows, to see how quick an emptier far side is.
//
// All three see calls as one kind: where some take a hundred times as long as others,
// and their mix changes, give each kind a limit of its own.
package concurrency
