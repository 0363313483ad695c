// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package consul

import (
	"context"
	"time"

	"golang.org/x/time/rate"
)

// result is what an answer was good for, which decides how soon to ask again.
type result int

const (
	changed   result = iota // it brought something new
	unchanged               // it brought nothing
	blind                   // its index is of no use, or counts from the start: until it blocks again, asking is all there is
	settled                 // it came of a glance, and nothing has moved: on with a query that blocks
)

// pacer holds a token bucket for each result. It belongs to one loop.
type pacer [3]*rate.Limiter

func newPacer(p Pace) *pacer {
	const changeBurst, changeEvery = 5, 500 * time.Millisecond
	return &pacer{
		changed:   rate.NewLimiter(rate.Every(changeEvery), changeBurst),
		unchanged: rate.NewLimiter(rate.Every(p.Every), p.Burst),
		blind:     rate.NewLimiter(rate.Every(p.Poll), p.Burst),
	}
}

// wait spends a token for the last result and waits until there is one. It reports
// whether that was a pause, in which nothing was asked, and false when ctx has ended.
func (p *pacer) wait(ctx context.Context, last result) (paused, ok bool) {
	if last == settled {
		return false, ctx.Err() == nil
	}
	const pause = 10 * time.Millisecond
	began := time.Now()
	err := p[last].Wait(ctx)
	return time.Since(began) >= pause, err == nil
}
