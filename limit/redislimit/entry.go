// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package redislimit

import (
	"math"
	"sync"
	"time"

	"github.com/enmesh-go/enmesh"
)

// entry is what an instance knows of one key: permits taken ahead, when Redis said that
// there is no more, and the local share for when Redis cannot be asked.
type entry struct {
	sum   sum
	slot  *slot
	group *group

	mu    sync.Mutex // guards what follows; nothing is called out under it
	gone  bool       // from the table: it is to be looked up again
	last  enmesh.Instant
	flies *refill // the ask that is under way

	permits int            // taken ahead
	until   enmesh.Instant // when they are lost
	dry     enmesh.Instant // until then Redis has no more
	deaf    enmesh.Instant // until then the key is not asked for, since it holds something else

	size  int            // of the next lease
	since enmesh.Instant // the last ask
	taken int            // permits wanted by calls since then

	shaky   bool           // the last ask failed: no call waits for the next one
	level   float64        // of the share's bucket
	known   float64        // what it would be, had calls taken nothing that Redis does not know of
	levelAt enmesh.Instant // when they were so
	aside   int            // permits taken from the share since the last ask began
}

// verdict is what an entry says to a call.
type verdict uint8

const (
	admitted verdict = iota
	refused
	unknown // Redis must say
)

// take decides by what Redis has said.
func (e *entry) take(now enmesh.Instant) (v verdict, wait time.Duration) {
	e.last = max(e.last, now)
	e.taken++
	switch {
	case e.permits > 0 && now < e.until:
		e.permits--
		return admitted, 0
	case now < e.dry:
		return refused, e.dry.Sub(now)
	}
	return unknown, 0
}

// low reports whether it is time to take more permits ahead: less than half of a lease is
// there, nobody asks, and nobody was told that there are none.
func (e *entry) low(now enmesh.Instant) bool {
	return e.flies == nil && e.size > 1 && e.permits < (e.size+1)/2 && now >= e.dry
}

// share is the part of the limit that one of n instances has.
type share struct {
	rate  float64 // permits a second
	burst float64
}

func (cfg Config) share(n int) share {
	return share{rate: cfg.Rate / float64(n), burst: max(1, float64(cfg.Burst)/float64(n))}
}

// takeShare decides by the share: a token bucket that goes on from what Redis last said was
// left, or is full where it never said anything.
func (e *entry) takeShare(now enmesh.Instant, s share) (v verdict, wait time.Duration) {
	e.fill(now, s)
	if e.level >= 1 {
		e.level--
		e.aside++
		return admitted, 0
	}
	seconds := (1 - e.level) / s.rate
	return refused, time.Duration(min(seconds, maxFill.Seconds()) * float64(time.Second))
}

// fill brings the share's bucket to now.
func (e *entry) fill(now enmesh.Instant, s share) {
	if e.levelAt == 0 {
		e.level, e.known, e.levelAt = s.burst, s.burst, now
		return
	}
	if now > e.levelAt {
		more := now.Sub(e.levelAt).Seconds() * s.rate
		e.level, e.known, e.levelAt = e.level+more, e.known+more, now
	}
	e.level, e.known = min(e.level, s.burst), min(e.known, s.burst)
}

// owed is what calls have taken by the share and is missing in a bucket that does not know
// of it: the bucket in Redis has filled all the time. Of all instances together it makes
// that one what it would be, had they asked.
func (e *entry) owed(now enmesh.Instant, s share) float64 {
	e.fill(now, s)
	return max(0, e.known-e.level)
}

// wanted is the size of the lease to ask for, for so many calls that wait: as many permits
// as calls have wanted lately in the time of a lease, at most twice and at least half the
// last one.
func (e *entry) wanted(now enmesh.Instant, cfg Config, waiting int) int {
	most := cfg.most()
	if most > 1 && e.since != 0 {
		elapsed := max(now.Sub(e.since), time.Microsecond)
		demand := float64(e.taken) * float64(cfg.Lease) / float64(elapsed)
		e.size = int(math.Ceil(min(max(demand, float64(e.size)/2), float64(e.size)*2)))
	}
	e.size = min(max(e.size, waiting, 1), most)
	e.since, e.taken = now, 0
	return e.size
}

// answered takes what Redis gave to an ask for so many permits.
func (e *entry) answered(now enmesh.Instant, g grant, wanted int, cfg Config, instances int) {
	if now >= e.until {
		e.permits = 0
	}
	e.permits += g.permits
	e.until = now.Add(max(2*cfg.Lease, cfg.Timeout))
	e.dry = 0
	if g.permits < wanted {
		e.dry = now.Add(cfg.hold(g.wait))
	}
	e.known, e.levelAt = g.left/float64(instances), now
	e.level = e.known - float64(e.aside)
}

// idle reports whether nothing is lost when the entry is forgotten: nothing flies, nothing
// is in hand or refused, and Redis knows of all that was admitted, or it is long ago.
func (e *entry) idle(now enmesh.Instant, s share) bool {
	if e.flies != nil || now < e.dry || now < e.deaf || e.permits > 0 && now < e.until {
		return false
	}
	return e.owed(now, s) == 0
}
