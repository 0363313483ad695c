// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package mesh

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/telemetry"
)

// rate admits so many in a second, and a few more at once: the generic cell rate algorithm
// (ITU-T I.371). Whoever is not admitted costs one atomic load.
type rate struct{ due atomic.Int64 } // an Instant: when all that was admitted is paid for

// What is recorded of a service: at most a burst, and one more each time.
const (
	goodEvery, goodBurst = time.Second / 16, 4 // together 20 in any second
	badEvery, badBurst   = time.Second / 68, 32
	tryEvery, tryBurst   = time.Second / 136, 64
)

func (r *rate) take(now enmesh.Instant, every time.Duration, burst int) bool {
	due := r.due.Load()
	if due-int64(now) > int64(every)*int64(burst-1) {
		return false
	}
	return r.due.CompareAndSwap(due, max(due, int64(now))+int64(every))
}

// recorder observes the calls of one route.
type recorder struct {
	all     *decisions
	service string // the key of the destination; "": that of the call
	ring    *ring
	origin  string   // file:line of the rule
	hosts   []string // that the rule is for
}

// recorder is nil where nothing is remembered.
func (d *decisions) recorder(service, origin string, hosts []string) *recorder {
	if d == nil {
		return nil
	}
	return &recorder{d, service, d.ring(service), origin, hosts}
}

// calls observes calls; nil where nothing is remembered.
func (o *recorder) calls() telemetry.Observer {
	if o == nil {
		return nil
	}
	return (*callRecorder)(o)
}

// attempts observes attempts; nil where nothing is remembered.
func (o *recorder) attempts() telemetry.Observer {
	if o == nil {
		return nil
	}
	return (*attemptRecorder)(o)
}

// callRecorder and attemptRecorder are a recorder as a telemetry.Observer: a function as one
// would cost every call one more jump.
type (
	callRecorder    recorder
	attemptRecorder recorder
)

// Observe records a call.
func (o *callRecorder) Observe(r enmesh.Result) {
	c := r.Call
	bad := r.Err != nil && notable(r.Err)
	var wanted bool
	if bad {
		wanted = o.ring.bad.take(r.Ended, badEvery, badBurst)
	} else {
		wanted = o.ring.good.take(r.Ended, goodEvery, goodBurst)
	}
	var tries []Attempt
	if r.Err != nil || c.Attempt > 1 {
		tries = o.all.trails.take(c)
	}
	if !wanted {
		return
	}
	service := o.service
	if service == "" {
		service = o.all.naming.Key(c.Service)
	}
	o.all.add(record{decisionOf(r, service, o.origin, tries), o.hosts}, bad)
}

// Observe notes an attempt that failed: one that did not is the call's last, and known then.
func (o *attemptRecorder) Observe(r enmesh.Result) {
	if r.Err != nil && o.ring.tries.take(r.Ended, tryEvery, tryBurst) {
		o.all.trails.add(r.Call, attemptOf(r))
	}
}

// notable reports whether a call went other than its maker and the service meant: it
// failed, or a policy refused it. What the service said no to is its business.
func notable(err error) bool {
	e := enmesh.ErrorOf(err)
	return telemetry.Failed(err) || e != nil && (e.Policy != "" || e.Flag != "")
}

// trails are the failed attempts of calls that have not ended yet: of a few hundred, the
// oldest of which give way.
type trails struct {
	open atomic.Int32 // len(of)

	mu    sync.Mutex // guards what follows
	of    map[trailKey]int
	slots [256]trail
	next  int
}

// trailKey is a call: its record may be used again for another, which begins later.
type trailKey struct {
	call  *enmesh.Call
	start enmesh.Instant
}

type trail struct {
	key   trailKey
	tries []Attempt
}

// maxTrail is how many attempts of a call are noted.
const maxTrail = 16

func (t *trails) add(c *enmesh.Call, a Attempt) {
	key := trailKey{c, c.Start}
	t.mu.Lock()
	defer t.mu.Unlock()
	at, ok := t.of[key]
	if !ok {
		if t.of == nil {
			t.of = map[trailKey]int{}
		}
		at, t.next = t.next, (t.next+1)%len(t.slots)
		delete(t.of, t.slots[at].key)
		t.slots[at] = trail{key: key}
		t.of[key] = at
		t.open.Store(int32(len(t.of)))
	}
	if s := &t.slots[at]; len(s.tries) < maxTrail {
		s.tries = append(s.tries, a)
	}
}

// take gives the attempts that were noted of a call that has ended.
func (t *trails) take(c *enmesh.Call) []Attempt {
	if t.open.Load() == 0 {
		return nil
	}
	key := trailKey{c, c.Start}
	t.mu.Lock()
	defer t.mu.Unlock()
	at, ok := t.of[key]
	if !ok {
		return nil
	}
	delete(t.of, key)
	t.open.Store(int32(len(t.of)))
	tries := t.slots[at].tries
	t.slots[at] = trail{}
	return tries
}
