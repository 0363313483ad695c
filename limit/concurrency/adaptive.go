// Copyright 2026 The enmesh Authors
// SPDX-License-Identifier: Apache-2.0

package concurrency

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/enmesh-go/enmesh"
)

// Adaptive admits as many calls at once as the far side can do, which it finds out by
// itself: the limit grows while calls take as long as they do when few run, and shrinks
// when they begin to wait, or when the far side refuses. It is a gate, for a client's
// route or endpoint, where the far side is the service or the endpoint, and for a server,
// where it is the handler. Neither admitting nor refusing allocates or takes a lock; the
// end of a call takes one only where a window may end with it.
//
// What a call's end says:
//
//   - An answer, be it the caller's own fault, is a measurement: the time until its head
//     came, from the reading of the clock that the call was admitted with (the pick's below
//     the pick, the attempt's above). A stream is in flight until its end all the same.
//   - On a client, UNAVAILABLE, RESOURCE_EXHAUSTED and DEADLINE_EXCEEDED that count
//     against the far side (503, 429, 504, a failed connect) are refusals. More than 5%
//     of them cut the limit; fewer stop its growth.
//   - Every other end, as of a caller that gave up, is a measurement only if it came
//     later than answers do, since an answer would have come later still. On a server
//     that is so of each failure: what failed may be a dependency, for which the calls
//     that do not need it are not refused.
//
// While fewer than three quarters of the limit run and none was refused, latency says nothing of
// the limit, and it stays.
type Adaptive struct {
	refusal [2]*enmesh.Error // by enmesh.Side
	shares  byRank

	inFlight atomic.Int64
	limit    atomic.Int64

	most    atomic.Int64  // in flight at once in this window
	full    atomic.Bool   // a call was refused in this window
	sum     atomic.Uint64 // of this window, see pack
	refused atomic.Int64  // by the far side, in this window
	usual   atomic.Int64  // the last window's mean latency
	ends    atomic.Int64  // an Instant: when this window may end; 0: none has begun

	mu      sync.Mutex     // guards began and control; whoever finds it taken goes on without
	began   enmesh.Instant // of this window
	control control
}

// NewAdaptive makes the gate, or refuses a Config that makes no sense.
func NewAdaptive(cfg AdaptiveConfig) (*Adaptive, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	shares, err := cfg.Shares.byRank()
	if err != nil {
		return nil, err
	}
	refusal, err := refusals(cfg.Refusal, cfg.Status, cfg.RetryAfter)
	if err != nil {
		return nil, err
	}
	a := &Adaptive{refusal: refusal, shares: shares, control: newControl(cfg)}
	a.limit.Store(cfg.Initial)
	return a, nil
}

// InFlight is how many calls run now.
func (a *Adaptive) InFlight() int64 { return a.inFlight.Load() }

// Limit is how many may run now.
func (a *Adaptive) Limit() int64 { return a.limit.Load() }

// served marks, in a token, the call of a server. An Instant leaves the bit free.
const served = 1 << 63

// Admit counts the call in flight, or refuses.
func (a *Adaptive) Admit(ctx context.Context, c *enmesh.Call) (enmesh.Token, error) {
	limit := a.shares.share(ctx, a.limit.Load())
	n, ok := a.enter(limit)
	if !ok {
		if !a.full.Load() {
			a.full.Store(true)
		}
		return enmesh.Token{}, a.refusal[c.Side]
	}
	for m := a.most.Load(); n > m; m = a.most.Load() {
		if a.most.CompareAndSwap(m, n) {
			break
		}
	}
	token := enmesh.Token{N: uint64(c.Clock)}
	if c.Side == enmesh.Server {
		token.N |= served
	}
	return token, nil
}

// enter counts a call in flight if there is room, and gives how many are.
func (a *Adaptive) enter(limit int64) (int64, bool) {
	for {
		n := a.inFlight.Load()
		if n >= limit {
			return n, false
		}
		if a.inFlight.CompareAndSwap(n, n+1) {
			return n + 1, true
		}
	}
}

// Done counts it no longer, and learns from it.
func (a *Adaptive) Done(t enmesh.Token, r enmesh.Result) {
	a.inFlight.Add(-1)
	latency := r.Latency(enmesh.Instant(t.N &^ served))
	switch judge(r, t.N&served != 0) {
	case refusal:
		a.refused.Add(1)
	case bound:
		if latency <= time.Duration(a.usual.Load()) {
			return
		}
		fallthrough
	case measurement:
		a.sum.Add(pack(latency))
	}
	if r.Ended >= enmesh.Instant(a.ends.Load()) {
		a.roll(r.Ended)
	}
}

// evidence is what the end of a call is.
type evidence uint8

const (
	measurement evidence = iota
	bound                // an answer would have taken longer
	refusal              // of the far side
)

func judge(r enmesh.Result, served bool) evidence {
	switch r.Outcome {
	case enmesh.Success:
		return measurement
	case enmesh.Neutral:
		if r.Answered != 0 {
			return measurement
		}
	case enmesh.Failure:
		if !served && overload(enmesh.CodeOf(r.Err)) {
			return refusal
		}
	}
	return bound
}

func overload(c enmesh.Code) bool {
	return c == enmesh.Unavailable || c == enmesh.ResourceExhausted || c == enmesh.DeadlineExceeded
}

// roll ends the window if it has had its time and its calls.
func (a *Adaptive) roll(now enmesh.Instant) {
	if !a.mu.TryLock() {
		return
	}
	defer a.mu.Unlock()
	if a.began == 0 {
		a.begin(now, shortWindow)
		return
	}
	n := int64(count(a.sum.Load())) + a.refused.Load()
	if now < enmesh.Instant(a.ends.Load()) || n < fewSamples || n < a.control.samples() && now.Sub(a.began) < longWindow {
		return
	}
	first := a.usual.Load() == 0
	w := a.take()
	if first { // the calls that end first are the short ones
		a.begin(now, length(w.latency))
		return
	}
	a.limit.Store(a.control.step(w, now))
	a.begin(now, length(w.latency))
}

func (a *Adaptive) begin(now enmesh.Instant, d time.Duration) {
	a.began = now
	a.ends.Store(int64(now.Add(d)))
}

// take empties the window.
func (a *Adaptive) take() window {
	sum := a.sum.Swap(0)
	w := window{refused: a.refused.Swap(0), latency: mean(sum)}
	w.ended = int64(count(sum)) + w.refused
	w.limited = a.full.Swap(false)
	if 4*a.most.Swap(a.inFlight.Load()) >= 3*a.limit.Load() {
		w.limited = true
	}
	if w.latency > 0 {
		a.usual.Store(int64(w.latency))
	}
	return w
}

// A window's sum is a number of latencies, in its low bits, and their sum in
// microseconds above: one word, so that both are of the same calls.
const (
	countBits  = 20
	longestLat = time.Minute // a latency that is longer counts as this
)

func pack(latency time.Duration) uint64 {
	latency = min(max(latency, time.Microsecond), longestLat)
	return uint64(latency/time.Microsecond)<<countBits | 1
}

func count(sum uint64) uint64 { return sum & (1<<countBits - 1) }

func mean(sum uint64) float64 {
	n := count(sum)
	if n == 0 {
		return 0
	}
	return float64(sum>>countBits) / float64(n) * float64(time.Microsecond)
}
