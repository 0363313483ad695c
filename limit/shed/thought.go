// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package shed

import (
	"github.com/enmesh-go/enmesh"
)

// thought is what a queue in shadow remembers of calls that would wait, or have waited: they
// run. It is guarded by the queue's lock.
type thought struct {
	calls map[uint64]*waiter // by their tokens
	last  uint64             // token
	next  enmesh.Instant     // nobody who waits gives up before
}

// running is the token of a call that has a slot from the start; refused that of one that
// would have been refused at once. All others are numbers from 3 on.
const (
	running uint64 = 1 + iota
	refused
)

// pretend is Admit in shadow.
func (q *Queue) pretend(c *enmesh.Call, rank int) enmesh.Token {
	q.mu.Lock()
	defer q.mu.Unlock()
	t := &q.thought
	q.giveUpBefore(c.Clock)
	w, limit, ok := q.place(rank, c.Clock)
	switch {
	case !ok && w == nil:
		return enmesh.Token{N: refused}
	case w == nil:
		return enmesh.Token{N: running}
	}
	w.until, w.slot, w.refused = c.Clock.Add(limit), false, false
	if t.calls == nil {
		t.calls, t.last = map[uint64]*waiter{}, refused
	}
	if len(t.calls) == 0 || w.until < t.next {
		t.next = w.until
	}
	t.last++
	t.calls[t.last] = w
	return enmesh.Token{N: t.last}
}

// giveUpBefore refuses in thought whoever would have waited in vain by now. The lock is held.
func (q *Queue) giveUpBefore(now enmesh.Instant) {
	if q.waiting == 0 || now < q.thought.next {
		return
	}
	next := enmesh.Instant(1<<63 - 1)
	for i := range q.lines {
		for w := q.lines[i].first; w != nil; {
			after := w.next
			if w.until <= now {
				q.leave(w)
				w.refused = true
			} else {
				next = min(next, w.until)
			}
			w = after
		}
	}
	q.thought.next = next
}

// remember is Done in shadow.
func (q *Queue) remember(t enmesh.Token, r enmesh.Result) {
	if q.forget(t.N, r.Ended) && q.cfg.Recorder != nil {
		q.cfg.Recorder.Record(r.Call, enmesh.Decision{Policy: "shed", Action: enmesh.ActionRefuse, Shadow: true})
	}
}

// forget ends a call in thought, and reports whether it would have been refused.
func (q *Queue) forget(token uint64, now enmesh.Instant) (would bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.giveUpBefore(now)
	if token == refused {
		return true
	}
	w := q.thought.calls[token]
	delete(q.thought.calls, token)
	switch {
	case w == nil || w.slot:
		q.handOn(now)
	case !w.in && !w.refused: // somebody who matters more took its place
		would = <-w.tell != nil
	case w.in:
		q.leave(w)
	default:
		would = true
	}
	if w != nil {
		q.spare.Put(w)
	}
	return would
}

// handOn gives a slot in thought to the next, or back. The lock is held.
func (q *Queue) handOn(now enmesh.Instant) {
	q.note(now)
	w := q.next(now)
	if w == nil {
		q.running--
		return
	}
	q.leave(w)
	w.slot = true
}
