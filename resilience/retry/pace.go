// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package retry

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/internal/quantile"
)

const (
	paceWindow = 30 * time.Second // how far back attempts count
	paceEnough = 10               // attempts without which the median says nothing
	paceShare  = 4                // one in so many is measured
)

// pace knows how long attempts take that succeed, from the pick of the endpoint to the head of the
// answer: one in four of those of the last 30 seconds.
type pace struct{ took *quantile.Window }

func newPace() pace { return pace{quantile.New(paceWindow)} }

// learn counts an attempt that has succeeded and was begun then. It reads no clock.
func (p pace) learn(c *enmesh.Call, begun enmesh.Instant) {
	if rand.Uint32()%paceShare != 0 {
		return
	}
	at := c.AnsweredAt()
	if at == 0 {
		return // nobody measures
	}
	if picked := c.PickedAt(); picked != 0 {
		begun = picked
	}
	p.took.Add(int64(at), at.Sub(begun))
}

// fits reports whether ctx leaves time for the wait and an attempt as long as the median
// of those that succeeded: with less than that an attempt more likely fails than not, and
// is work for nobody. As long as too few are known, more than the wait is enough.
func (p pace) fits(ctx context.Context, wait time.Duration) bool {
	deadline, ok := ctx.Deadline()
	if !ok {
		return true
	}
	now := enmesh.Now()
	left := deadline.Sub(now.Time()) - wait
	if left <= 0 {
		return false
	}
	median, samples := p.took.Quantile(int64(now), 0.5, paceEnough)
	return samples < paceEnough || left >= median
}
