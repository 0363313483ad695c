// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package shed

import (
	"time"

	"github.com/enmesh-go/enmesh"
)

// waiter is a call that waits. What is not tell or timer is guarded by its queue's lock.
type waiter struct {
	tell  chan *enmesh.Error // its refusal, or nil: it has a slot. It is told once, and there is room.
	timer *time.Timer

	until   enmesh.Instant // in shadow: when it would give up
	slot    bool           // in shadow: it would run by now
	refused bool           // in shadow: it would have been

	rank       int
	in         bool // a line
	prev, next *waiter
}

func newWaiter() *waiter {
	timer := time.NewTimer(time.Hour)
	timer.Stop()
	return &waiter{tell: make(chan *enmesh.Error, 1), timer: timer}
}

// line is those of one level that wait, in the order of their coming.
type line struct{ first, last *waiter }

func (l *line) push(w *waiter) {
	w.in, w.prev, w.next = true, l.last, nil
	if l.last != nil {
		l.last.next = w
	} else {
		l.first = w
	}
	l.last = w
}

func (l *line) remove(w *waiter) {
	if w.prev != nil {
		w.prev.next = w.next
	} else {
		l.first = w.next
	}
	if w.next != nil {
		w.next.prev = w.prev
	} else {
		l.last = w.prev
	}
	w.in, w.prev, w.next = false, nil, nil
}
