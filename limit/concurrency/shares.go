// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package concurrency

import (
	"context"
	"fmt"

	"github.com/enmesh-go/enmesh"
)

// Shares is how much of a limit calls of each level may fill: with Sheddable at 0.5, a
// call that is SHEDDABLE goes only while less than half of the limit runs, so that the
// other half is left to what matters more. A share of 0 is 1, the whole limit; one
// below 0 or above 1, or one above that of a level that matters more, is refused.
// CRITICAL_PLUS always has the whole limit. Every level may run one call at least.
type Shares struct {
	Critical      float64
	SheddablePlus float64
	Sheddable     float64
}

// byRank is the share of each level, by enmesh.Criticality.Rank.
type byRank [4]float64

func (s Shares) byRank() (byRank, error) {
	r := byRank{s.Sheddable, s.SheddablePlus, s.Critical, 1}
	for i, share := range r {
		if share == 0 {
			r[i] = 1
		} else if !(share > 0 && share <= 1) { // also what is not a number
			return r, fmt.Errorf("concurrency: Shares: %v is not above 0 and at most 1", share)
		}
	}
	for i := range r[1:] {
		if r[i] > r[i+1] {
			return r, fmt.Errorf("concurrency: Shares: %v is above %v, that of a level that matters more", r[i], r[i+1])
		}
	}
	return r, nil
}

// share is the limit for calls of ctx. Where all levels have the whole limit, ctx is not
// asked.
func (r *byRank) share(ctx context.Context, limit int64) int64 {
	if r[0] == 1 {
		return limit
	}
	share := r[enmesh.CriticalityOf(ctx).Rank()]
	return max(1, int64(share*float64(limit)))
}
