// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package enmesh

import "time"

// Instant is a reading of the process's monotonic clock, in nanoseconds. Only
// differences mean anything. It is positive, also inside a testing/synctest
// bubble, whose clock stands decades before the process started; zero means
// "never".
type Instant int64

// epoch lies a hundred years before the process started, so that a bubble's
// clock, which starts in the year 2000, still reads positive.
var epoch = time.Now().Add(-100 * 365 * 24 * time.Hour)

// Now reads the clock (about 25 ns). A call shares its readings through
// [Call.Clock]; read it anew only after a wait.
func Now() Instant { return Instant(time.Since(epoch)) }

// Sub is the time from u to t.
func (t Instant) Sub(u Instant) time.Duration { return time.Duration(t - u) }

// Add is t moved by d.
func (t Instant) Add(d time.Duration) Instant { return t + Instant(d) }

// Time is t as a time.Time, without another clock read, for primitives that take
// one (rate.Limiter.AllowN). It carries the monotonic reading.
func (t Instant) Time() time.Time { return epoch.Add(time.Duration(t)) }
