// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package limit

import (
	"errors"
	"math"
	"sync/atomic"
	"time"

	"github.com/enmesh-go/enmesh"
)

// ErrLimited is found in every refusal of a rate limit. The refusal is an
// *enmesh.Error: ResourceExhausted, 429 unless set otherwise, RL, Neutral, with
// RetryAfter.
var ErrLimited = errors.New("rate limit reached")

const (
	never   = time.Duration(-1)                    // a wait that has no end
	longest = 9_000_000_000_000 * time.Millisecond // the longest wait that is told, 285 years
)

// refusals are the errors of one limit, one for each wait that it tells of, built when
// first needed and kept. A wait is rounded up to two digits of milliseconds (1 ms, 99 ms,
// 250 ms, 1.1 s), so that there are few, and who comes back then does not come too early.
type refusals struct {
	policy string
	status int
	never  *enmesh.Error // the call costs more than there will ever be
	waits  [12]atomic.Pointer[[100]atomic.Pointer[enmesh.Error]]
}

func newRefusals(policy string, status int) *refusals {
	r := &refusals{policy: policy, status: status}
	r.never = r.build(never)
	return r
}

func (r *refusals) build(after time.Duration) *enmesh.Error {
	return &enmesh.Error{
		Code:       enmesh.ResourceExhausted,
		Outcome:    enmesh.Neutral,
		Unsent:     true,
		Status:     r.status,
		Flag:       enmesh.FlagRateLimited,
		Policy:     r.policy,
		RetryAfter: after,
		Err:        ErrLimited,
	}
}

// after is the refusal of a call that would pass after wait; negative is never.
func (r *refusals) after(wait time.Duration) *enmesh.Error {
	if wait < 0 {
		return r.never
	}
	digits, power, after := round(wait)
	decade := r.waits[power].Load()
	if decade == nil {
		r.waits[power].CompareAndSwap(nil, new([100]atomic.Pointer[enmesh.Error]))
		decade = r.waits[power].Load()
	}
	e := decade[digits].Load()
	if e == nil {
		decade[digits].CompareAndSwap(nil, r.build(after))
		e = decade[digits].Load()
	}
	return e
}

// round is d rounded up to digits times ten to the power milliseconds, at least one,
// with at most two digits.
func round(d time.Duration) (digits, power int, rounded time.Duration) {
	ms := int64(min(d, longest)+time.Millisecond-1) / int64(time.Millisecond)
	ms = max(ms, 1)
	unit := time.Millisecond
	for ms > 99 {
		ms = (ms + 9) / 10
		unit *= 10
		power++
	}
	return int(ms), power, time.Duration(ms) * unit
}

// span is how long n units take at a rate, in seconds; at most longest.
func span(n, rate float64) time.Duration {
	d := math.Ceil(n / rate * float64(time.Second))
	if d >= float64(longest) {
		return longest
	}
	return time.Duration(d)
}
