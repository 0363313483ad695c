// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package limit

import (
	"cmp"
	"context"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/enmesh-go/enmesh"
)

// LeakyBucket lets calls through one by one, evenly: a call that comes too early waits in
// a queue. The queue is bounded, and nothing waits in vain: a call that could not go
// before its deadline, or within MaxWait, is refused at once. What goes is spaced by the
// cost of the call before it. It is a middleware and no gate, since it waits.
type LeakyBucket struct {
	voice
	cfg     LeakyConfig
	queue   time.Duration // how long a full queue takes to flow out
	perNano float64       // units that flow out in a nanosecond
	blur    time.Duration // how long slack takes to flow out, and a little
	*queued
}

// queued is what is in a bucket. It is a cache line.
type queued struct {
	turn shut // until the turn of a call that came now

	mu     sync.Mutex // guards all below
	latest enmesh.Instant
	level  float64 // units that have not flowed out at latest
	gone   []turn  // of calls that went away before it, soonest first
}

// turn is when a call goes, and how much it lets out.
type turn struct {
	at    enmesh.Instant
	units int
}

// NewLeakyBucket makes a bucket that is empty, or refuses a LeakyConfig that makes no
// sense.
func NewLeakyBucket(cfg LeakyConfig) (*LeakyBucket, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	b := &LeakyBucket{
		cfg:     cfg,
		perNano: cfg.Rate / float64(time.Second),
		queue:   time.Duration(min(float64(cfg.Queue)/cfg.Rate*float64(time.Second), float64(longest))),
		blur:    span(slack, cfg.Rate) + 2,
		queued:  new(queued),
	}
	b.voice = newVoice(cfg.Terms, cfg.quota())
	return b, nil
}

// AllowAt takes n units at t if they can go without waiting, else none. n of 0 or less is
// always allowed.
func (b *LeakyBucket) AllowAt(t enmesh.Instant, n int) bool {
	_, ok := b.ReserveAt(t, n, 0)
	return ok
}

// ReserveAt puts n units into the bucket at t and says how long it takes until it is their
// turn. Where that is longer than patience or MaxWait, or the queue is full, it puts in
// none and reports false; wait is then after which time it would have gone well. n of 0 or
// less goes at once.
func (b *LeakyBucket) ReserveAt(t enmesh.Instant, n int, patience time.Duration) (wait time.Duration, ok bool) {
	if n <= 0 {
		return 0, true
	}
	patience = max(0, min(patience, b.cfg.MaxWait))
	if wait = b.tooLate(t, patience); wait > 0 {
		return wait, false
	}
	b.mu.Lock()
	b.flow(t)
	if len(b.gone) > 0 {
		wait, ok = b.inherit(n, patience)
	}
	if !ok && wait == 0 {
		wait, ok = b.enter(n, patience)
	}
	b.mu.Unlock()
	return wait, ok
}

// tooLate is after which time a call would go well that is known to be refused, else 0:
// the queue is full, or the turn is beyond patience.
func (b *LeakyBucket) tooLate(t enmesh.Instant, patience time.Duration) time.Duration {
	turn := b.turn.rest(t)
	if ahead := turn - b.queue; ahead > b.blur {
		return ahead
	}
	if turn > b.blur && turn-patience > 1 {
		return turn - patience
	}
	return 0
}

// inherit takes a turn that nobody takes any more. It reports false and 0 when there is
// none. The caller holds mu.
func (b *LeakyBucket) inherit(n int, patience time.Duration) (wait time.Duration, ok bool) {
	i := b.vacant(n)
	if i < 0 {
		return 0, false
	}
	if wait = b.gone[i].at.Sub(b.latest); wait > patience {
		return wait - patience, false
	}
	b.gone = slices.Delete(b.gone, i, i+1)
	return wait, true
}

// enter takes a turn at the end of the queue. The caller holds mu.
func (b *LeakyBucket) enter(n int, patience time.Duration) (wait time.Duration, ok bool) {
	if b.level > slack {
		wait = b.span(b.level)
		late := wait - patience
		if ahead := b.level - float64(b.cfg.Queue); ahead > slack {
			late = b.span(ahead)
		}
		if late > 0 {
			if len(b.gone) == 0 {
				b.turn.close(b.latest, wait)
			}
			return late, false
		}
	}
	b.turn.open()
	b.level += float64(n)
	return wait, true
}

