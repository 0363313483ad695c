// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package redislimit

import (
	"context"
	"errors"
	"time"

	"github.com/enmesh-go/enmesh"
)

// refill is an ask for permits that is under way.
type refill struct {
	wanted   int
	waiting  int            // calls that wait for it; the entry's lock guards it
	deadline enmesh.Instant // when those stop waiting
	done     chan struct{}  // closed at its end, after err is set
	err      error
}

// The reasons for not asking.
var (
	errClosed = errors.New("redislimit: the quota is closed")
	errBusy   = errors.New("redislimit: too many asks at once")
)

// settle decides a call that nothing in memory decides. It is called with the entry's lock,
// and gives it back.
func (q *Quota) settle(ctx context.Context, c *enmesh.Call, e *entry) error {
	start := c.Clock
	for {
		if e.group.open.Load() || c.Clock < e.deaf || c.Clock.Sub(start) >= q.cfg.Timeout {
			return q.settleLocally(c, e)
		}
		r := e.flies
		if r == nil {
			r = q.refill(e, c.Clock, 1)
		}
		if e.shaky {
			return q.settleLocally(c, e)
		}
		patience := min(r.deadline.Sub(c.Clock), q.cfg.Timeout-c.Clock.Sub(start))
		r.waiting++
		e.mu.Unlock()
		ended := r.await(ctx, patience)
		c.Clock = q.now()
		if err := enmesh.EndOf(ctx); err != nil && !ended {
			return err
		}
		e.mu.Lock()
		r.waiting--
		if !ended || r.err != nil {
			return q.settleLocally(c, e)
		}
		if v, wait := e.take(c.Clock); v != unknown {
			e.mu.Unlock()
			return q.count(c, e.slot, v, wait)
		}
		e.taken-- // it is counted once
	}
}

// settleLocally decides by the local share. It is called with the entry's lock, and gives
// it back.
func (q *Quota) settleLocally(c *enmesh.Call, e *entry) error {
	v, wait := e.takeShare(c.Clock, q.share())
	e.mu.Unlock()
	e.slot.local.Add(1)
	if q.cfg.Recorder != nil {
		q.cfg.Recorder.Record(c, enmesh.Decision{Policy: "redislimit", Action: enmesh.ActionDegrade, Shadow: q.cfg.Shadow})
	}
	return q.count(c, e.slot, v, wait)
}

// await waits for the end, for so long, and reports whether it came.
func (r *refill) await(ctx context.Context, patience time.Duration) bool {
	select {
	case <-r.done:
		return true
	default:
	}
	if patience <= 0 {
		return false
	}
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-r.done:
		return true
	case <-ctx.Done():
	case <-timer.C:
	}
	return false
}

// refill asks for permits on a goroutine of its own, so that no call waits longer than
// Timeout, whatever the client does. It is called with the entry's lock, which it keeps.
func (q *Quota) refill(e *entry, now enmesh.Instant, waiting int) *refill {
	r := &refill{deadline: now.Add(q.cfg.Timeout), done: make(chan struct{})}
	r.wanted = e.wanted(now, q.cfg, waiting)
	owed := e.owed(now, q.share())
	e.aside = 0
	if r.err = q.launch(func() { q.fly(e, r, owed) }); r.err != nil {
		e.group.failed(e.sum.redisKey())
		close(r.done)
		return r
	}
	e.flies = r
	return r
}

// launch runs f on a goroutine, unless the quota is closed or too many run.
func (q *Quota) launch(f func()) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return errClosed
	}
	select {
	case q.slots <- struct{}{}:
	default:
		return errBusy
	}
	q.work.Go(func() {
		defer func() { <-q.slots }()
		f()
	})
	return nil
}

// fly asks, and tells the entry and its group.
func (q *Quota) fly(e *entry, r *refill, owed float64) {
	ctx, cancel := context.WithTimeout(q.ctx, q.cfg.Timeout)
	defer cancel()
	began, key := q.now(), e.sum.redisKey()
	g, err := q.ask(ctx, key, r.wanted, owed)
	now := q.now()
	q.asked.Add(1)
	q.judge(e.group, key, err, now.Sub(began))

	e.mu.Lock()
	defer e.mu.Unlock()
	e.flies, e.shaky = nil, err != nil
	switch {
	case err == nil:
		e.answered(now, g, r.wanted, q.cfg, int(q.instances.Load()))
	case errors.Is(err, errAlien):
		e.deaf = now.Add(time.Second)
	}
	r.err = err
	close(r.done)
}

// judge tells the group how an ask ended. An answer that came too late is no good one,
// though what it gives is used.
func (q *Quota) judge(g *group, key string, err error, took time.Duration) {
	switch {
	case errors.Is(err, errAlien):
		q.aliens.Add(1)
		g.succeeded()
	case q.ctx.Err() != nil: // by Close
	case err != nil || took > q.cfg.Timeout:
		q.failed.Add(1)
		g.failed(key)
	default:
		g.succeeded()
	}
}
