// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package redislimit

import (
	"math/bits"
	"time"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/limit"
)

// refusals are built once: the n-th says 2^n milliseconds, up to 37 hours.
var refusals = func() (all [28]*enmesh.Error) {
	for n := range all {
		all[n] = &enmesh.Error{
			Code:       enmesh.ResourceExhausted,
			Outcome:    enmesh.Neutral,
			Unsent:     true,
			Status:     429,
			Flag:       enmesh.FlagRateLimited,
			Policy:     "redislimit",
			RetryAfter: time.Millisecond << n,
			Err:        limit.ErrLimited,
		}
	}
	return all
}()

// refusalFor is the refusal that says how long to wait, rounded up to a power of two.
func refusalFor(wait time.Duration) *enmesh.Error {
	if wait <= time.Millisecond {
		return refusals[0]
	}
	n := bits.Len64(uint64((wait - 1) / time.Millisecond))
	return refusals[min(n, len(refusals)-1)]
}
