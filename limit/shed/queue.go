// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package shed

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/enmesh-go/enmesh"
)

// QueueConfig is how many calls run, and how many wait for how long. It is comparable.
type QueueConfig struct {
	// Slots is how many calls run at once: 1 or more.
	Slots int64
	// Waiting is how many may wait. 0 is ten times Slots; negative is refused.
	Waiting int64
	// Interval is how long a call waits at most while the queue has lately been empty, and
	// what lately is. 0 is 100 ms; negative is refused. As long as a call runs is a good
	// value: then waiting at most doubles what it takes.
	Interval time.Duration
	// Target is how long a call waits at most once the queue has not been empty for
	// Interval. 0 is 5 ms; negative, and more than Interval, is refused.
	Target time.Duration
	// Shadow: nobody waits and nobody is refused; Recorder is told of those that would have
	// been. See [Queue].
	Shadow bool
	// Recorder is told of refusals in shadow, when the call ends. It may be nil.
	Recorder enmesh.Recorder
}

// The defaults, those of "Fail at Scale".
const (
	defaultInterval = 100 * time.Millisecond
	defaultTarget   = 5 * time.Millisecond
	waitingPerSlot  = 10
)

func (cfg QueueConfig) withDefaults() (QueueConfig, error) {
	if cfg.Waiting == 0 {
		cfg.Waiting = waitingPerSlot * cfg.Slots
	}
	if cfg.Interval == 0 {
		cfg.Interval = defaultInterval
	}
	if cfg.Target == 0 {
		cfg.Target = min(defaultTarget, cfg.Interval)
	}
	switch {
	case cfg.Slots < 1:
		return cfg, fmt.Errorf("shed: Slots %d is less than 1", cfg.Slots)
	case cfg.Waiting < 0:
		return cfg, fmt.Errorf("shed: Waiting %d is negative", cfg.Waiting)
	case cfg.Interval < 0:
		return cfg, fmt.Errorf("shed: Interval %v is negative", cfg.Interval)
	case cfg.Target < 0 || cfg.Target > cfg.Interval:
		return cfg, fmt.Errorf("shed: Target %v is not from 0 to Interval %v", cfg.Target, cfg.Interval)
	}
	return cfg, nil
}

// Queue runs a number of calls at once and lets a few more wait, for a bounded time, which
// shrinks when the queue does not empty. It is a gate for a server's route, not for an
// endpoint: Admit waits. No path allocates, but for a few calls until as many have waited
// as ever do at once.
//
// It is the queue of Maurer's "Fail at Scale" (ACM Queue 13(8), 2015), a simpler form of
// CoDel (Nichols and Jacobson, "Controlling Queue Delay", ACM Queue 10(5), 2012): short
// bursts wait for up to Interval; a queue that has not been empty for that long is no
// burst, and then nobody waits longer than Target, and who came last goes first, since
// who came first may have given up.
//
// What matters more goes before what matters less, whenever it came, and takes its place
// when no more may wait. To each level the queue is only those who go before it, so that a
// crowd of what matters less does not shorten the patience with what matters more.
//
// In shadow the queue is only thought: a call that would wait runs at once, and gives its
// place up when it ends, in a slot or not. Since calls that would come one after another then
// run together, and so perhaps longer each, what it counts is nearer to the truth for a server
// that mostly waits itself than for one that is short of CPU. There a call that waits in
// thought allocates.
type Queue struct {
	cfg QueueConfig

	mu      sync.Mutex // guards what follows
	running int64
	waiting int64
	lines   [levels]line           // by rank
	emptied [levels]enmesh.Instant // when a slot was free for which nobody of that rank or above waited
	thought thought                // in shadow

	spare sync.Pool // of *waiter
}

// NewQueue makes a queue, or refuses a configuration that makes no sense.
func NewQueue(cfg QueueConfig) (*Queue, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	q := &Queue{cfg: cfg}
	q.spare.New = func() any { return newWaiter() }
	return q, nil
}

// InFlight is how many calls run now.
func (q *Queue) InFlight() int64 {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.running
}

// Waiting is how many calls wait now.
func (q *Queue) Waiting() int64 {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.waiting
}

