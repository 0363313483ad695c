// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package consul

import (
	"context"
	"math/rand/v2"
	"time"
)

// backoff is a count of failures in a row and the wait that follows from it. It
// belongs to one loop.
type backoff struct {
	cfg   Backoff
	fails int
}

// next counts a failure and gives the wait: full jitter over an exponential bound.
// Source: Brooker, "Exponential Backoff And Jitter", 2015.
func (b *backoff) next() time.Duration {
	bound := b.cfg.Cap
	if b.fails < 30 {
		bound = min(bound, b.cfg.Base<<b.fails)
	}
	b.fails++
	return spread(bound)
}

func (b *backoff) reset() { b.fails = 0 }

// spread is a wait anywhere from 0 to d.
func spread(d time.Duration) time.Duration {
	if d <= 0 {
		return 0
	}
	return rand.N(d + 1)
}

// sleep waits for d, or for wake, whichever comes first, and reports whether ctx goes
// on.
func sleep(ctx context.Context, d time.Duration, wake <-chan struct{}) (woken, ok bool) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false, false
	case <-timer.C:
		return false, true
	case <-wake:
		return true, true
	}
}
