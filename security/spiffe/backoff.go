// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package spiffe

import (
	"math/rand/v2"
	"time"

	"github.com/spiffe/go-spiffe/v2/workloadapi"
)

// NewBackoff makes the count of failures in a row of one watch.
func (b Backoff) NewBackoff() workloadapi.Backoff { return &failures{bounds: b} }

// failures is a count of failures in a row and the wait that follows from it, with full
// jitter: a host's workloads, which lose their agent together, do not come back together.
// Source: Brooker, "Exponential Backoff And Jitter", 2015.
type failures struct {
	bounds Backoff
	n      int
}

// Next counts a failure and gives the wait.
func (f *failures) Next() time.Duration {
	bound := f.bounds.Cap
	if f.n < 20 {
		bound = min(bound, f.bounds.Base<<f.n)
	}
	f.n++
	return rand.N(bound + 1)
}

// Reset forgets the failures.
func (f *failures) Reset() { f.n = 0 }
