// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package redislimit

import (
	"errors"

	"github.com/enmesh-go/enmesh"
)

// maxRepaid bounds how many keys are paid for when Redis returns; the others are when
// they are next asked for.
const maxRepaid = 1000

// repay tells a Redis that has returned what was admitted while it was gone, also for keys
// that get no more calls here: others may have some. It reports whether Redis is there
// still.
func (q *Quota) repay(g *group) bool {
	left := maxRepaid
	for i := range q.table.slots {
		for _, e := range q.table.slots[i].debtors(g, q.now(), q.share()) {
			if left == 0 {
				return true
			}
			left--
			if err := q.repayFor(e); err != nil && !errors.Is(err, errAlien) {
				return false
			}
		}
	}
	return true
}

// debtors are the entries of the group that owe something.
func (s *slot) debtors(g *group, now enmesh.Instant, own share) []*entry {
	var all []*entry
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range s.entries {
		if e.group != g {
			continue
		}
		e.mu.Lock()
		if e.flies == nil && e.owed(now, own) > 0 {
			all = append(all, e)
		}
		e.mu.Unlock()
	}
	return all
}

// repayFor asks for no permits, and pays.
func (q *Quota) repayFor(e *entry) error {
	now := q.now()
	e.mu.Lock()
	if e.flies != nil {
		e.mu.Unlock()
		return nil
	}
	r := &refill{deadline: now.Add(q.cfg.Timeout), done: make(chan struct{})}
	owed := e.owed(now, q.share())
	e.flies, e.aside = r, 0
	e.mu.Unlock()
	q.fly(e, r, owed)
	return r.err
}