// Admit lets the call run, at once or after a wait, or refuses it. A call whose context
// ends while it waits is told why.
func (q *Queue) Admit(ctx context.Context, c *enmesh.Call) (enmesh.Token, error) {
	rank := enmesh.CriticalityOf(ctx).Rank()
	if q.cfg.Shadow {
		return q.pretend(c, rank), nil
	}
	w, limit, ok := q.enter(rank, c.Clock)
	if w == nil {
		if !ok {
			return enmesh.Token{}, errRefused
		}
		return enmesh.Token{}, nil
	}
	err := q.wait(ctx, c, w, limit)
	c.Tick()
	return enmesh.Token{}, err
}

// enter gives a slot to a call of rank, or a place among those that wait, and for how
// long, or neither.
func (q *Queue) enter(rank int, now enmesh.Instant) (w *waiter, limit time.Duration, ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.place(rank, now)
}

// place is enter. The lock is held.
func (q *Queue) place(rank int, now enmesh.Instant) (w *waiter, limit time.Duration, ok bool) {
	if q.running < q.cfg.Slots {
		q.note(now)
		q.running++
		return nil, 0, true
	}
	if q.waiting >= q.cfg.Waiting && !q.evict(rank) {
		return nil, 0, false
	}
	limit = q.cfg.Interval
	if q.standing(rank, now) {
		limit = q.cfg.Target
	}
	w = q.spare.Get().(*waiter) //nolint:errcheck // it holds nothing else
	w.rank = rank
	q.lines[rank].push(w)
	q.waiting++
	return w, limit, true
}

// note is told when a slot is free: whoever it finds waiting shows that the queue stands.
// That the queue is empty at another time shows nothing: they may have given up. The lock
// is held.
func (q *Queue) note(now enmesh.Instant) {
	for i := levels - 1; i >= 0 && q.lines[i].first == nil; i-- {
		q.emptied[i] = max(q.emptied[i], now)
	}
}

// standing reports whether the queue, as far as it goes before those who come after a
// rank, is more than a burst. The lock is held.
func (q *Queue) standing(rank int, now enmesh.Instant) bool {
	return now.Sub(q.emptied[rank]) > q.cfg.Interval
}

// evict refuses the one that waits longest of those that matter less than rank, the least
// of them first. The lock is held.
func (q *Queue) evict(rank int) bool {
	for i := range rank {
		if w := q.lines[i].first; w != nil {
			q.leave(w)
			w.tell <- errRefused
			return true
		}
	}
	return false
}

// leave takes w out of its line. The lock is held.
func (q *Queue) leave(w *waiter) {
	q.lines[w.rank].remove(w)
	q.waiting--
}

// wait waits for a slot, no longer than limit.
func (q *Queue) wait(ctx context.Context, c *enmesh.Call, w *waiter, limit time.Duration) error {
	w.timer.Reset(limit)
	var told *enmesh.Error
	select {
	case told = <-w.tell:
	case <-w.timer.C:
		told = q.giveUp(w, errRefused)
	case <-ctx.Done():
		told = q.giveUp(w, c.EndOf(ctx))
	}
	w.timer.Stop()
	q.spare.Put(w)
	if told != nil {
		return told
	}
	return nil
}

// giveUp takes w out of its line, for a reason, unless it was told something meanwhile.
func (q *Queue) giveUp(w *waiter, why *enmesh.Error) *enmesh.Error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !w.in {
		return <-w.tell
	}
	q.leave(w)
	return why
}

// Done gives the slot to the next, or back.
func (q *Queue) Done(t enmesh.Token, r enmesh.Result) {
	if q.cfg.Shadow {
		q.remember(t, r)
		return
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.note(r.Ended)
	w := q.next(r.Ended)
	if w == nil {
		q.running--
		return
	}
	q.leave(w)
	w.tell <- nil
}

// next is whose turn it is, or nil. The lock is held.
func (q *Queue) next(now enmesh.Instant) *waiter {
	for i := levels - 1; i >= 0; i-- {
		if l := &q.lines[i]; l.first != nil {
			if q.standing(i, now) {
				return l.last
			}
			return l.first
		}
	}
	return nil
}