// span is how long units take to flow out.
func (b *LeakyBucket) span(units float64) time.Duration { return span(units, b.cfg.Rate) }

// flow lets out what flows until t. The caller holds mu.
func (b *LeakyBucket) flow(t enmesh.Instant) {
	if t <= b.latest {
		return
	}
	b.level = max(0, b.level-float64(t-b.latest)*b.perNano)
	b.latest = t
}

// vacant is the soonest turn to come that nobody takes and that has room for n units, or
// -1. The caller holds mu.
func (b *LeakyBucket) vacant(n int) int {
	past := 0
	for past < len(b.gone) && b.gone[past].at < b.latest {
		past++
	}
	b.gone = slices.Delete(b.gone, 0, past)
	return slices.IndexFunc(b.gone, func(v turn) bool { return v.units >= n })
}

// leave gives back the turn of a call that goes away before it. Those that wait behind it
// have their own: the next call that comes may have it.
func (b *LeakyBucket) leave(v turn) {
	b.mu.Lock()
	defer b.mu.Unlock()
	i, _ := slices.BinarySearchFunc(b.gone, v.at, func(g turn, at enmesh.Instant) int { return cmp.Compare(g.at, at) })
	b.gone = slices.Insert(b.gone, i, v)
	b.turn.open()
}

// room is how much could be put in now, and how long the bucket takes to be empty.
func (b *LeakyBucket) room() (left int, reset time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	most := min(float64(b.cfg.Queue), b.cfg.Rate*b.cfg.MaxWait.Seconds())
	return int(max(0, most-b.level) + slack), b.span(b.level)
}

// Queued is how many units wait now, the one that has just gone included.
func (b *LeakyBucket) Queued() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.flow(enmesh.Now())
	return int(math.Ceil(b.level - slack))
}

// Wait puts n units into the bucket and waits for their turn. It fails at once, with a
// refusal as the middleware's, when that would be after the deadline of ctx, MaxWait
// would pass or the queue is full; and with the cause when ctx ends before.
func (b *LeakyBucket) Wait(ctx context.Context, n int) error {
	now := enmesh.Now()
	wait, ok := b.ReserveAt(now, n, patienceOf(ctx))
	if !ok {
		return b.refusals.after(wait)
	}
	return b.await(ctx, wait, turn{now.Add(wait), n})
}

// await waits for a turn, and gives it back when ctx ends before.
func (b *LeakyBucket) await(ctx context.Context, wait time.Duration, v turn) error {
	err := sleep(ctx, wait)
	if err != nil {
		b.leave(v)
	}
	return err
}

// Middleware is the bucket for a route's chain.
func (b *LeakyBucket) Middleware() enmesh.Middleware {
	return func(next enmesh.Next) enmesh.Next {
		return func(ctx context.Context, c *enmesh.Call) error {
			if err := b.admit(ctx, c); err != nil {
				return err
			}
			return next(ctx, c)
		}
	}
}

func (b *LeakyBucket) admit(ctx context.Context, c *enmesh.Call) error {
	n := b.terms.cost(c)
	wait, ok := b.ReserveAt(c.Clock, n, patienceOf(ctx))
	switch {
	case b.cfg.Shadow:
		b.shadow(c, wait, ok)
		return nil
	case !ok:
		return b.answer(c, verdict{wait: wait})
	}
	if b.headers.always(c) {
		left, reset := b.room()
		b.headers.write(c, left, reset)
	}
	if wait <= 0 {
		return nil
	}
	b.record(c, enmesh.ActionDelay)
	err := b.await(ctx, wait, turn{c.Clock.Add(wait), n})
	c.Tick()
	return err
}

// shadow tells what would have become of the call.
func (b *LeakyBucket) shadow(c *enmesh.Call, wait time.Duration, ok bool) {
	switch {
	case !ok:
		b.record(c, enmesh.ActionRefuse)
	case wait > 0:
		b.record(c, enmesh.ActionDelay)
	}
}

func (b *LeakyBucket) record(c *enmesh.Call, a enmesh.Action) {
	if b.cfg.Recorder != nil {
		b.cfg.Recorder.Record(c, enmesh.Decision{Policy: "limit", Action: a, Shadow: b.cfg.Shadow})
	}
}
