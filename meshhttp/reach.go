// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package meshhttp

import (
	"errors"
	"math"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/enmesh-go/enmesh"
	"github.com/enmesh-go/enmesh/balance"
)

// How long an endpoint that cannot be connected to is left alone. The numbers are
// gRPC's connection backoff, with lower ceilings: what ends a rest here is a call
// that tries the endpoint. While another endpoint answers, no call need be spent on
// one that is down; while none does, being back soon is worth more.
const (
	firstRest  = time.Second
	restFactor = 1.6
	longRest   = 10 * time.Second // while another endpoint answers
	shortRest  = 3 * time.Second  // while none does
	restJitter = 0.2
)

// reach is what is known of connecting to an endpoint. One that is down is tried by one
// call at a time, and not sooner than a rest after the last one failed: the others are
// refused, or go elsewhere. It is down when connecting has failed twice with neither a
// connection nor an answer between: one that cannot be made does not speak for the others.
type reach struct {
	end      *balance.Endpoint
	others   *atomic.Int32 // how many endpoints of the cluster have answered; nil: nobody counts
	patience time.Duration // how long a try may take before another one goes

	up       atomic.Bool  // it has answered since it could not be connected to
	failures atomic.Int32 // in a row
	last     atomic.Int64 // an Instant: when the last one counted was met
	until    atomic.Int64 // an Instant: until when nobody tries; 0: it is not known to be down
	made     atomic.Bool  // a connection was made, or has carried an answer, since it failed
	trying   atomic.Bool  // somebody does
	rest     atomic.Int64 // an Instant: the end of the rest that was begun here last
	over     atomic.Bool  // the pool was retired: up counts no more
}

func (r *reach) init(e *balance.Endpoint, others *atomic.Int32, timeout time.Duration) {
	r.end, r.others, r.patience = e, others, max(timeout, firstRest)
}

// try reports whether a call may go there. Where it may not, left is how long that is so.
func (r *reach) try(now enmesh.Instant) (may bool, left time.Duration) {
	until := r.until.Load()
	if until == 0 {
		return true, 0
	}
	next := now.Add(r.patience)
	if int64(now) < until || !r.until.CompareAndSwap(until, int64(next)) {
		return false, max(enmesh.Instant(r.until.Load()).Sub(now), 0)
	}
	r.trying.Store(true)
	r.restUntil(next) // meanwhile calls go elsewhere
	return true, 0
}

// connected says that a connection was made: whoever waited for that may go.
func (r *reach) connected() {
	if !r.made.Load() {
		r.made.Store(true)
	}
	if r.until.Load() == 0 || r.until.Swap(0) == 0 {
		return
	}
	if r.trying.Swap(false) && int64(r.end.EjectedUntil()) == r.rest.Load() {
		r.end.Eject(enmesh.Now())
	}
}

// answered says that the endpoint has answered.
func (r *reach) answered() {
	if !r.up.Load() && r.up.CompareAndSwap(false, true) {
		r.count(+1)
		if r.over.Load() {
			r.leave()
		}
	}
	if r.failures.Load() != 0 {
		r.failures.Store(0)
	}
	r.connected()
}

// failed says that the endpoint could not be connected to by who began then. It rests for
// 1 s, growing by 1.6 up to 10 s while others answer and to 3 s while none does, or up to a
// fifth more. Calls that fail together count once.
func (r *reach) failed(began, now enmesh.Instant) {
	last := r.last.Load()
	if int64(began) <= last && last != 0 || !r.last.CompareAndSwap(last, int64(now)) {
		return
	}
	made := r.made.Swap(false)
	r.leave()
	n := r.failures.Add(1) - 1
	jitter := 1 + restJitter*rand.Float64()
	r.trying.Store(false)
	rest := restOf(n, shortRest, jitter)
	if !made {
		r.until.Store(int64(now.Add(rest)))
	}
	if r.others != nil && r.others.Load() > 0 {
		rest = restOf(n, longRest, jitter)
	}
	r.restUntil(now.Add(rest))
}

// restOf is how long an endpoint rests that has failed n times before.
func restOf(n int32, most time.Duration, jitter float64) time.Duration {
	return time.Duration(jitter * min(float64(firstRest)*math.Pow(restFactor, float64(n)), float64(most)))
}

// restUntil has picks pass the endpoint over. It shortens no rest but its own.
func (r *reach) restUntil(until enmesh.Instant) {
	before := r.rest.Swap(int64(until))
	if before > int64(until) && int64(r.end.EjectedUntil()) == before {
		r.end.Eject(until)
		return
	}
	r.end.Rest(until)
}

// leave says that the endpoint does not answer any more.
func (r *reach) leave() {
	if r.up.CompareAndSwap(true, false) {
		r.count(-1)
	}
}

// retire is leave for good.
func (r *reach) retire() {
	r.over.Store(true)
	r.leave()
}

func (r *reach) count(by int32) {
	if r.others != nil {
		r.others.Add(by)
	}
}

// The refusals of calls that would go to an endpoint that rests: the n-th says that half a
// second passes n+1 times until one is tried again.
const (
	refusalStep  = 500 * time.Millisecond
	refusalSteps = 8
)

var errAllRest = errors.New("no endpoint can be connected to, and none is to be tried again yet")

var restRefusals = func() (all [refusalSteps]*enmesh.Error) {
	for i := range all {
		all[i] = &enmesh.Error{
			Code: enmesh.Unavailable, Outcome: enmesh.Failure, Unsent: true, Status: 503,
			Flag: enmesh.FlagNoHealthy, Policy: "meshhttp", RetryAfter: time.Duration(i+1) * refusalStep, Err: errAllRest,
		}
	}
	return all
}()

// refusalFor is the error of a call that is refused for so long.
func refusalFor(left time.Duration) *enmesh.Error {
	return restRefusals[min(max(int((left-1)/refusalStep), 0), refusalSteps-1)]
}
