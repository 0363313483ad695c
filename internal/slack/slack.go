// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

// Package slack is the time that a client keeps back of what its caller still waits, when
// it tells the far side: both adapters keep the same.
package slack

import "time"

// Keeper says how much is kept back. The zero Keeper keeps [Of]; others are from [Fixed].
type Keeper struct {
	fixed time.Duration
	set   bool
}

// Fixed keeps d back of any time; zero or less is nothing.
func Fixed(d time.Duration) Keeper { return Keeper{fixed: max(d, 0), set: true} }

// Off reports whether nothing is kept back.
func (k Keeper) Off() bool { return k.set && k.fixed == 0 }

// Of is what is kept back of left.
func (k Keeper) Of(left time.Duration) time.Duration {
	if k.set {
		return k.fixed
	}
	return Of(left)
}

// Most bounds what is kept back where nobody says how much. Ten hops of it are 50 ms: so
// near to a deadline the far side's DEADLINE_EXCEEDED still is that deadline's own (see
// enmesh.Call.DeadlineOwner).
const Most = 5 * time.Millisecond

// Of is a hundredth of left, at most [Most]: enough for an answer to cross a zone where a
// caller waits for 100 ms, and never much of what he waits.
func Of(left time.Duration) time.Duration { return min(max(left, 0)/100, Most) }
