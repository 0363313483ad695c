// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package shed_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/limit/shed"
)

// The queue of the model: small, so that everything happens in it.
const (
	modelSlots    = 2
	modelWaiting  = 3
	modelInterval = 10 * time.Millisecond
	modelTarget   = 3 * time.Millisecond
)

// ticket is one call of the model.
type ticket struct {
	id, rank int
	leaves   int // when its patience ends, milliseconds
}

// model is the slow queue: plain slices, time in whole milliseconds.
type model struct {
	now     int
	running []int
	waiting []ticket // in the order of their coming
	free    [4]int   // when a slot was free for which nobody of that rank or above waited
	out     map[int]string
}

func (m *model) note() {
	for rank := range m.free {
		if !slices.ContainsFunc(m.waiting, func(w ticket) bool { return w.rank >= rank }) {
			m.free[rank] = m.now
		}
	}
}

func (m *model) standing(rank int) bool {
	return time.Duration(m.now-m.free[rank])*time.Millisecond > modelInterval
}

func (m *model) arrive(id, rank int) {
	if len(m.running) < modelSlots {
		m.note()
		m.running = append(m.running, id)
		m.out[id] = "served"
		return
	}
	if len(m.waiting) >= modelWaiting {
		least := -1
		for i, w := range m.waiting {
			if w.rank < rank && (least < 0 || w.rank < m.waiting[least].rank) {
				least = i
			}
		}
		if least < 0 {
			m.out[id] = "refused"
			return
		}
		m.out[m.waiting[least].id] = "refused"
		m.waiting = slices.Delete(m.waiting, least, least+1)
	}
	patience := modelInterval
	if m.standing(rank) {
		patience = modelTarget
	}
	m.waiting = append(m.waiting, ticket{id, rank, m.now + int(patience/time.Millisecond)})
}

func (m *model) end() (id int, ok bool) {
	if len(m.running) == 0 {
		return 0, false
	}
	id = m.running[0]
	m.running = m.running[1:]
	m.note()
	best := -1
	for i, w := range m.waiting {
		if best < 0 || w.rank > m.waiting[best].rank || w.rank == m.waiting[best].rank && m.standing(w.rank) {
			best = i
		}
	}
	if best >= 0 {
		next := m.waiting[best]
		m.waiting = slices.Delete(m.waiting, best, best+1)
		m.running = append(m.running, next.id)
		m.out[next.id] = "served"
	}
	return id, true
}

func (m *model) tick() {
	m.now++
	m.waiting = slices.DeleteFunc(m.waiting, func(w ticket) bool {
		if w.leaves > m.now {
			return false
		}
		m.out[w.id] = "refused"
		return true
	})
}

// FuzzQueue plays calls that come, end and wait, as the bytes say, to the queue and to the
// model, and wants the same of each call at each moment.
func FuzzQueue(f *testing.F) {
	f.Add([]byte{0, 0, 0, 0, 3, 2, 1, 4, 4, 4})
	f.Add([]byte{0, 0, 0, 1, 2, 3, 5, 5, 5, 5, 5, 5, 0, 4, 5, 0, 4, 5, 5, 5, 5, 3, 3, 4})
	f.Add([]byte{2, 2, 0, 5, 5, 0, 5, 5, 0, 5, 5, 0, 5, 5, 0, 5, 5, 0, 5, 5, 0, 5, 5, 0, 0, 4, 2, 4})
	f.Fuzz(func(t *testing.T, ops []byte) {
		if len(ops) > 200 {
			ops = ops[:200]
		}
		synctest.Test(t, func(t *testing.T) { play(t, ops) })
	})
}

// play makes of each byte, modulo 6: 0 to 3, a call of that rank comes; 4, the one that
// has run longest ends; 5, a millisecond passes.
func play(t *testing.T, ops []byte) {
	t.Helper()
	q := mustQueue(t, shed.QueueConfig{Slots: modelSlots, Waiting: modelWaiting, Interval: modelInterval, Target: modelTarget})
	m := &model{out: map[int]string{}}
	got := make([]chan string, len(ops))
	seen := map[int]string{}
	<-time.After(500 * time.Microsecond) // calls come and end between the moments at which patience does
	begin := enmesh.Now()
	for id, op := range ops {
		switch op %= 6; op {
		case 4:
			if _, ok := m.end(); ok {
				q.Done(enmesh.Token{}, enmesh.Result{Ended: enmesh.Now()})
			}
		case 5:
			<-time.After(time.Millisecond)
			m.tick()
		default:
			got[id] = make(chan string, 1)
			m.arrive(id, int(op))
			go func() { got[id] <- admit(q, of[op]) }()
		}
		synctest.Wait()
		for id, ch := range got {
			select {
			case seen[id] = <-ch:
			default:
			}
		}
		if q.InFlight() != int64(len(m.running)) || q.Waiting() != int64(len(m.waiting)) {
			t.Fatalf("after %v of %v: %d run and %d wait, want %d and %d", ops[:id+1], enmesh.Now().Sub(begin), q.InFlight(), q.Waiting(), len(m.running), len(m.waiting))
		}
		for i := range id + 1 {
			if seen[i] != m.out[i] {
				t.Fatalf("after %v: call %d is %q, want %q", ops[:id+1], i, seen[i], m.out[i])
			}
		}
	}
	<-time.After(time.Second) // the rest gives up
	synctest.Wait()
}

func admit(q *shed.Queue, ctx context.Context) string { //nolint:revive // the queue is what it is about
	switch _, err := q.Admit(ctx, &enmesh.Call{Clock: enmesh.Now()}); {
	case err == nil:
		return "served"
	case errors.Is(err, shed.ErrOverloaded):
		return "refused"
	default:
		return err.Error()
	}
}
